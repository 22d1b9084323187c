"""Links: compared by content and put where they are absent or differ.

A host refuses a link whose configuration it does not have, and one with the same key and an overlapping interface but
another target. So configuration comes first, and a link of ours that stands in the way is deleted before the put.
While the first start of the link's source is under way the link waits: both write the same record of the lattice, and
hosts do that without looking (lattice reference, 2.9). It does not wait for a host that takes its time, or fails, while
the source runs on others: the record is there then, and left as it is.
"""

from __future__ import annotations

from msgspec.structs import replace

from wadm.engine.compile import LinkScaler
from wadm.engine.configs import OUT_OF_SYNC, next_config
from wadm.engine.plan import Work, explain, same_link
from wadm.model.commands import DeleteLink, Key, PutLink
from wadm.model.lattice import Link
from wadm.model.status import Explanation, ScalerStatus


def plan_link(scaler: LinkScaler, work: Work) -> ScalerStatus:
    """Plan one link: add its action to ``work`` and return its status."""
    link = scaler.link
    key = ("link", *link.key, link.target)
    there = work.lattice.links.get(link.key, ())
    same_target = next((one for one in there if one.target == link.target), None)
    names = (*link.source_config, *link.target_config)
    trouble = [text for name in dict.fromkeys(names) if (text := work.config_trouble.get(name))]
    if same_target is not None and same_link(same_target, link):
        work.is_right(key)
        return _in_force(scaler, work, names, trouble)
    work.seen.add(key)
    work.open_links.add(link.key)
    message = f"Putting link definition between {link.source_id} and {link.target}"
    waiting = [name for name in names if name not in work.ready]
    if trouble:
        explanation = Explanation(waiting_for=_configurations(waiting), next=next_config(names, work))
        return work.status(scaler, "failed", " ".join(trouble), explanation)
    if not work.lattice.knows_link(link.key):
        work.questions.links = True
        return _waiting(scaler, work, key, message, "a host to say which links there are")
    if waiting:
        return work.status(scaler, "reconciling", message, Explanation(waiting_for=_configurations(waiting)))
    if link.source_id in work.starting:
        return work.status(scaler, "reconciling", message, Explanation(waiting_for=f"{link.source_id} to start"))

    in_the_way = _in_the_way(link, there, work)
    change: PutLink | DeleteLink
    if in_the_way is not None:
        change = DeleteLink(*link.key[:3], link.key[3], scaler.model_name)
        why = f"it goes to {in_the_way.target}, {link.target} is wanted"
    else:
        change = PutLink(
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
        why = "it is not in the lattice" if same_target is None else "it differs from the manifest"
    if work.must_wait(change):
        return _waiting(scaler, work, change.key, message, f"another link of {link.source_id} to be put or deleted")
    pending = work.want(change, scaler.id, why)
    explanation = explain([pending], "a host to put the link", wanted=1)
    if pending.error and (other := next((one for one in there if one.target != link.target), None)) is not None:
        protocol = f"{link.wit_namespace}:{link.wit_package}"
        explanation = replace(
            explanation,
            waiting_for=f"another's link {link.source_id} -({protocol})-> {other.target} to go",
            next=f"{explanation.next} (delete it with wash link del, or give this one another name)",
        )
    if pending.error:
        return work.status(scaler, "failed", pending.error, explanation)
    return work.status(scaler, "reconciling", message, explanation)


def _waiting(scaler: LinkScaler, work: Work, key: Key, message: str, waiting_for: str) -> ScalerStatus:
    """Return the status of a link for which nothing can be asked now: why it failed last, if it did."""
    before = work.pending(key)
    explanation = Explanation(waiting_for=waiting_for)
    if before is not None and before.error:
        return work.status(scaler, "failed", before.error, explanation)
    return work.status(scaler, "reconciling", message, explanation)


def _in_force(scaler: LinkScaler, work: Work, names: tuple[str, ...], trouble: list[str]) -> ScalerStatus:
    explanation = Explanation(wanted=1, running=1)
    if trouble:
        return work.status(scaler, "failed", " ".join(trouble), explanation)
    if not work.out_of_sync.isdisjoint(names):
        return work.status(scaler, "reconciling", OUT_OF_SYNC, explanation)
    return work.status(scaler, "deployed", "", explanation)


def _in_the_way(link: Link, there: tuple[Link, ...], work: Work) -> Link | None:
    """Return a link of ours that nobody wants any more, for which a host would refuse this one.

    Any other is left alone: the host's refusal, which names it, becomes the status.
    """
    wanted = {(s.link.key, s.link.target) for s in work.desired.links}
    for one in there:
        if one.target == link.target or not set(one.interfaces) & set(link.interfaces):
            continue
        ours = (one.key, one.target) in work.record.links and (one.key, one.target) not in wanted
        if ours and not work.needed.link(one.key, one.target):
            return one
    return None


def _configurations(names: list[str]) -> str:
    return f"configuration {', '.join(dict.fromkeys(names))} to be in the lattice" if names else ""
