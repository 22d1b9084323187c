"""The real programs and recorded conversations that some tests compare with, where they are at hand.

``WADM_REAL_BIN`` names a directory with the programs (``wadm``, ``wash``, ``wasmcloud``, …), ``WADM_SHARED`` one with
the recordings (``golden/…``) and packed programs (``bin/``); without it, ``shared`` beside the repository is looked at.
A test that asks for what is not there is skipped, and says what it lacks.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).resolve().parent.parent


def shared(path: str) -> Path:
    """Return a file of the shared directory, or skip the test."""
    directory = Path(os.environ.get("WADM_SHARED") or _REPOSITORY.parent / "shared")
    found = directory / path
    if not found.exists():
        pytest.skip(f"needs {path} in {directory} (set WADM_SHARED)")
    return found


def real_program(name: str) -> Path:
    """Return a real program, or another file that comes with them, or skip the test."""
    given = os.environ.get("WADM_REAL_BIN")
    directory = Path(given) if given else _unpacked()
    if directory is None or not (directory / name).exists():
        pytest.skip(f"needs the real {name} (set WADM_REAL_BIN)")
    return directory / name


@cache
def _unpacked() -> Path | None:
    """Unpack the packed programs into a cache directory, once for all test processes and runs."""
    packed = Path(os.environ.get("WADM_SHARED") or _REPOSITORY.parent / "shared") / "bin"
    unpack = packed / "unpack"
    if not unpack.exists():
        return None
    home = os.environ.get("XDG_CACHE_HOME")
    cache_directory = Path(home) if home else Path(tempfile.gettempdir())
    target = cache_directory / f"wadm-real-programs-{os.getuid()}"
    subprocess.run([str(unpack), str(target)], check=True, timeout=300)
    return target
