"""Files that commands read and write as a whole, with errors in words."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from wadm.cli import exits

MOST = 1 << 30
"""Bytes of standard input that are read."""


def read(file: str) -> bytes:
    """Return what a file holds, or standard input for ``-``."""
    if file == "-":
        return sys.stdin.buffer.read(MOST)
    try:
        return Path(file).read_bytes()
    except FileNotFoundError as error:
        raise exits.Failure(f"{file} does not exist", exits.NOT_FOUND) from error
    except OSError as error:
        raise exits.Failure(f"{file} cannot be read: {error.strerror}", exits.FAILED) from error


def write(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Write a file as a whole or not at all. ``mode`` is who may do what with it, less what the umask denies.

    What is no file of its own (``/dev/stdout``, a pipe, a symbolic link) stays what it is, and is written into.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            path.write_bytes(data)
            return
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:  # noqa: PTH123
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise exits.Failure(f"{path} cannot be written: {error.strerror}", exits.FAILED) from error
