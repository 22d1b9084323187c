"""``wadm diff``: what differs between two manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wadm.cli import complete
from wadm.cli.command import command, option
from wadm.cli.options import connected, printing
from wadm.cli.output import Output, as_yaml, show
from wadm.cli.session import Session
from wadm.errors import NotFound

if TYPE_CHECKING:
    from wadm.client.client import Client
    from wadm.model.manifest import Manifest


@command(
    "diff",
    examples="""
    wadm diff hello
    wadm diff hello v1.0.0 v1.1.0
    wadm diff wadm.yaml
    wadm diff hello v1.0.0 wadm.yaml
    """,
)
@click.argument("target", metavar="NAME|FILE", shell_complete=complete.applications_and_files)
@click.argument("before", metavar="[V1]", required=False, shell_complete=complete.versions)
@click.argument("after", metavar="[V2|FILE]", required=False, shell_complete=complete.versions)
@option("--exit-code", is_flag=True, help="End with 1 if there is a difference.")
@printing("text", "json", "yaml")
@connected
def diff(target: str, before: str | None, after: str | None, exit_code: bool, session: Session, output: Output) -> None:
    """Show what differs between two versions of an application, or between one and a file.

    Of a NAME: version V1 (default: what is deployed) against V2 (default: the newest) or a FILE.
    Of a FILE: version V1 (default: what is deployed) against the file.
    """
    from wadm.client.sources import is_source

    if is_source(target):
        if after is not None:
            raise click.UsageError("of a file there is one version to compare with")
        file: str | None = target
    else:
        if before is not None and after is None and is_source(before):
            before, after = None, before
        file = after if after is not None and is_source(after) else None
    changed = None if file is None else _one(file)
    name = changed.name if changed is not None and file == target else target

    async def work(client: Client) -> tuple[Manifest, Manifest]:
        old = await client.get(name, before or await _deployed(client, name))
        return old, changed or await client.get(name, after)

    old, new = session.run(work)
    text = _difference(old, new, f"{name} {old.version}", file or f"{name} {new.version}")

    if output.structured:
        output.show({"name": name, "before": old.version, "after": new.version, "difference": text}, str)
    elif text:
        from wadm.cli.views.difference import coloured

        show(coloured(text), wide=True)  # lines are whole, for whoever takes them up again
    else:
        output.remark(f"{name}: no difference")
    if text and exit_code:
        raise click.exceptions.Exit(1)


def _one(file: str) -> Manifest:
    from wadm.cli.manifests import load_valid

    (written, *others) = load_valid(file)
    if others:
        raise click.UsageError(f"{file} holds several manifests; compare one at a time")
    return written.manifest


async def _deployed(client: Client, name: str) -> str:
    version = next((one.version for one in await client.versions(name) if one.deployed), None)
    if version is None:
        raise NotFound(f"{name} is not deployed; name the versions to compare (`wadm history {name}` lists them)")
    return version


def _difference(old: Manifest, new: Manifest, old_name: str, new_name: str) -> str:
    from wadm.cli.views.difference import difference
    from wadm.wire.manifests import manifest_to_builtins

    old_text, new_text = (as_yaml(manifest_to_builtins(manifest)) for manifest in (old, new))
    return difference(old_text, new_text, old_name, new_name)
