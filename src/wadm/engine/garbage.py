"""What is ours and no scaler wants any more. It is found by looking, not remembered.

Components and providers bear the application's name. Links and configurations do not: what wadm put is on record
(:class:`~wadm.engine.plan.Record`). Nothing that another application wants is touched, and a configuration goes only
after everything of the application that could use it has gone.
"""

from __future__ import annotations

from wadm.engine.plan import Needed, Record, Work, links_and_configs
from wadm.engine.workloads import stop_component
from wadm.model.commands import DeleteConfig, DeleteLink, StopProvider
from wadm.model.lattice import Component


def plan_garbage(work: Work, needed: Needed) -> tuple[Record, int]:
    """Plan the removal of what is left over. Return what stays on record, and how many things are still to go."""
    left = _workloads(work)
    wanted = links_and_configs(work.desired)
    links, left_links = _links(work, wanted, needed)
    configs, left_configs = _configs(work, wanted, needed, wait=left + left_links > 0)
    return Record(wanted.links | links, wanted.configs | configs), left + left_links + left_configs


def _workloads(work: Work) -> int:
    application = work.desired.application
    wanted = {(s.entity_kind, s.entity_id) for s in work.desired.workloads}
    left = 0
    for kind, host, entity in work.lattice.owned_by(application):
        if (kind, entity.id) in wanted:
            continue
        left += 1
        reason = "the application does not want it any more"
        if isinstance(entity, Component):
            work.want(stop_component(entity, host, application), "", reason)
        else:
            work.want(StopProvider(entity.id, host, application, entity.annotations), "", reason)
    return left


def _links(work: Work, wanted: Record, needed: Needed) -> tuple[frozenset[tuple[tuple[str, str, str, str], str]], int]:
    kept, left = set(), 0
    for key, target in sorted(work.record.links - wanted.links):
        if needed.link(key, target):
            continue
        there = any(one.target == target for one in work.lattice.links.get(key, ()))
        if not there and work.lattice.links_known:
            continue
        kept.add((key, target))
        left += 1
        if not work.lattice.links_known:
            work.questions.links = True
        elif ("link", *key) not in work.seen:
            work.want(
                DeleteLink(*key[:3], key[3], work.desired.application), "", "the application does not want it any more"
            )
    return frozenset(kept), left


def _configs(work: Work, wanted: Record, needed: Needed, wait: bool) -> tuple[frozenset[str], int]:
    kept, left = set(), 0
    for name in sorted(work.record.configs - wanted.configs):
        gone = work.lattice.configs.get(name, "") is None
        if gone or needed.config(name) or name in work.desired.configs:
            continue
        kept.add(name)
        left += 1
        if not wait:
            work.want(DeleteConfig(name, work.desired.application), "", "nothing uses it any more")
    return frozenset(kept), left
