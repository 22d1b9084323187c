"""``wadm backup`` and ``wadm restore``: what cannot be made anew, in a file, and back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wadm.cli import exits, files
from wadm.cli.command import command, option
from wadm.cli.options import connected, printing
from wadm.cli.output import Output
from wadm.cli.session import Session
from wadm.cli.views.table import count

if TYPE_CHECKING:
    from rich.console import RenderableType

    from wadm.client.backup import Backup, Places, Restored, RestorePlan
    from wadm.client.client import Client
    from wadm.model.insight import Missing


def _named(function: Any) -> Any:
    """Give a command the options that say what the server's buckets are called, as the server has them."""
    for name, kind, default in (
        ("--manifest-bucket", "manifest_bucket", "wadm_manifests"),
        ("--state-bucket", "state_bucket", "wadm_state"),
        ("--stream-prefix", "stream_prefix", ""),
    ):
        declare = option(
            name,
            kind,
            default=default,
            envvar=f"WADM_{kind.upper()}",
            metavar="NAME",
            section="Names, where the server was started with others",
            help=f"As the server's {name}.",
        )
        function = declare(function)
    return function


def _places(manifest_bucket: str, state_bucket: str, stream_prefix: str) -> Places:
    from wadm.client.backup import Places

    return Places(manifest_bucket, state_bucket, f"{stream_prefix}wadm_revisions")


@command(
    "backup",
    examples="""
    wadm backup wadm-backup.json
    wadm backup - | age -r RECIPIENT > wadm-backup.age
    """,
)
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@option("--force", is_flag=True, help="Write over a file that is there.")
@_named
@printing("text", "json", "yaml")
@connected
def backup(
    file: str,
    force: bool,
    manifest_bucket: str,
    state_bucket: str,
    stream_prefix: str,
    session: Session,
    output: Output,
) -> None:
    """Write all that cannot be made anew into FILE (- is standard output): the applications of all lattices with all
    their versions and what is deployed, what was put for them, and their history.

    The file holds the values of configurations as the manifests do; only you may read it. `wadm restore` puts it back.
    Needs an identity that may use JetStream ($JS.API.>), as `wadm doctor` does.
    """
    from wadm.client.backup import described, encode_backup, take

    if file != "-" and not force and Path(file).exists():
        raise exits.Failure(f"{file} is there already", exits.FAILED, hint="name another file, or --force")
    places = _places(manifest_bucket, state_bucket, stream_prefix)

    async def work(client: Client) -> Backup:
        return await take(client.transport, places)

    made = session.run(work)
    data = encode_backup(made)
    if file == "-":
        sys.stdout.buffer.write(data)
        return
    files.write(Path(file), data, mode=0o600)
    applications = [one for one in map(described, made.applications) if one is not None]
    lattices = sorted({one.lattice for one in applications})
    text = f"Wrote {count(len(applications), 'application')} of {count(len(lattices), 'lattice')} to {file}."
    told = {"file": file, "bytes": len(data), "lattices": lattices, "applications": applications}
    output.say(told, text)


@command(
    "restore",
    examples="""
    wadm restore wadm-backup.json
    wadm restore wadm-backup.json --only prod --yes
    wadm restore --from-server
    wadm restore --from-server --lattice prod --yes
    """,
)
@click.argument("file", required=False, type=click.Path(dir_okay=False, allow_dash=True))
@option("--from-server", is_flag=True, help="Have the servers store again what they remember of the lattice.")
@option("--only", multiple=True, metavar="LATTICE", help="Only this lattice of the file; may be given several times.")
@option("--deleted", is_flag=True, help="Bring back, too, what was deleted after the backup was made.")
@option("--over-memory", is_flag=True, help="Restore from the file, too, what servers remember as it was last.")
@option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@option("-y", "--yes", is_flag=True, help="Do not ask.")
@_named
@printing("text", "json", "yaml")
@connected
def restore(
    file: str | None,
    from_server: bool,
    only: tuple[str, ...],
    deleted: bool,
    over_memory: bool,
    dry_run: bool,
    yes: bool,
    manifest_bucket: str,
    state_bucket: str,
    stream_prefix: str,
    session: Session,
    output: Output,
) -> None:
    """Put back what `wadm backup` wrote into FILE, or, with --from-server, what the servers remember after their bucket
    was deleted under them. What would be done is shown first.

    Nothing is written over that was changed after the backup was made, and nothing that was deleted since is brought
    back unasked. What servers still remember is left to --from-server: they know it as it was last. What runs on hosts
    goes on; nothing is restarted by a restore of what is deployed.
    """
    if from_server == (file is not None):
        raise click.UsageError("name a FILE, or --from-server")
    if from_server:
        _from_server(session, output, dry_run, yes)
        return
    from wadm.client.backup import decode_backup, plan_restore

    assert file is not None
    kept = decode_backup(files.read(file))
    _have_lattices(file, kept, only)
    places = _places(manifest_bucket, state_bucket, stream_prefix)

    async def look(client: Client) -> RestorePlan:
        remembered = frozenset() if over_memory else await _remembered(client, kept)
        return await plan_restore(client.transport, places, kept, remembered, deleted, frozenset(only))

    planned = session.run(look)
    if not output.structured and planned.applications:
        output.show(None, lambda: _view(planned))
    if planned.is_empty:
        output.say(_as_data(planned, None), "There is nothing to restore.")
        return
    if dry_run:
        output.say(_as_data(planned, None), "Nothing was done.")
        return
    _agree(yes, "Restore this?")

    async def work(client: Client) -> Restored:
        from wadm.client.backup import carry_out

        await _have_buckets(client, planned, places)
        return await carry_out(client.transport, places, kept, planned)

    done = session.run(work)
    output.say(_as_data(planned, done), _sentence(done))
    if done.changed_meanwhile:
        names = ", ".join(one.name for one in done.changed_meanwhile)
        raise exits.Failure(f"changed meanwhile, and left as they are: {names}", exits.FAILED)


