"""Configurations and secret references: in the lattice before anything that needs them is asked for.

A configuration that the manifest gives is compared by content and put where it differs. One that it only names must be
provided by somebody else; that it is missing is said. What is not known is asked for first, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable

from wadm.engine.plan import PlanBuilder
from wadm.engine.steps import Steps
from wadm.model.commands import PutConfig

OUT_OF_SYNC = "Configuration out of sync"
"""The status of what runs, or is linked, as wanted while its configuration is being put."""


def next_config(names: Iterable[str], work: PlanBuilder) -> str:
    """Return what has to happen for configurations that somebody else must provide, nothing where that is not so."""
    missing = [name for name in names if name in work.configs.trouble and work.desired.configs.get(name) is None]
    if not missing:
        return ""
    return f"goes on as soon as somebody puts it (wash config put {missing[0]} KEY=VALUE)"


def plan_configs(work: PlanBuilder) -> Steps[None]:
    """Plan all configurations of an application; note in ``work`` which are ready and what is wrong with others."""
    for name, wanted in work.desired.configs.items():
        yield
        key = ("config", name)
        if name not in work.lattice.configs:
            work.commands.considered.add(key)
            if not work.under_way(key):
                work.questions.configs.add(name)
            continue
        there = work.lattice.configs[name]
        if wanted is None:
            if there is None:
                work.configs.trouble[name] = f"Specified configuration {name} does not exist"
            else:
                work.configs.ready.add(name)
        elif there == wanted:
            work.configs.ready.add(name)
            work.mark_satisfied(key)
        else:
            reason = "it is not in the lattice" if there is None else "its content differs from the manifest"
            work.configs.out_of_sync.add(name)
            if work.lattice.links_naming(name):
                work.configs.changing.add(name)
            pending = work.ensure(PutConfig(name, wanted, work.desired.application), "", reason)
            if pending.error:
                work.configs.trouble[name] = pending.error
