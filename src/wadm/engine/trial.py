"""Components that cannot be updated live, and what is done instead.

A host replaces the code of a component in its own table, where only the providers that are built into it look. Whoever
calls over the lattice (provider processes, other components) goes on reaching the old code, even after the component is
stopped, until the host itself ends (measured on 1.9.2: the old code keeps its subscription, the new one loses its own).
So where anything else than a built-in provider is linked to a component, its image changes like this on each host:

    runs                        the new image is tried       then
    --------------------------  ---------------------------  ----------------------------------------------------
    the old image               not yet                      it is started beside the old, under the id ``X-next``
    the old image               and cannot be had or loaded  the old goes on, with the error in the status
    the old image               and runs                     the old is stopped, on one host after another
    nothing                     and runs                     it is started under its own id
    the new image               and runs                     the trial is stopped: it is left over

On a host by itself calls fail between the stop and the start; while the component runs on another host that answers.
"""

from __future__ import annotations

from collections.abc import Iterator

from wadm.engine.plan import PlanBuilder
from wadm.engine.scalers import WorkloadScaler
from wadm.model.commands import ScaleComponent
from wadm.model.lattice import Component, Provider
from wadm.model.names import is_builtin, trial_id


def is_called_over_lattice(component_id: str, work: PlanBuilder) -> bool:
    """Whether anything that is linked to a component calls it over the lattice."""
    return any(_calls_over_lattice(source, work) for source in _sources(component_id, work))


def _sources(component_id: str, work: PlanBuilder) -> Iterator[str]:
    yield from {key[0]: None for key, _ in work.lattice.links_to(component_id)}
    links = (scaler.link for scaler in work.desired.links_at.get(component_id, ()))
    yield from {link.source_id: None for link in links if link.target == component_id}


def _calls_over_lattice(source: str, work: PlanBuilder) -> bool:
    if work.lattice.where("component", source) or ("component", source) in work.desired.things:
        return True
    running = work.lattice.where("provider", source).values()
    images = [one.image for one in running if isinstance(one, Provider)]
    if (wanted := work.desired.things.get(("provider", source))) is not None:
        images.append(wanted.image)
    return not all(is_builtin(image) for image in images)


def next_trial(scaler: WorkloadScaler, host: str, share: str, work: PlanBuilder) -> ScaleComponent | None:
    """Return what is to be asked for next so that the new image runs on trial on a host; ``None`` once it does."""
    name = trial_id(scaler.entity_id)
    annotations = scaler.annotations(share)
    work.workloads.on_trial.add((host, name))
    there = work.lattice.find("component", host, name)
    if isinstance(there, Component):
        if there.image == scaler.image and not there.code:
            return None
        # A host would take another image by name alone: an earlier trial goes first.
        return ScaleComponent(name, host, 0, there.image, scaler.application, there.annotations)
    return ScaleComponent(name, host, 1, scaler.image, scaler.application, annotations, scaler.config)
