"""How to install a part that is missing from this very copy of wadm.

The name of the project may belong to somebody else on a package index, so nobody is sent there for it: what is named is
where this copy came from, or else the libraries themselves.
"""

from __future__ import annotations

import shlex
import sys
from importlib import metadata, util
from pathlib import Path
from typing import Any, Final

DISTRIBUTION: Final = "wadm"


def install_hint(extra: str) -> str:
    """Return the command that installs an extra (``up``, ``http``, ...) for this copy.

    Where it came from is what the installer noted (PEP 610); how it was installed shows in the environment it is in.
    """
    origin = _origin()
    what = shlex.quote(f"{origin}[{extra}]") if origin else _libraries(extra)
    if origin and (Path(sys.prefix) / "uv-receipt.toml").exists():
        return f"uv tool install --force {what}"
    if (Path(sys.prefix) / "pipx_metadata.json").exists():
        return f"pipx install --force {what}" if origin else f"pipx inject {Path(sys.prefix).name} {what}"
    python = shlex.quote(sys.executable)
    if util.find_spec("pip") is None:
        return f"uv pip install --python {python} {what}"
    return f"{python} -m pip install {what}"


def _origin() -> str:
    """Return the directory or file that this copy was installed from, if that is still there, or its URL."""
    noted = _noted()
    url = str(noted.get("url", ""))
    if url.startswith("file://"):
        from urllib.parse import unquote, urlsplit

        path = unquote(urlsplit(url).path)
        return path if Path(path).exists() else ""
    if url and "vcs_info" in noted:
        return f"{DISTRIBUTION} @ {noted['vcs_info'].get('vcs', 'git')}+{url}"
    return url


def _noted() -> dict[str, Any]:
    import json

    try:
        text = metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
        noted = json.loads(text) if text else {}
    except (metadata.PackageNotFoundError, OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _requirements(extra: str) -> list[str]:
    """Return what an extra needs, as the package says."""
    try:
        wanted = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return []
    marked = (one.partition(";") for one in wanted)
    return [name.strip() for name, _, marker in marked if f"extra == '{extra}'" in marker.replace('"', "'")]


def _libraries(extra: str) -> str:
    return " ".join(map(shlex.quote, _requirements(extra)))
