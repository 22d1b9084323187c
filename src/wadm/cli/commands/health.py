"""``wadm health``: whether a server or an operator on this machine is ready, for containers."""

from __future__ import annotations

import os

import click

from wadm.cli import exits
from wadm.cli.command import command

TIMEOUT = 3.0


@command(
    "health",
    examples="""
    wadm health
    wadm health http://127.0.0.1:8080/readyz
    """,
)
@click.argument("url", required=False)
def health(url: str | None) -> None:
    """Ask a server or an operator whether it is ready; ends with 0 if so, with 1 and its reason if not.

    It is asked where WADM_HTTP_ADMIN, else WADM_OPERATOR_HTTP, has it listen (`--http-admin`, `--http`); URL names
    another place. For `wadm up` name its dashboard's: http://127.0.0.1:PORT/readyz.
    """
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import urlopen

    url = url or _here()
    try:
        with urlopen(url, timeout=TIMEOUT) as answer:  # noqa: S310  (made here, or given by whoever calls)
            answer.read()
    except HTTPError as error:
        said = error.read(500).decode(errors="replace").strip()
        raise exits.Failure(f"not ready: {said or error.reason}", exits.FAILED) from None
    except (OSError, HTTPException, ValueError) as error:
        raise exits.Failure(f"{url}: {getattr(error, 'reason', error)}", exits.FAILED) from None
    click.echo("ready")


def _here() -> str:
    place = os.environ.get("WADM_HTTP_ADMIN") or os.environ.get("WADM_OPERATOR_HTTP")
    if not place:
        raise exits.Failure(
            "it is not said where: neither WADM_HTTP_ADMIN nor WADM_OPERATOR_HTTP is set, and no URL is given",
            exits.INVALID,
            "name a URL; of `wadm up` it is that of its dashboard with the path /readyz",
        )
    host, _, port = place.rpartition(":")
    everywhere = host in ("", "0.0.0.0", "[::]", "::")  # noqa: S104  (asked on this machine)
    return f"http://{'127.0.0.1' if everywhere else host}:{port}/readyz"
