"""A registry for tests, in a thread."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from wadm.hosts.oci import Credentials, Registries

WASM = b"\0asm\x0d\0\1\0 and more"


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Registry:
    """A registry in a thread, which answers by ``pages`` and keeps who asked for what."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.challenge: str | None = None
        self.accepted: str | None = None
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                authorization = self.headers.get("authorization")
                registry.asked.append((self.path, authorization))
                path = self.path.partition("?")[0]
                if path.startswith("/v2/") and registry.challenge and authorization != registry.accepted:
                    self.send_response(401)
                    self.send_header("www-authenticate", registry.challenge)
                    self.end_headers()
                    return
                page = registry.pages.get(path)
                self.send_response(404 if page is None else 200)
                self.end_headers()
                self.wfile.write(page or b"")

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.name = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def put(
        self, tag: str, data: bytes = WASM, kind: str = "application/wasm", config: bytes = b"", **layer: Any
    ) -> str:
        """Keep an image; return its reference."""
        one = {"mediaType": kind, "digest": digest(data), "size": len(data)} | layer
        described = {"mediaType": "application/vnd.wasm.config.v0+json", "digest": digest(config), "size": len(config)}
        manifest = {"schemaVersion": 2, "layers": [one]} | ({"config": described} if config else {})
        self.pages[f"/v2/team/hello/manifests/{tag}"] = json.dumps(manifest).encode()
        self.pages[f"/v2/team/hello/blobs/{described['digest']}"] = config
        self.pages[f"/v2/team/hello/blobs/{one['digest']}"] = data
        return f"{self.name}/team/hello:{tag}"

    def known(self, password: str = "") -> Registries:
        own = {self.name: Credentials("ann", password)} if password else {}
        return Registries(frozenset({self.name}), own)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
