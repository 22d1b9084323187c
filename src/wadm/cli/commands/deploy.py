"""``wadm deploy``: have an application run, and wait until it does."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from wadm.cli import complete
from wadm.cli.command import command, option
from wadm.cli.durations import DURATION
from wadm.cli.image_option import begun, checking_images, refuse_misfits
from wadm.cli.options import connected, printing
from wadm.cli.output import Output
from wadm.cli.provenance import Provenance, signed
from wadm.cli.selectors import Term, selector_option
from wadm.cli.session import Session
from wadm.cli.sources import from_files

if TYPE_CHECKING:
    from collections.abc import Callable

    from wadm.cli.releases import Release
    from wadm.client.client import Client


@command(
    "deploy",
    examples="""
    wadm deploy wadm.yaml --wait
    wadm deploy hello
    wadm deploy hello --version v1.0.0 --wait --timeout 2m
    wadm deploy hello --retry --wait
    wadm deploy manifests/ --prune -l team=shop --wait --yes
    """,
)
@click.argument("targets", metavar="NAME|FILE...", nargs=-1, shell_complete=complete.applications_and_files)
@from_files("targets", required=True)
@option("--version", metavar="VERSION", shell_complete=complete.versions, help="The version; without it the newest.")
@option("-w", "--wait", is_flag=True, help="Wait until it is deployed, showing what is still to come.")
@option("--timeout", type=DURATION, default="5m", show_default=True, help="How long to wait for it to be deployed.")
@option("--fail-fast", is_flag=True, help="With --wait: give up as soon as a status is failed, not after the timeout.")
@option(
    "--replace",
    is_flag=True,
    help="If the version is stored with another content, replace it; what runs is changed as by a new version.",
)
@option("--prune", is_flag=True, help="Undeploy what has the labels of --selector and is not among the manifests.")
@selector_option("Labels of the applications that --prune looks at.")
@option("-y", "--yes", is_flag=True, help="Do not ask before --prune undeploys something.")
@option("--retry", is_flag=True, help="Once more the version that is deployed: try again what was given up.")
@option("--plan", metavar="ID", help="Only if this plan (of `wadm plan`) still holds.")
@checking_images
@signed
@printing("text", "json", "yaml", "jsonpath", "custom-columns")
@connected
def deploy(
    targets: tuple[str, ...],
    version: str | None,
    wait: bool,
    timeout: float,
    fail_fast: bool,
    replace: bool,
    prune: bool,
    selector: tuple[Term, ...],
    yes: bool,
    retry: bool,
    plan: str | None,
    image_check: bool,
    by: Provenance,
    session: Session,
    output: Output,
) -> None:
    """Have applications run: by name what is stored, by file what is in it.

    A FILE (or directory with all below it, URL, - for standard input) is stored first, unless just that is stored
    already; so the same line may be run again and again. Nothing is done if one of several cannot be stored. Without
    --wait the command ends when the server has taken note.

    With --wait it ends with 4 if the application is not deployed in time, and shows why; and at once where nothing
    more is tried, as with a provider's image that did not come to run, so that the one before runs again.
    """
    from wadm.cli.releases import plan_releases, refuse_taken, refuse_unknown
    from wadm.cli.rollout import rollout

    if prune != bool(selector):
        raise click.UsageError("--prune and --selector go together: the labels say what belongs to the manifests")
    if fail_fast and not wait:
        raise click.UsageError("--fail-fast goes with --wait")
    releases = plan_releases(targets, version)
    if retry and (version is not None or any(release.written is not None for release in releases)):
        raise click.UsageError("--retry goes with names alone: it is about the version that is deployed")
    if plan is not None and len(releases) != 1:
        raise click.UsageError("--plan goes with one application")

    written = [release.written for release in releases if release.written is not None]
    stored = [(release.name, release.version) for release in releases if release.written is None]
    check = begun(written) if image_check and not retry else None

    async def store(client: Client) -> None:
        await refuse_unknown(client, releases)
        if check is not None:
            await refuse_misfits(client, check, written, stored)
        if not replace:
            await refuse_taken(client, releases, "give the manifest a new version, or use --replace")
        for release in releases:
            if said := await release.store(client, replace, by.author):
                output.remark(said)

    async def ask(client: Client, release: Release) -> str | None:
        if plan is not None:
            await client.events(limit=1)  # raises for the original, which would not look at the plan
        done = await client.deploy(
            release.name, release.version, plan=plan, retry=retry, author=by.author, message=by.message
        )
        for one in done.warnings:
            output.remark(f"warning: {one.message} ({one.hint})" if one.hint else f"warning: {one.message}")
        return done.version

    pruned: Callable[[], list[str]] | None = None
    if prune:
        from wadm.cli.pruning import ask_first, orphans, undeploy_all

        gone = orphans(session, {release.name for release in releases}, selector)
        ask_first(gone, session.settings.lattice, yes)
        pruned = partial(undeploy_all, session, output, gone, by)
    rollout(releases, ask, session, output, timeout if wait else None, store, fail_fast, pruned)
