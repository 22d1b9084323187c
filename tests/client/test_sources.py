"""Where manifests are read from, and what is done to them on the way."""

from __future__ import annotations

import io
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from wadm.client.images import resolve_images
from wadm.client.sources import Source, SourceError, is_source, load
from wadm.errors import ManifestInvalid, NotFound, Unavailable, WadmError

MANIFEST = b"""\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {name: hello, annotations: {}}
spec: {components: []}
"""


def test_a_file_is_passed_on_as_written(tmp_path: Path) -> None:
    file = tmp_path / "wadm.yaml"
    file.write_bytes(MANIFEST)
    assert load(str(file)) == [Source(str(file), MANIFEST)]


def test_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(MANIFEST)))
    assert load("-") == [Source("<stdin>", MANIFEST)]


def test_of_a_directory_the_manifests_in_order(tmp_path: Path) -> None:
    for name in ("b.yml", "a.yaml", "notes.txt"):
        (tmp_path / name).write_bytes(MANIFEST)
    (tmp_path / "compose.yaml").write_text("services: {}")
    assert [Path(source.name).name for source in load(str(tmp_path))] == ["a.yaml", "b.yml"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-", True),
        ("hello", False),
        ("hello_2-x", False),
        ("hello.yaml", True),
        ("./hello", True),
        ("https://example.com/hello.yaml", True),
    ],
)
def test_what_is_a_manifest_and_what_a_name(text: str, expected: bool) -> None:
    assert is_source(text) is expected


def test_a_file_called_like_an_application_is_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hello").touch()
    assert is_source("hello")


def test_what_cannot_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFound, match="there is no file"):
        load(str(tmp_path / "no.yaml"))
    (tmp_path / "wadm.toml").touch()
    with pytest.raises(SourceError, match=r"should end in \.yaml, \.yml or \.json"):
        load(str(tmp_path / "wadm.toml"))
    with pytest.raises(NotFound, match="there is no manifest"):
        load(str(tmp_path))
    with pytest.raises(SourceError, match="only http:// and https://"):
        load("ftp://example.com/wadm.yaml")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b" \n")))
    with pytest.raises(ManifestInvalid, match="<stdin> is empty"):
        load("-")