def _from_server(session: Session, output: Output, dry_run: bool, yes: bool) -> None:
    lattice = session.settings.lattice
    missing = session.run(lambda client: client.missing())
    if not output.structured and missing:
        output.show(None, lambda: _view_missing(missing))
    if not missing:
        output.say({"missing": [], "restored": []}, f"Nothing is missing in lattice {lattice} that a server remembers.")
        return
    if dry_run:
        output.say({"missing": missing, "restored": []}, "Nothing was done.")
        return
    _agree(yes, f"Have the servers store this again in lattice {lattice}?")
    stored = session.run(lambda client: client.restore_from_server())
    output.say({"missing": missing, "restored": stored}, f"Stored again: {', '.join(stored) or 'nothing'}.")
    if left := sorted({one.name for one in missing} - set(stored)):
        raise exits.Failure(f"not stored again by this, perhaps by somebody else: {', '.join(left)}", exits.FAILED)


def _have_lattices(file: str, kept: Backup, only: tuple[str, ...]) -> None:
    """Raise for a lattice of which the backup holds nothing."""
    from wadm.client.backup import described

    there = sorted({one.lattice for one in map(described, kept.applications) if one is not None})
    if missing := [lattice for lattice in only if lattice not in there]:
        hint = f"it holds applications of: {', '.join(there)}" if there else "it holds no application at all"
        raise exits.Failure(f"{file} holds nothing of lattice {', '.join(missing)}", exits.NOT_FOUND, hint)


def _agree(yes: bool, question: str) -> None:
    """Ask a person; a script has to say ``--yes``."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise exits.Failure("nothing was done", exits.INVALID, hint="say --yes to do what is shown above")
    if not click.confirm(question, err=True):
        raise exits.Failure("nothing was done", exits.FAILED)


async def _remembered(client: Client, kept: Backup) -> frozenset[tuple[str, str]]:
    """Return lattice and name of what servers remember that the bucket has lost."""
    from wadm.cli.standing import quietly
    from wadm.client.backup import described
    from wadm.wire import subjects

    lattices = sorted({one.lattice for one in map(described, kept.applications) if one is not None})
    found: set[tuple[str, str]] = set()
    for lattice in filter(subjects.is_token, lattices):
        found |= {(lattice, one.name) for one in await quietly(client.at(lattice).missing(), ())}
    return frozenset(found)


async def _have_buckets(client: Client, planned: RestorePlan, places: Places) -> None:
    """Make the buckets that are not there, as a server would."""
    if not planned.missing:
        return
    from wadm.server.resources import ensure
    from wadm.server.settings import Settings, StreamSettings

    prefix = places.revisions.removesuffix("wadm_revisions")
    settings = Settings(
        streams=StreamSettings(manifest_bucket=places.manifests, state_bucket=places.state, prefix=prefix)
    )
    await ensure(client.transport, settings, set())


def _view(planned: RestorePlan) -> RenderableType:
    from rich.text import Text

    from wadm.cli.views.table import or_nothing, table
    from wadm.client.backup import SAID

    result = table("LATTICE", "APPLICATION", "VERSIONS", "DEPLOYED", "WHAT", flexible="WHAT")
    for one in planned.applications:
        assert one.about is not None
        about = one.about
        deployed = or_nothing(about.deployed_version)
        result.add_row(about.lattice, about.name, str(len(about.versions)), deployed, Text(SAID[one.step]))
    return result


def _view_missing(missing: tuple[Missing, ...]) -> RenderableType:
    from wadm.cli.views.table import or_nothing, table

    result = table("APPLICATION", "VERSIONS", "DEPLOYED")
    for one in missing:
        result.add_row(one.name, str(len(one.versions)), or_nothing(one.deployed_version))
    return result


def _as_data(planned: RestorePlan, done: Restored | None) -> dict[str, Any]:
    """Return what programs read."""
    import msgspec

    applications = [
        msgspec.to_builtins(one.about) | {"step": one.step} for one in planned.applications if one.about is not None
    ]
    return {
        "plan": {
            "applications": applications,
            "records": [one.kept.key for one in planned.records],
            "history": list(planned.history),
            "buckets": list(planned.missing),
        },
        "done": None if done is None else msgspec.to_builtins(done),
    }


def _sentence(done: Restored) -> str:
    told = f"Restored {count(len(done.applications), 'application')}, {count(done.records, 'record')} of what was put"
    return f"{told} and {count(done.history, 'entry')} of history."
