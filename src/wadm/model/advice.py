"""What hosts and the server say, in plain words, and what somebody can do about it.

The texts are those of wasmCloud hosts 1.x and of wadm, as they were recorded from real ones; a part of them is looked
for.
"""

from __future__ import annotations

import re
from typing import Final

_ADVICE: Final[tuple[tuple[tuple[str, ...], str], ...]] = (
    (
        ("tagged 'latest'",),
        "give the image a version, or start the host with WASMCLOUD_OCI_ALLOW_LATEST=true",
    ),
    (
        ("failed to parse reference", "invalid reference", "invalid characters in reference"),
        "correct the image in the manifest: registry/name:tag",
    ),
    (
        ("file loading is disabled",),
        "start that host with --allow-file-load true (WASMCLOUD_ALLOW_FILE_LOAD), or use an image in a registry",
    ),
    (
        ("unknown builtin",),
        "hosts know wasmcloud+builtin://http-client, http-server and messaging-nats: correct the image",
    ),
    (("nothing to fetch for a builtin",), "a builtin is a provider: write type: capability"),
    (
        ("expected=[ 0x0, 0x61, 0x73, 0x6d, ] actual=[ 0x1f, 0x8b",),
        "the file is an archive, as providers are: write type: capability, or name the component's .wasm",
    ),
    (
        (
            "magic header not detected",
            "bad magic number",
            "failed to extract module claims",
            "failed to parse component",
        ),
        "name an image that is a WebAssembly component (wash build makes one); for a provider write type: capability",
    ),
    (
        ("failed to compile component", "failed to initialize component", "failed to instantiate", "unknown import"),
        "build the component for wasmCloud 1.x (wasm32-wasip2), and see the host's log for what it lacks",
    ),
    (
        ("failed to load provider archive: failed to load target",),
        "put the file there on that host, or build the archive for that machine, or use an image in a registry",
    ),
    (
        ("failed to load provider archive",),
        "name a provider archive (.par.gz); for a component write type: component",
    ),
    (
        ("Text file busy",),
        "another provider of that host runs from this very file: use a copy of it under another name, or an image in a "
        "registry",
    ),
    (
        ("No such file or directory",),
        "put the file there on that host, or use an image in a registry, which all hosts reach",
    ),
    (
        ("manifest unknown", "MANIFEST_UNKNOWN", "NAME_UNKNOWN", "name unknown"),
        "push the image, or correct the reference in the manifest and see `wadm plan` before you deploy that",
    ),
    (
        ("Not authorized", "unauthorized", "denied: ", "authentication"),
        "check that the image exists (correct the manifest, see `wadm plan`), and give the host the registry's "
        "credentials (WASMCLOUD_OCI_REGISTRY_USER, _PASSWORD)",
    ),
    (
        ("dns error", "Connection refused", "error sending request", "connection timed out", "operation timed out"),
        "check the registry in the image's reference, and the network between it and that host; a registry without TLS "
        "must be allowed on the host (--allowed-insecure)",
    ),
    (
        ("failed to fetch", "failed to pull"),
        "check the image in the manifest, and that the host can reach the registry",
    ),
    (("Policy denied", "policy"), "ask whoever runs the policy service to allow the image, or use one that it allows"),
    (("secret store not configured",), "start the host with a secrets backend (--secrets-topic)"),
    (
        ("etch requested secrets: secret not found", "SecretNotFound", "secret not found"),
        "put the secret into that backend under the key that the manifest names",
    ),
    (
        ("etch requested secrets", "secrets backend"),
        "see whether the secrets backend runs and answers on its subject, and whether it holds the key",
    ),
    (("whose deployed version", "is not deployed", "is not shared"), "deploy the application that shares it"),
    (
        ("link already exists with different target",),
        "delete the other link (wash link del), or give this one another name",
    ),
    (("Specified configuration",), "put it (wash config put NAME KEY=VALUE), or give its properties in the manifest"),
    (("exec format error",), "the provider's archive has nothing for this host's machine: build it for that"),
    (("more than a host can take",), "lower the number of instances in the manifest, and deploy that"),
    (("the host is full", "out of memory"), "start another host, or ask for less"),
    (("no room left",), "make room in NATS, or raise the limit that it names; `wadm doctor` shows what is full"),
    (("did not answer in time", "did not answer"), "see whether the host still runs (wadm hosts), and its log"),
    (
        ("still runs ",),
        "see that host's log, correct the image and deploy a new version, or go back (`wadm rollback`)",
    ),
    (("shows no sign of",), "see the host's log: it accepted this and did not say what became of it"),
    (("The id ", "is used by"), "give the component another id, or stop what uses it there"),
    (("Somebody undoes this",), "see who else manages this lattice: wadm doctor"),
    (
        ("to be healthy again", "not healthy"),
        "see the provider's log on that host; stop it there to have it started anew",
    ),
    (
        ("has not reported its health yet",),
        "a host asks 5 s after the start; if it stays so, it may crash again and again, or hang: see the provider's "
        "log on that host",
    ),
    (("of its health",), "see the provider's log on that host; stop it there to have it started anew"),
    (("Unhealthy provider",), "see the provider's log on that host; stop it there to have it started anew"),
    (("shared component",), "deploy the application that shares it"),
    (("Only the first scaler",), "keep one scaler for it, with several spreads if need be"),
    (("no host has", "no host for"), "label a host so (wash label), start one with that label, or change the spread"),
    (("too few (spread", "no host is there"), "start another host, or ask for less"),
)