@pytest.fixture
def website() -> Iterator[str]:
    """A site with a public manifest, one for a user, and one that sends its visitors elsewhere with what they bring."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            wanted = f"Basic {b64encode(b'ann:p@ss/w').decode()}"
            if path == "/private.yaml" and self.headers["Authorization"] != wanted:
                self.send_response(401)
            elif path == "/away.yaml":
                self.send_response(302)
                self.send_header("Location", query)
            else:
                self.send_response(200 if path in ("/wadm.yaml", "/private.yaml", "/told.yaml") else 404)
            self.end_headers()
            told = f"# {self.headers['Authorization']}\n".encode() if path == "/told.yaml" else b""
            self.wfile.write(told + MANIFEST)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_credentials_in_a_url_are_used_and_never_shown(website: str) -> None:
    place = website.removeprefix("http://")
    (source,) = load(f"http://ann:p%40ss%2Fw@{place}/private.yaml?token=t0p")
    assert (source.data, source.name) == (MANIFEST, f"{website}/private.yaml?token=***")
    with pytest.raises(SourceError) as refused:
        load(f"http://ann:wrong@{place}/private.yaml?token=t0p")
    assert str(refused.value) == (
        f"{website}/private.yaml?token=*** answered 401 Unauthorized: it wants credentials; does it accept this user "
        "and password?"
    )


def test_credentials_are_not_taken_to_another_server(website: str) -> None:
    here, elsewhere = website.removeprefix("http://"), website.replace("127.0.0.1", "localhost")
    (same,) = load(f"http://ann:pw@{here}/away.yaml?/told.yaml")
    assert same.data.startswith(b"# Basic ")
    (other,) = load(f"http://ann:pw@{here}/away.yaml?{elsewhere}/told.yaml")
    assert other.data.startswith(b"# None\n")


@pytest.mark.parametrize(
    "url",
    [
        "http://ann:s3cret@127.0.0.1:1/x.yaml",
        "http://ann:s3cret@no.invalid/x.yaml",
        "ftp://ann:s3cret@example.com/x.yaml",
        "http://ann:s3cret@example.com:port/x",
        "http://ann:s3/cret@example.com:x/y",
        "http://127.0.0.1:1/x.yaml?token=s3cret",
        "http://127.0.0.1:1/x.yaml?a=1&sig=s3cret#part",
        "https://s3cret@127.0.0.1:1/x.yaml",
    ],
)
def test_no_error_shows_a_secret(url: str) -> None:
    with pytest.raises(WadmError) as failed:
        load(url)
    assert "s3" not in str(failed.value)
    assert "cret" not in str(failed.value)


def test_a_url_is_fetched(website: str) -> None:
    assert load(f"{website}/wadm.yaml") == [Source(f"{website}/wadm.yaml", MANIFEST)]


def test_a_page_that_is_not_there_is_not_taken_for_a_manifest(website: str) -> None:
    with pytest.raises(NotFound, match="answered 404"):
        load(f"{website}/other.yaml")


def test_a_website_that_is_away_is_said() -> None:
    with pytest.raises(Unavailable, match=r"cannot read http://127\.0\.0\.1:1/x\.yaml: Connection refused$"):
        load("http://127.0.0.1:1/x.yaml")


@pytest.mark.parametrize(
    "url", ["http://", "https:///x.yaml", "http://example.com:port/x", "http://[::1/x", "http://a b"]
)
def test_half_a_url_is_said(url: str) -> None:
    with pytest.raises(SourceError, match="it is not a whole URL"):
        load(url)


def test_what_is_no_website_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nats:

        def greet() -> None:
            reader, _ = nats.accept()
            with reader:
                reader.sendall(b'INFO {"server_id":"N"}\r\n')
                reader.recv(1000)

        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(SourceError, match="what answers there does not speak HTTP"):
            load(f"http://127.0.0.1:{nats.getsockname()[1]}/x.yaml")
        thread.join()


def test_relative_images_become_absolute_and_all_else_stays(tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()
    (tmp_path / "build/a b.wasm").touch()
    before = b"""\
# kept
a: file://build/a b.wasm   # kept too
b: "file://./build/a b.wasm"
c: [file:///absolute.wasm, file://, {file://build: x}]
version: 1.10
"""
    url = (tmp_path / "build/a%20b.wasm").as_uri().replace("%25", "%").encode()
    assert resolve_images(before, tmp_path) == before.replace(
        b"file://build/a b.wasm   #", b'"' + url + b'"   #'
    ).replace(b'"file://./build/a b.wasm"', b'"' + url + b'"')


def test_positions_hold_behind_characters_of_several_bytes(tmp_path: Path) -> None:
    (tmp_path / "x.wasm").touch()
    data = "a: grüße 🎉\nimage: file://x.wasm\n".encode()
    assert resolve_images(data, tmp_path).decode() == f'a: grüße 🎉\nimage: "{(tmp_path / "x.wasm").as_uri()}"\n'


def test_an_anchored_image_is_replaced_once(tmp_path: Path) -> None:
    (tmp_path / "x.wasm").touch()
    url = (tmp_path / "x.wasm").as_uri()
    assert resolve_images(b"a: &i file://x.wasm\nb: *i\n", tmp_path).decode() == f'a: &i "{url}"\nb: *i\n'


def test_an_image_that_is_not_there_is_said_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=f"file://no.wasm is not there: {tmp_path}/no.wasm"):
        resolve_images(b"image: file://no.wasm", tmp_path)


@pytest.mark.parametrize("data", [b"a: [file://x", b"a: file://x\xff", b"--- file://x\n--- b"])
def test_what_is_no_yaml_is_left_to_the_reader_of_manifests(data: bytes, tmp_path: Path) -> None:
    assert resolve_images(data, tmp_path) == data
