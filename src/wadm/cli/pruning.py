"""``deploy --prune``: undeploying what was deployed from manifests that are gone."""

from __future__ import annotations

from collections.abc import Collection

from wadm.cli.confirm import confirm
from wadm.cli.dependents import refuse_if_needed
from wadm.cli.output import Output
from wadm.cli.provenance import Provenance
from wadm.cli.selectors import Term, selected
from wadm.cli.session import Session
from wadm.client.client import Client


def orphans(session: Session, kept: Collection[str], selector: tuple[Term, ...]) -> list[str]:
    """Return the deployed applications that have the labels and are not kept."""

    async def find(client: Client) -> list[str]:
        deployed = [one for one in await client.list() if one.deployed_version is not None and one.name not in kept]
        names = [one.name for one in await selected(client, deployed, selector)]
        await refuse_if_needed(client, names)
        return names

    return session.run(find)


def undeploy_all(session: Session, output: Output, names: list[str], by: Provenance) -> list[str]:
    """Undeploy these applications, whose versions stay stored; return their names."""

    async def work(client: Client) -> None:
        for name in names:
            await client.undeploy(name, author=by.author, message=by.message or "not among the manifests any more")

    session.run(work)
    for name in names:
        output.remark(f"Undeploying {name}, which is not among the manifests any more. Its versions stay stored.")
    return names


def ask_first(names: list[str], lattice: str, yes: bool) -> None:
    """Ask whether to undeploy them, and end the command if not."""
    if names:
        confirm("Undeploy", names, lattice, yes)
