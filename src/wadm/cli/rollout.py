"""Having versions run, and waiting until they do: what ``deploy`` and ``rollback`` share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

from wadm.cli import exits
from wadm.cli.follow import FAILED, Waiting, is_final
from wadm.cli.output import Output, echo, show
from wadm.cli.releases import Release
from wadm.cli.session import Session
from wadm.cli.situation import Situation, situation
from wadm.cli.standing import quietly
from wadm.cli.views.status import status
from wadm.client.client import Client
from wadm.client.watch import NotReached
from wadm.model.status import ApplicationStatus

REPORTED_WITHIN = 10.0
"""Seconds to wait for providers to report their health: a host asks them 5 s after their start."""

Ends = dict[str, ApplicationStatus | NotReached]
Hints = dict[str, tuple[str, ...]]
"""What keeps an application from being deployed that concerns its lattice as a whole."""
Ask = Callable[[Client, Release], Awaitable[str | None]]
"""Asks the server to have a release run; returns the version that it will be."""


def rollout(
    releases: Sequence[Release],
    ask: Ask,
    session: Session,
    output: Output,
    timeout: float | None,
    before: Callable[[Client], Awaitable[None]] | None = None,
    fail_fast: bool = False,
    prune: Callable[[], list[str]] | None = None,
) -> None:
    """Do what is to be done ``before``, have the releases run, and say so; with a ``timeout`` wait until they do, and
    fail if they do not in time (``fail_fast``: or as soon as one has failed). Where none failed, ``prune`` is called at
    the end, which returns what it has undeployed."""
    asked: list[str] = []
    hints: Hints = {}

    async def work(client: Client) -> tuple[Ends, float]:
        if before is not None:
            await before(client)
        async with AsyncExitStack() as stack:
            waiting: Waiting | None = None
            if timeout is not None:
                waiting = await stack.enter_async_context(Waiting(client, [release.name for release in releases]))
            for release in releases:
                release.version = await ask(client, release)
                asked.append(release.name)
                if waiting is not None and await _wants_nothing(client, release):
                    waiting.idle.add(release.name)
                    output.remark(f"{release.name} has nothing that could be started: its status stays undeployed.")
            if waiting is None or timeout is None:
                return {}, client.transport.now()
            versions = {release.name: release.version for release in releases}
            ends = await _until_deployed(waiting, timeout, versions, fail_fast)
            for release in releases:
                await _still_meant(client, release)
                if isinstance(end := ends.get(release.name), NotReached) and end.status is not None:
                    hints[release.name] = (await quietly(situation(client, release.name, 0), Situation())).hints
            return ends, client.transport.now()

    try:
        ends, now = session.run(work)
    except KeyboardInterrupt:
        if asked:
            names = " ".join(asked)
            output.remark(f"Not waiting any more. The server goes on deploying {', '.join(asked)}.")
            output.remark(f"Follow it with: wadm status {names} --watch. Have it stopped with: wadm undeploy {names}")
        raise
    _report(releases, ends, hints, output, timeout or 0, now, prune)


async def _wants_nothing(client: Client, release: Release) -> bool:
    """Whether a version has nothing to start or to link, nor anything of another application: it never is more than
    undeployed."""
    from wadm.engine.validate import wants_nothing  # who does not wait does without

    return wants_nothing(await client.get(release.name, release.version))


async def _until_deployed(waiting: Waiting, timeout: float, versions: dict[str, str | None], fail_fast: bool) -> Ends:
    """Wait until all are deployed, and a little for the first health reports of providers that were just started: one
    that crashes at once is not there by then."""
    while True:
        ends = await waiting.until("deployed", timeout, versions, fail_fast)
        if not any(isinstance(end, ApplicationStatus) and _unreported(end) for end in ends.values()):
            return ends
        told = await waiting.until(lambda status: not _unreported(status), REPORTED_WITHIN, versions)
        if all(isinstance(end, NotReached) or end.type == "deployed" for end in told.values()):
            return ends | {n: end for n, end in told.items() if not isinstance(end, NotReached) or str(end) == FAILED}


def _unreported(status: ApplicationStatus) -> list[str]:
    """Return what is not known yet of an application that is deployed."""
    notes = [scaler.explanation.note for scaler in status.scalers if scaler.explanation.note]
    return notes if status.type == "deployed" else []


async def _still_meant(client: Client, release: Release) -> None:
    """Raise if somebody has deployed another version since: what is deployed now is not what was asked for."""
    version = next((one.version for one in await client.versions(release.name) if one.deployed), None)
    if version != release.version:
        what = f"version {version}" if version is not None else "an undeploy"
        raise exits.Failure(
            f"{release.name}: version {release.version} was superseded by {what} while it was being deployed",
            exits.FAILED,
            f"`wadm history {release.name}` shows by whom",
        )


def _report(
    releases: Sequence[Release],
    ends: Ends,
    hints: Hints,
    output: Output,
    timeout: float,
    now: float,
    prune: Callable[[], list[str]] | None,
) -> None:
    late = [release for release in releases if isinstance(ends.get(release.name), NotReached)]
    data = []
    for release in releases:
        end = ends.get(release.name)
        one: dict[str, object] = {"name": release.name, "version": release.version}
        if end is not None:
            one |= {"deployed": isinstance(end, ApplicationStatus), "status": getattr(end, "status", end)}
        data.append(one)
        if not output.structured:
            _say(release, end, hints.get(release.name, ()), now)
    if prune is not None and not late:
        data += [{"name": name, "version": None, "pruned": True} for name in prune()]
    elif prune is not None:
        output.remark("Nothing is pruned, as not all is deployed.")
    if output.structured:
        output.show(data, str)
    if late:
        names = ", ".join(release.name for release in late)
        hopeless = [one for one in late if isinstance(end := ends[one.name], NotReached) and str(end) == FAILED]
        what, code = ("failed", exits.FAILED) if hopeless else (f"not deployed within {timeout:g} s", exits.TIMED_OUT)
        said = (hint for release in late for hint in hints.get(release.name, ()) if not hint.startswith("version "))
        why = next((f": {hint}" for hint in said), "")
        raise exits.Failure(f"{names}: {what}{why}", code, _what_now(late, ends))


def _what_now(late: Sequence[Release], ends: Ends) -> str:
    for release in late:
        end = ends[release.name]
        if isinstance(end, NotReached) and end.status is not None and is_final(end.status):
            return (
                f"nothing more is tried; deploy another version, or try again with: wadm deploy {release.name} --retry"
            )
    return f"the server goes on trying; follow it with: wadm status {late[0].name} --watch"


def _say(release: Release, end: ApplicationStatus | NotReached | None, hints: Sequence[str], now: float) -> None:
    if end is None:
        echo(f"Deploying {release.name} version {release.version}. Follow it with: wadm status {release.name} --watch")
    elif not isinstance(end, NotReached):
        echo(f"Deployed {release.name} version {release.version}.")
        for note in _unreported(end):
            echo(f"{note}.")
    elif end.status is not None:
        show(status(release.name, end.status, release.version, now, hints=hints))