def advice(text: str) -> str:
    """Return what can be done about what was said, nothing where nobody knows.

    >>> advice("Specified configuration tuning does not exist")
    'put it (wash config put NAME KEY=VALUE), or give its properties in the manifest'
    >>> advice("Scaling component on 1 host(s)")
    ''
    """
    flat = " ".join(text.split())
    return next((step for parts, step in _ADVICE if any(part in flat for part in parts)), "")


_FETCHED: Final = re.compile(
    r"(?:failed to fetch [a-z ]+: )*failed to fetch (?:component|provider) under OCI reference `([^`]+)`: "
)
_LAYERS: Final = re.compile(
    r"^(?:failed to (?:fetch|read|load|pull)[a-zA-Z ]*(?:\[[^\]]*\])?[a-zA-Z ]*(?:\[([^\]]*)\])?: )+"
)
_REQUEST: Final = re.compile(
    r"error sending request for url \(https?://([^/)]+)[^)]*\): (?:client error \(\w+\): )?(.*)"
)
_CONFIGURATION: Final = re.compile(r"Specified configuration (\S+) does not exist")
_NO_ARCHIVE: Final = ("numeric field was not a number", "cksum", "invalid gzip header", "archive header checksum")
"""What a host says of a file that it takes for an archive and that is none."""
_MAGIC: Final = re.compile(r"failed to extract module claims: .*magic header not detected.*", re.DOTALL)


def plain(error: str, image: str = "") -> str:
    """Return what a host or the server said, the layers of its error taken off. ``image`` is what it was about.

    >>> plain("failed to fetch component: failed to fetch component under OCI reference `r.io/x:1`: failed to fetch "
    ...       "OCI path: failed to fetch OCI bytes: Not authorized: url not found")
    'r.io/x:1 cannot be fetched: Not authorized: url not found'
    >>> plain("failed to fetch component: failed to read component: No such file or directory (os error 2)", "file:///x")
    'file:///x is not there: No such file or directory'
    """
    if found := _CONFIGURATION.fullmatch(error):
        return f"configuration {found[1]} is not in the lattice"
    if _MAGIC.fullmatch(error):
        archive = "0x1f,\n    0x8b" in error or "0x1f, 0x8b" in error
        return f"{image or 'the image'} is {'an archive' if archive else 'something else'}, not a WebAssembly component"
    if "unknown builtin name: " in error:
        return f"{image or error.rpartition(' ')[2]} is no builtin provider that this host knows"
    if found := _FETCHED.match(error):
        image, rest = found[1], error[found.end() :]
    elif _LAYERS.match(error):
        rest = error
    else:
        return error
    rest = _LAYERS.sub("", rest).replace(" (os error 2)", "").replace(" (os error 111)", "")
    if found := _REQUEST.search(rest):
        registry, why = found.groups()
        why = why.removeprefix("tcp connect error: ").removeprefix("dns error: ")
        return f"{image or 'the image'} cannot be fetched: no connection to {registry}: {why}"
    if "Text file busy" in rest:
        return f"{image or 'the provider'} cannot be started: its program is in use (Text file busy)"
    if any(word in rest for word in _NO_ARCHIVE) and "provider archive" in error:
        return f"{image or 'the image'} is something else, not a provider archive"
    if "No such file or directory" in rest:
        return f"{image or 'the file'} is not there: No such file or directory"
    return f"{image or 'the image'} cannot be fetched: {rest}"
