"""Links: compared by content, put where they are absent or differ, and put anew where providers have not heard of them.

A host refuses a link whose configuration it does not have, and one with the same key and an overlapping interface but
another target. So configuration comes first, and a link of ours that stands in the way is deleted before the put.

A link with a provider that runs nowhere yet is put before the start of that provider is asked for, so that it is in the
list that the provider is started with. All other links follow the starts: while the first start of a component is under
way its links wait, as both write the same record of the lattice, and hosts do that without looking
(docs/protocol/lattice.md#link-writes-race). They do not wait for a host that takes its time, or fails, while the
component runs on others: the record is there then, and left as it is. What a provider has heard of a link is decided in
:mod:`wadm.engine.delivery`.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from wadm.engine.configs import OUT_OF_SYNC, next_config
from wadm.engine.delivery import Delivery, delivery, running_ends, starting
from wadm.engine.listening import Taken, taken
from wadm.engine.plan import PlanBuilder, explain
from wadm.engine.scalers import LinkScaler, WorkloadScaler
from wadm.model.commands import DeleteLink, Key, PutLink
from wadm.model.lattice import EntityKind, Link, owner
from wadm.model.status import Explanation, ScalerStatus


def goes_first(scaler: LinkScaler, work: PlanBuilder) -> bool:
    """Whether a link is to be put before the workloads are started: a provider of this application that is its source
    or target runs nowhere, and no first start is under way that writes the record of the link too."""
    link = scaler.link
    if ("component", link.source_id) in work.workloads.starts and not work.lattice.where("component", link.source_id):
        return False
    return _provider_runs_nowhere(link, work)


def _provider_runs_nowhere(link: Link, work: PlanBuilder) -> bool:
    """Whether a provider of this application that is an end of a link runs nowhere, and is not being started."""
    return any(
        ("provider", end) in work.desired.things
        and not work.lattice.where("provider", end)
        and ("provider", end) not in work.workloads.starts
        for end in (link.source_id, link.target)
    )


def awaited(scaler: WorkloadScaler, work: PlanBuilder) -> Link | None:
    """Return a link that is to be in the lattice before a workload is started, and is not.

    A provider is started with a list of its links. A host takes a new link into that list only between two starts of
    components (docs/protocol/lattice.md#busy-host-links), so those are not begun either before the links of new
    providers are put. A link that fails, or has to wait itself for the first start of its source, is not waited for.
    """
    if scaler.entity_kind == "provider":
        return next(
            (one.link for one in work.desired.links_at.get(scaler.entity_id, ()) if _is_awaited(one.link, work)), None
        )
    if work.links.first is None:
        first = (one.link for one in work.desired.links if goes_first(one, work) and _is_awaited(one.link, work))
        work.links.first = (next(first, None),)
    return work.links.first[0]


def _is_awaited(link: Link, work: PlanBuilder) -> bool:
    there = work.lattice.link(link.at)
    return (there is None or not work.is_same(there, link)) and _is_coming(link, work)


def _is_coming(link: Link, work: PlanBuilder) -> bool:
    """Whether a link will soon be in the lattice, as far as one can know."""
    if not work.configs.trouble.keys().isdisjoint(link.configs):
        return False
    if _waits_for_first_start(link, work):
        return False
    if link.source_id in work.led_to_before and not _is_expected(link.target, work):
        return False
    pendings = (work.pending(("link", *link.key, link.target)), work.pending(("link", *link.key)))
    return not any(pending.error for pending in pendings if pending is not None)


def _waits_for_first_start(link: Link, work: PlanBuilder) -> bool:
    """Whether a link waits for the first start of its source, which is under way, or which this plan asks for as soon
    as its configurations are there."""
    source: tuple[EntityKind, str] = ("component", link.source_id)
    if work.lattice.where(*source):
        return False
    wanted = work.desired.things.get(source)
    if (
        source in work.workloads.starts
        or wanted is None
        or source in work.workloads.failed
        or _provider_runs_nowhere(link, work)
    ):
        return source in work.workloads.starts
    return any(share.target and work.lattice.eligible(share.requirements) for share in wanted.shares)


def _is_expected(component: str, work: PlanBuilder) -> bool:
    """Whether a component will soon run, as far as one can know: it does, or is being started without a failure, or a
    host for it is there."""
    wanted = work.desired.things.get(("component", component))
    if wanted is None or work.lattice.where("component", component):
        return True
    if ("component", component) in work.workloads.failed:
        return False
    if starts := work.workloads.starts.get(("component", component)):
        pendings = (work.pending(("component", host, component)) for host in starts)
        return not any(pending.error for pending in pendings if pending is not None)
    return any(share.target and work.lattice.eligible(share.requirements) for share in wanted.shares)


def plan_link(scaler: LinkScaler, work: PlanBuilder) -> ScalerStatus:
    """Plan one link: add its action to ``work`` and return its status."""
    link = scaler.link
    key = ("link", *link.key, link.target)
    there = work.lattice.links.get(link.key, ())
    same_target = next((one for one in there if one.target == link.target), None)
    names = link.configs
    troubles = work.configs.trouble
    trouble = [text for name in dict.fromkeys(names) if (text := troubles.get(name))] if troubles else []
    outdated = again = False
    if link.at in work.record.untold and same_target is None:
        work.links.untold.add(link.at)  # It was deleted to be put anew, and is not yet.
        again = True
    if same_target is not None and work.is_same(same_target, link):
        again = True
        told = delivery(same_target, work.lattice)
        if told.lacking or _is_started_without(link, work):
            work.links.untold.add(link.at)
        if told.lacking:
            work.questions.listening |= starting(told.lacking, work.lattice)
        in_sync = not trouble and work.configs.out_of_sync.isdisjoint(names)
        if in_sync and (there_is := taken(same_target, work.lattice)) is not None:
            work.mark_satisfied(key)
            return _in_vain(scaler, work, there_is)
        if told.state in ("delivered", "unconfirmed") or not in_sync:
            work.mark_satisfied(key)
            return _in_force(scaler, work, names, trouble, told)
        outdated = told.state == "outdated"
    elif same_target is not None and any(True for _ in running_ends(link, work.lattice)):
        outdated = True
        work.links.untold.add(link.at)
    work.commands.considered.add(key)
    work.links.open.add(link.key)
    if same_target is None and _may_come_late(link, work):
        work.links.untold.add(link.at)
    message = f"Putting link definition between {link.source_id} and {link.target}"
    waiting = [name for name in names if name not in work.configs.ready]
    if trouble:
        explanation = Explanation(waiting_for=_configurations(waiting), next=next_config(names, work))
        return work.status(scaler, "failed", " ".join(trouble), explanation)
    if not work.lattice.certainty.knows_link(link.key):
        work.questions.links = True
        return _waiting(scaler, work, key, message, "a host to say which links there are")
    if waiting:
        return work.status(scaler, "reconciling", message, Explanation(waiting_for=_configurations(waiting)))
    if link.source_id in work.workloads.starting:
        return _waiting(scaler, work, key, message, f"{link.source_id} to start")

    if (before := _led_to_before(link, work)) is not None:
        waiting_for = f"{link.target} to run; until then {link.source_id} leads to {before}"
        return _waiting(scaler, work, key, message, waiting_for)

    change, why = _change(scaler, same_target, outdated, work)
    if work.must_wait(change):
        return _waiting(scaler, work, change.key, message, f"another link of {link.source_id} to be put or deleted")
    if any(start.listens is None for _, start in running_ends(link, work.lattice)) or _is_started_without(link, work):
        work.links.untold.add(link.at)
    pending = work.ensure(change, scaler.id, why, again=again)
    explanation = explain([pending], "a host to put the link", wanted=1)
    if pending.error:
        return work.status(scaler, "failed", pending.error, _blocked(explanation, link, there))
    return work.status(scaler, "reconciling", message, explanation)


def _is_started_without(link: Link, work: PlanBuilder) -> bool:
    """Whether a provider at an end of a link is being started, and that was asked for before the lattice had the link
    as it is: a later owner finds both, and cannot tell that the list of the provider may lack the link. So it stays
    where an earlier owner had noted that, and the provider has not been seen yet."""
    ends: list[tuple[EntityKind, str]] = [("provider", end) for end in (link.source_id, link.target)]
    if link.at in work.record.untold and any(e in work.desired.things and not work.lattice.where(*e) for e in ends):
        return True
    put = work.lattice.link_puts.get(link.at)
    if put is None and work.lattice.link(link.at) is not None:
        return False  # it was found
    starts = (start for end in {link.source_id, link.target} for start in work.in_flight.starts_of(end))
    return any(put is None or start.since < put.since for start in starts)


def _may_come_late(link: Link, work: PlanBuilder) -> bool:
    """Whether a put that failed, or was not answered, may be done yet after the start of a provider at an end of the
    link, which does not wait for it: a later owner finds both, as above."""
    before = work.pending(("link", *link.key, link.target))
    if before is None or not before.error or not isinstance(before.command, PutLink):
        return False
    ends = {end for end in (link.source_id, link.target) if ("component", end) not in work.desired.things}
    return any(not work.lattice.where("provider", end) for end in ends)


def _change(
    scaler: LinkScaler, same_target: Link | None, outdated: bool, work: PlanBuilder
) -> tuple[PutLink | DeleteLink, str]:
    """Return what to ask for next on the way to a link, and why."""
    link = scaler.link
    delete = DeleteLink(*link.key[:3], link.key[3], scaler.model_name)
    if outdated:
        told = " and ".join(
            sorted({end for end in (link.source_id, link.target) if work.lattice.where("provider", end)})
        )
        return delete, f"{told} takes no change of a link: it is deleted and put anew, which interrupts it for a moment"
    in_the_way = _in_the_way(link, work.lattice.links.get(link.key, ()), work)
    if in_the_way is not None:
        return delete, f"it goes to {in_the_way.target}, {link.target} is wanted"
    put = PutLink(
        link.source_id,
        link.target,
        link.name,
        link.wit_namespace,
        link.wit_package,
        link.interfaces,
        scaler.model_name,
        link.source_config,
        link.target_config,
    )
    if same_target is None:
        return put, "it is not in the lattice"
    return put, "it differs from the manifest"


def _waiting(scaler: LinkScaler, work: PlanBuilder, key: Key, message: str, waiting_for: str) -> ScalerStatus:
    """Return the status of a link for which nothing can be asked now: why it failed last, if it did."""
    before = work.pending(key)
    explanation = Explanation(waiting_for=waiting_for)
    if before is not None and before.error:
        there = work.lattice.links.get(scaler.link.key, ())
        return work.status(scaler, "failed", before.error, _blocked(explanation, scaler.link, there))
    return work.status(scaler, "reconciling", message, explanation)


def _blocked(explanation: Explanation, link: Link, there: Iterable[Link]) -> Explanation:
    """Return why a link that was refused is not there: another one has its identity, where one is known."""
    other = next((one for one in there if one.target != link.target), None)
    if other is None:
        return explanation
    protocol = f"{link.wit_namespace}:{link.wit_package}"
    advice = "delete it with wash link del, or give this one another name"
    return replace(
        explanation,
        waiting_for=f"another's link {link.source_id} -({protocol})-> {other.target} to go",
        next=f"{explanation.next} ({advice})" if explanation.next else advice,
    )


def _in_force(
    scaler: LinkScaler, work: PlanBuilder, names: tuple[str, ...], trouble: list[str], told: Delivery
) -> ScalerStatus:
    explanation = Explanation(wanted=1, running=1)
    if trouble:
        return work.status(scaler, "failed", " ".join(trouble), explanation)
    if not work.configs.out_of_sync.isdisjoint(names):
        return work.status(scaler, "reconciling", OUT_OF_SYNC, explanation)
    if told.state == "delivered":
        return work.status(scaler, "deployed", "", explanation)
    host_id, provider_id = told.lacking[0]
    which = f"{provider_id} on {work.host(host_id)}"
    explanation = Explanation(
        waiting_for=f"{which} to report its health: it was starting when the link was put",
        next="puts the link anew then",
        wanted=1,
    )
    message = f"Putting link definition between {scaler.link.source_id} and {scaler.link.target}"
    return work.status(scaler, "reconciling", message, explanation)


def _in_vain(scaler: LinkScaler, work: PlanBuilder, taken: Taken) -> ScalerStatus:
    """Return the status of a link whose source was told to listen where another provider does."""
    mine, other = scaler.link, taken.other.source_id
    work.links.in_vain[mine.at] = other
    work.links.untold.add(mine.at)
    entity = work.lattice.find("provider", taken.host_id, other)
    application = owner(entity) if entity is not None else None
    whose = f" of application {application}" if application not in (None, work.desired.application) else ""
    where = f"{taken.address} of {work.host(taken.host_id)}"
    who = f"{other}{whose} does" if other != mine.source_id else f"it does for its link to {taken.other.target}"
    message = f"{mine.source_id} cannot listen on {where} for its link to {mine.target}: {who}"
    explanation = Explanation(
        waiting_for=f"{other} to leave {where}",
        next="give one of the two another address, or undeploy one: the link is put anew then",
        wanted=1,
    )
    return work.status(scaler, "unhealthy", message, explanation)


def _in_the_way(link: Link, there: tuple[Link, ...], work: PlanBuilder) -> Link | None:
    """Return a link of ours that nobody wants any more, for which a host would refuse this one.

    Any other is left alone: the host's refusal, which names it, becomes the status.
    """
    wanted = work.wanted.links
    for one in there:
        if one.target == link.target or not set(one.interfaces) & set(link.interfaces):
            continue
        ours = (one.key, one.target) in work.record.links and (one.key, one.target) not in wanted
        if ours and not work.needed.link(one.key, one.target):
            return one
    return None


def _led_to_before(link: Link, work: PlanBuilder) -> str | None:
    """Return the component of an earlier version to which the link's source leads until its new target runs."""
    if ("component", link.target) not in work.workloads.not_serving:
        return None
    return min(work.led_to_before.get(link.source_id, ()), default=None)


def _configurations(names: list[str]) -> str:
    return f"configuration {', '.join(dict.fromkeys(names))} to be in the lattice" if names else ""
