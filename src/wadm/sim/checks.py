"""What must be true of a world once it is calm, judged by what hosts run and what is stored, and by nothing else.

* *convergence*: what is deployed runs, as its manifest says, where its manifest says; of the rest nothing is left;
* *honesty*: statuses say so;
* *ownership*: what is not wadm's is as it was;
* *durability*: what the API confirmed is stored.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from wadm.hosts.components import RunningComponent
from wadm.hosts.provider_links import LinkId
from wadm.hosts.providers import RunningProvider
from wadm.sim import wanted
from wadm.sim.calls import STRANGER, Call
from wadm.sim.ledger import Stored
from wadm.sim.wanted import NOTHING, Wanted, WantedShare, Workload
from wadm.sim.world import SimulatedHost, World

MANAGED_BY: Final = "wasmcloud.dev/managed-by"
APPSPEC: Final = "wasmcloud.dev/appspec"
GIVEN_UP: Final = "was given up on"
SPREAD: Final = "wasmcloud.dev/spread_name"
UNNOTICED: Final = 33.0
"""Seconds after which a host is overdue that sends a heartbeat every 30 s."""

Running = RunningComponent | RunningProvider


class View(Struct, frozen=True):
    """The world at one moment."""

    hosts: dict[str, SimulatedHost]
    """Those that can be reached, by name."""
    labels: dict[str, Mapping[str, str]]
    links: frozenset[wanted.Link]
    configs: dict[str, Any]
    applications: dict[str, tuple[frozenset[str], str | None, Wanted]]
    """Versions, the deployed one, and what that wants."""
    forgot: bool
    """Whether what was on record may be lost, as the NATS server kept it in memory."""
    told_ill: frozenset[tuple[str, str]]
    """Providers, as host and id, that who holds the lattice has to take for ill, be they so or not."""
    given_up: frozenset[str]
    """What statuses say of images that were given up: providers that were to be replaced by them run as before. That
    nothing is given up without a cause is judged where there is none (:mod:`wadm.sim.simulation`)."""
    holder: str
    """The session that holds the lattice."""
    rescaled_before: frozenset[tuple[str, str]]
    """Components, as name of the host and id, that a meddler re-scaled under their annotations and without their
    configuration before who holds the lattice took it: neither inventories nor events show that (undecidable)."""
    specs_at_start: Mapping[tuple[str, str], tuple[bytes, ...]]
    configs_at_start: Mapping[tuple[str, str], Mapping[str, bytes]]
    """Both as in :class:`~wadm.sim.world.World`."""


def look(world: World) -> View:
    """Return what hosts run and what is stored at this moment."""
    hosts = {host.name: host for host in world.alive()}
    labels: dict[str, Mapping[str, str]] = {
        name: dict(host.host.labels) for name, host in hosts.items() if host.host is not None
    }
    links = frozenset(_links(value for _, value in world.newest(f"LATTICEDATA_{world.lattice}", "COMPONENT_")))
    configs = {key: json.loads(value) for key, value in world.newest(f"CONFIGDATA_{world.lattice}")}
    told_ill = world.health_heard.ill(world.holder(world.lattice).rpartition("-")[0])
    applications = dict(_applications(world))
    given_up = frozenset(
        text
        for name in applications
        if GIVEN_UP in (text := (world.status(name) or {"status": {}})["status"].get("message", ""))
    )
    return View(
        hosts,
        labels,
        links,
        configs,
        applications,
        world.forgot,
        told_ill,
        given_up,
        world.holder(world.lattice),
        _rescaled_before(world),
        world.specs_at_start,
        world.configs_at_start,
    )


def _rescaled_before(world: World) -> frozenset[tuple[str, str]]:
    holder = world.holder(world.lattice)
    found = world.calls.rescaled.items()
    return frozenset((world.names[key[1]], key[2]) for key, session in found if session != holder)


def _links(specs: Iterable[bytes]) -> Iterator[wanted.Link]:
    for value in specs:
        for link in json.loads(value).get("links", ()):
            yield wanted.Link(
                link["source_id"],
                link["target"],
                link["wit_namespace"],
                link["wit_package"],
                link.get("name") or "default",
                frozenset(link["interfaces"]),
                tuple(link.get("source_config") or ()),
                tuple(link.get("target_config") or ()),
            )


def _applications(world: World) -> Iterator[tuple[str, tuple[frozenset[str], str | None, Wanted]]]:
    for key, value in world.newest("wadm_manifests", f"{world.lattice}-"):
        stored = json.loads(value)
        deployed = stored.get("deployed_version")
        wants = wanted.read(stored["manifests"][deployed]) if deployed is not None else NOTHING
        yield key.removeprefix(f"{world.lattice}-"), (frozenset(stored["manifests"]), deployed, wants)


# -- convergence ----------------------------------------------------------------------------


class Verdict(Struct):
    """What is wrong with an application, and whether its manifest asks for more than there can be."""

    wrong: list[str]
    short: bool = False


def judge(view: View, application: str) -> Verdict:
    """Judge a deployed application."""
    verdict = Verdict([])
    _, _, wants = view.applications[application]
    for workload in wants.workloads:
        missing = [name for name in workload.config if name not in view.configs and name not in wants.configs]
        if missing:
            verdict.short = True
        elif workload.kind == "provider" and any(f"{workload.image} {GIVEN_UP}" in text for text in view.given_up):
            verdict.short = True
            if not _mine(view, workload):
                verdict.wrong.append(f"{workload.id} was given up, and nothing runs in its place")
        elif workload.daemon:
            _judge_daemon(view, workload, verdict)
        else:
            _judge_spread(view, workload, verdict)
    in_force = {link.identity: link for link in view.links}
    for link in wants.links:
        if view.forgot and any(one.is_in_the_way_of(link) for one in view.links):
            verdict.short = True  # It may be anybody's, so it has to be told of, and left.
        elif link.identity not in in_force and _leads_to_what_goes_on(view, application, link):
            verdict.short = True
        elif in_force.get(link.identity) != link:
            there = in_force.get(link.identity)
            verdict.wrong.append(f"link {' '.join(link.identity)} is {'another' if there else 'missing'}")
        else:
            verdict.wrong += _not_told(view, link)
    for name, properties in wants.configs.items():
        if view.configs.get(name) != properties:
            verdict.wrong.append(f"configuration {name} is {view.configs.get(name)}, should be {properties}")
    return verdict


def _leads_to_what_goes_on(view: View, application: str, link: wanted.Link) -> bool:
    """Whether a link leads to a component for which there is no host, and its source to one of an earlier version that
    runs: what serves goes on until its replacement runs, and would not serve without the way to it."""
    _, _, wants = view.applications[application]
    new = next((one for one in wants.workloads if (one.kind, one.id) == ("component", link.target)), None)
    if new is None or any(
        share.target and share.fits(labels) for share in new.shares for labels in view.labels.values()
    ):
        return False
    wanted_ids = {one.id for one in wants.workloads if one.kind == "component"}
    led_to = {one.target for one in view.links if one.source == link.source} - wanted_ids
    return any(
        kind == "component" and id_ in led_to and _owner(entity) == application
        for _, kind, id_, entity in _running(view)
    )


def _not_told(view: View, link: wanted.Link) -> Iterator[str]:
    """Yield the providers that have not a link as it is, so that somebody can know."""
    for name, id_, provider in _lacking(view, link):
        excused = provider.links.is_excused(_at(link), view.holder) or _came_late(view, name, id_, provider, link)
        if provider.alive and not excused:
            state = "another" if _at(link) in provider.links.heard else "no"
            yield f"{id_} on {name} has {state} link {' '.join(link.identity)}"


def _came_late(view: View, host: str, id_: str, provider: RunningProvider, link: wanted.Link) -> bool:
    """Whether a link was in the lattice, as it is, before the start of a provider was asked for, and its host
    had not heard of that when it made the list, or read the link's configurations from a copy that had not: how far a
    host is behind, it tells nobody."""
    start = (view.hosts[host].spec.id, id_)
    if link not in _links(view.specs_at_start.get(start, ())):
        return False
    if provider.links.was_not_listed(_at(link), (link.interfaces, link.source_config, link.target_config)):
        return True
    before, names = view.configs_at_start.get(start, {}), (*link.source_config, *link.target_config)
    unchanged = all(name in before and json.loads(before[name]) == view.configs.get(name) for name in names)
    return unchanged and provider.links.was_only_listed(_at(link))


def _lacking(view: View, link: wanted.Link) -> Iterator[tuple[str, str, RunningProvider]]:
    """Yield the providers that have not a link as it is, with the values that its configurations have: each with its
    host and its id."""

    def values(names: tuple[str, ...]) -> dict[str, str]:
        return {key: value for name in names for key, value in view.configs.get(name, {}).items()}

    should = (link.interfaces, values(link.source_config), values(link.target_config))
    for name, kind, id_, provider in _running(view):
        if kind != "provider" or id_ not in (link.source, link.target) or not isinstance(provider, RunningProvider):
            continue
        heard = provider.links.heard.get(_at(link))
        has = None if heard is None else (frozenset(heard.interfaces), heard.source_config, heard.target_config)
        if has != should:
            yield name, id_, provider


def _at(link: wanted.Link) -> LinkId:
    return (link.source, link.namespace, link.package, link.name, link.target)


def forget(world: World) -> None:
    """Note which providers have not a link as it is when a NATS server loses what is on record: nothing on the wire
    tells that to an owner that comes later."""
    view = look(world)
    view = replace(view, hosts={host.name: host for host in world.hosts if host.lives})
    for link in view.links:
        for _, _, provider in _lacking(view, link):
            provider.links.forgotten[_at(link)] = view.holder


def _mine(view: View, workload: Workload) -> dict[str, Running]:
    """Return what runs of a workload, by host."""
    found: dict[str, Running] = {}
    for name, kind, id_, entity in _running(view):
        if kind == workload.kind and id_ == workload.id and _owner(entity) == workload.application:
            found[name] = entity
    return found


def _running(view: View) -> Iterator[tuple[str, str, str, Running]]:
    for name, host in view.hosts.items():
        assert host.host is not None
        yield from ((name, "component", id_, one) for id_, one in host.host.components.items())
        yield from ((name, "provider", id_, one) for id_, one in host.host.providers.items())


def _owner(entity: Running) -> str | None:
    annotations = entity.annotations
    return annotations.get(APPSPEC) if annotations.get(MANAGED_BY) == "wadm" else None


def _count(entity: Running) -> int:
    return entity.max_instances if isinstance(entity, RunningComponent) else 1


def _judge_each(view: View, workload: Workload, mine: Mapping[str, Running], verdict: Verdict) -> None:
    for name, entity in mine.items():
        verdict.wrong += _judge_one(workload, name, entity, (name, workload.id) in view.rescaled_before)


def _judge_one(workload: Workload, name: str, entity: Running, excused: bool) -> Iterator[str]:
    if entity.image != workload.image:
        yield f"{workload.id} on {name} is {entity.image}, should be {workload.image}"
    elif isinstance(entity, RunningComponent):
        if entity.code != workload.image:
            yield f"{workload.id} on {name} runs the code of {entity.code}"
        if entity.config != workload.config and not excused:
            yield f"{workload.id} on {name} is configured by {entity.config}"
    elif entity.config != workload.config:
        yield f"{workload.id} on {name} was started with {entity.config}, should be with {workload.config}"


def _fits(workload: Workload, labels: Mapping[str, str]) -> bool:
    return any(share.target and share.fits(labels) for share in workload.shares)


def _judge_daemon(view: View, workload: Workload, verdict: Verdict) -> None:
    mine = _mine(view, workload)
    if not all(any(share.fits(labels) for labels in view.labels.values()) for share in workload.shares):
        verdict.short = True  # What ran before goes on where it does.
        mine = {name: entity for name, entity in mine.items() if _fits(workload, view.labels[name])}
    _judge_each(view, workload, mine, verdict)
    for name, labels in view.labels.items():
        share = next((one for one in workload.shares if one.target and one.fits(labels)), None)
        should = 0 if share is None else share.target if workload.kind == "component" else 1
        there = _count(mine[name]) if name in mine else 0
        if there != should and not (there > should and verdict.short and _is_of_another_share(mine[name], share)):
            verdict.wrong.append(f"{workload.id} runs {there} times on {name}, should {should}")


def _is_of_another_share(entity: Running, share: WantedShare | None) -> bool:
    """Whether what runs also serves for a share of an earlier version: where a share has no host, as many go on as
    there were."""
    return share is not None and entity.annotations.get(SPREAD) != share.name


def _judge_spread(view: View, workload: Workload, verdict: Verdict) -> None:
    mine = _mine(view, workload)
    shares = [share for share in workload.shares if share.target]
    each = [(share, 1 if workload.kind == "component" else share.target) for share in shares]
    housed = wanted.most_housed(each, view.labels)
    fitted = sum(share.target for share in shares if any(share.fits(one) for one in view.labels.values()))
    if fitted < sum(share.target for share in shares) or (workload.kind == "provider" and housed < fitted):
        _judge_short(view, workload, mine, min(fitted, housed) if workload.kind == "provider" else fitted, verdict)
        return
    _judge_each(view, workload, mine, verdict)
    for name in mine:
        if not any(share.fits(view.labels[name]) for share in shares):
            verdict.wrong.append(f"{workload.id} runs on {name}, which no spread fits")
    if housed == sum(number for _, number in each):
        if workload.kind == "provider":
            # It keeps the annotations it was started with, so it counts whether all can be served by where it runs.
            served = wanted.most_housed(each, {name: view.labels[name] for name in mine})
            if served < housed:
                verdict.wrong.append(f"{workload.id} serves {served} of {housed} places")
        else:
            for share in shares:
                _judge_share(view, workload, share, mine, verdict)
    there = sum(_count(entity) for entity in mine.values())
    if there != fitted:  # Shares live together where hosts are fewer than shares.
        verdict.wrong.append(f"{workload.id} runs {there} times, should {fitted}")


def _judge_short(view: View, workload: Workload, mine: Mapping[str, Running], least: int, verdict: Verdict) -> None:
    """Judge what there are too few hosts for: what there are hosts for runs, and in place of the rest may go on what
    ran before."""
    verdict.short = True
    right = {
        name: entity
        for name, entity in mine.items()
        if _fits(workload, view.labels[name])
        and not list(_judge_one(workload, name, entity, (name, workload.id) in view.rescaled_before))
    }
    there = sum(_count(entity) for entity in right.values())
    if there < least:
        verdict.wrong.append(f"{workload.id} runs {there} times, should {least}")


def _judge_share(
    view: View, workload: Workload, share: WantedShare, mine: Mapping[str, Running], verdict: Verdict
) -> None:
    counted = {name: entity for name, entity in mine.items() if entity.annotations.get(SPREAD) == share.name}
    there = sum(_count(entity) for entity in counted.values())
    if there != share.target:
        verdict.wrong.append(f"{workload.id} runs {there} times for {share.name}, should {share.target}")
    for name in counted:
        if not share.fits(view.labels[name]):
            verdict.wrong.append(f"{workload.id} counts for {share.name} on {name}, which does not fit")


def leftovers(world: World, view: View) -> list[str]:
    """Return what is left of what nobody wants any more."""
    wants = [wants for _, _, wants in view.applications.values()]
    workloads = {(workload.application, workload.kind, workload.id) for one in wants for workload in one.workloads}
    left = []
    waiting = set(_waiting(view))
    led_to = _led_to_by_what_goes_on(view)
    for name, kind, id_, entity in _running(view):
        if (owner := _owner(entity)) is None or (owner, kind, id_) in workloads or owner in waiting:
            continue
        if (owner, kind, id_) not in led_to:
            left.append(f"{kind} {id_} of {owner} is left on {name}")
    # What went with a NATS server that kept it in memory is found again only where an application is still deployed.
    if world.forgot:
        deployed = [name for name, (_, version, _) in view.applications.items() if version is not None]
        return [one for one in left if any(f" of {name} " in one for name in deployed)]
    # What goes on in place of what cannot run keeps what it uses.
    going_on = waiting | {name for name in view.applications if judge(view, name).short}
    manifests = world.user.manifests.items()
    ever = [wanted.read(manifest) for (name, _), manifest in manifests if name not in going_on]
    links = {link.identity for one in wants for link in one.links}
    once = {link.identity for one in ever for link in one.links}
    late = world.calls.late
    there = sorted(link.identity for link in view.links if ("link", link.source) not in late)
    left += [f"link {' '.join(identity)} is left" for identity in there if identity in once - links]
    configs = {name for one in wants for name in one.configs}
    once_named = {name for one in ever for name in one.configs}
    named = sorted(name for name in view.configs if ("config", name) not in late)
    left += [f"configuration {name} is left" for name in named if name in once_named - configs]
    return left


def _waiting(view: View) -> Iterator[str]:
    """Yield the applications of which a part runs nowhere: all that ran before stays, as it may be what that part is
    to replace."""
    for name, (_, _, wants) in view.applications.items():
        if any(_wants_any(one) and not _mine(view, one) for one in wants.workloads):
            yield name


def _led_to_by_what_goes_on(view: View) -> set[tuple[str, str, str]]:
    """Return the components, as application, kind and id, to which a provider leads that goes on in an earlier version,
    as the image that was to replace it was given up: it would answer nothing without them, nor could it go back."""
    return {
        (name, "component", link.target)
        for name, (_, _, wants) in view.applications.items()
        for one in wants.workloads
        if one.kind == "provider" and any(f"{one.image} {GIVEN_UP}" in text for text in view.given_up)
        for link in view.links
        if link.source == one.id
    }


def _wants_any(workload: Workload) -> bool:
    return any(share.target for share in workload.shares)


def leftovers_of(world: World, view: View, application: str) -> list[str]:
    """Return what is left of earlier versions of an application."""
    left = [one for one in leftovers(world, view) if f" of {application} " in one]
    if world.forgot:
        return left
    ever = [wanted.read(manifest) for (name, _), manifest in world.user.manifests.items() if name == application]
    links = {f"link {' '.join(link.identity)} is left" for one in ever for link in one.links}
    configs = {f"configuration {name} is left" for one in ever for name in one.configs}
    return left + [one for one in leftovers(world, view) if one in links | configs]


def ignorant(world: World, call: Call) -> str:
    """Return why what a call stops must not be stopped, by what people were told; ``""`` where nothing is known.

    It holds in an attack, too, and where a NATS server lost what is stored: what somebody had deployed, and was told
    so, is not stopped where it runs as wanted, and nowhere else.
    """
    if not call.stops:
        return ""
    view, (kind, host, id_) = look(world), call.key
    there = [(name, one) for name, k, i, one in _running(view) if (k, i) == (kind, id_)]
    stopped = next((one for name, one in there if view.hosts[name].spec.id == host), None)
    application = _owner(stopped) if stopped is not None else None
    if stopped is None or application is None or len(there) > 1 or not world.user.is_settled(application):
        return ""
    if any(_seems_to_run(one, kind, id_, world) for one in world.hosts):
        return ""
    labels = view.labels[there[0][0]]
    for may_be in world.user.ledger(application).may_be():
        if may_be.deployed is None:
            return ""
        wants = wanted.read(world.user.manifests[application, may_be.deployed])
        workload = next((one for one in wants.workloads if (one.kind, one.id) == (kind, id_)), None)
        if workload is None or workload.image != stopped.image:
            return ""
        if isinstance(stopped, RunningProvider) and workload.config != stopped.config:
            # A provider learns other settings only when it is started again, and a host runs only one with its id.
            return ""
        if not any(share.target and share.fits(labels) for share in workload.shares):
            return ""
    return f"the last one of what is deployed of {application}"


def _seems_to_run(host: SimulatedHost, kind: str, id_: str, world: World) -> bool:
    """Whether what was last heard of a host is that it runs something, though it stands still, has lost its connection,
    or has ended, for so short that nobody need know. One that ended may be back: under the same id it is the same to
    whoever has not heard of that."""
    if world.now() - host.away_since >= UNNOTICED:
        return False
    if host.lives and (host.frozen or host.cut):
        assert host.host is not None
        return id_ in (host.host.components if kind == "component" else host.host.providers)
    ended, ran = host.ran
    return (kind, id_) in ran and world.noticed.get(ended, -math.inf) < host.away_since


def needless(world: World, call: Call) -> str:
    """Return why a call should not have been asked for in a quiet moment; ``""`` where nothing speaks against it."""
    view = look(world)
    if call.key[0] == "config" and call.verb == "del":
        users = [f"{id_} on {name}" for name, _, id_, entity in _running(view) if call.key[1] in _configs(entity)]
        # A link that a NATS server has forgotten whose it is goes with nobody, and keeps no configuration for ever.
        wanted_links = {link for _, _, wants in view.applications.values() for link in wants.links}
        users += [
            " ".join(link.identity)
            for link in view.links
            if call.key[1] in (*link.source_config, *link.target_config) and (link in wanted_links or not view.forgot)
        ]
        return f"{call.key[1]} is in use by {', '.join(sorted(users))}" if users else ""
    name = (call.body.get("annotations") or {}).get(APPSPEC)
    if call.key[0] not in ("component", "provider") or name not in view.applications:
        return ""
    if view.applications[name][1] is None or name in _waiting(view) or _annotates(view, call):
        return ""
    verdict = judge(view, name)
    if verdict.wrong or verdict.short or leftovers_of(world, view, name):
        return ""
    return f"{name} is as it is declared"


def _annotates(view: View, call: Call) -> bool:
    """Whether a call gives other annotations to what runs. The verdict on an application does not go by them, but
    servers that come later do: they say for which scaler and share of a manifest it runs."""
    if call.verb != "scale" or not call.body.get("count"):
        return False
    there = [one for name, kind, id_, one in _running(view) if (kind, view.hosts[name].spec.id, id_) == call.key]
    return any(one.annotations != call.body["annotations"] for one in there)


def _configs(entity: Running) -> tuple[str, ...]:
    return entity.config if isinstance(entity, RunningComponent) else ()


def unfinished(world: World) -> list[str]:
    """Return what keeps the world from being as it is declared."""
    view = look(world)
    wrong = leftovers(world, view)
    for name, (_, deployed, _) in sorted(view.applications.items()):
        if deployed is not None:
            wrong += [f"{name} {deployed}: {one}" for one in judge(view, name).wrong]
    return wrong + statuses(world, view)


# -- honesty --------------------------------------------------------------------------------


def statuses(world: World, view: View) -> list[str]:
    """Return what is wrong with what is said of applications, in a world that has converged."""
    wrong = []
    for name, (_, deployed, _) in sorted(view.applications.items()):
        status = world.status(name)
        said = "" if status is None else status["status"]["type"]
        if deployed is None:
            if said not in ("", "undeployed"):
                wrong.append(f"{name} is not deployed, its status says {said}")
            continue
        if not view.labels:
            continue  # of a lattice without hosts nothing is said (docs/protocol/api.md#when-a-status-is-published)
        verdict = judge(view, name)
        if verdict.short and said not in ("failed", "reconciling"):
            wrong.append(f"{name} asks for more than there can be, its status says {said or 'nothing'}")
        may_be_ill = said == "unhealthy" and _may_be_ill(view, name)
        if not verdict.short and not verdict.wrong and said != "deployed" and not may_be_ill:
            wrong.append(
                f"{name} runs as it should, its status says {said or 'nothing'}: {status and status['status']}"
            )
    return wrong


def is_dead_image_given_up(view: View, text: str) -> bool:
    """Whether a status says that an image was given up of which a provider does not live any more, or which replaces
    a provider that does not live on some other host: an answer to a question does not say from which of them it comes,
    so that one missing answer may be that of the new one."""
    dead = {
        (id_, entity.image)
        for _, _, id_, entity in _running(view)
        if isinstance(entity, RunningProvider) and not entity.alive
    }
    ids, images = {id_ for id_, _ in dead}, {image for _, image in dead}
    wanted_now = (one for _, _, wants in view.applications.values() for one in wants.workloads)
    images |= {one.image for one in wanted_now if one.kind == "provider" and one.id in ids}
    return any(f"{image} {GIVEN_UP}" in text for image in images)


def _may_be_ill(view: View, application: str) -> bool:
    """Whether a provider of an application is ill, or has to be taken for it."""
    for name, _, id_, entity in _running(view):
        if isinstance(entity, RunningProvider) and _owner(entity) == application:
            told_ill = (view.hosts[name].spec.id, id_) in view.told_ill
            if entity.sick or not entity.alive or told_ill:
                return True
    return False


# -- durability -----------------------------------------------------------------------------


def lost(world: World) -> list[str]:
    """Return what is stored otherwise than the API confirmed it."""
    wrong: list[str] = []
    if world.forgot and not world.user.quiet:
        return wrong  # it is judged from when it is known again what is stored
    there = stored(world)
    for name, may_be in sorted(world.user.may_be.items()):
        is_stored = there.get(name, Stored())
        if world.user.is_sure(name) and is_stored not in may_be:
            expected = " or ".join(
                f"{list(one.versions)} with {one.deployed} deployed" for one in sorted(may_be, key=str)
            )
            found = f"{list(is_stored.versions)}, {is_stored.deployed} deployed"
            wrong.append(f"{name} is stored with {found}; should be {expected}")
    return wrong


def stored(world: World) -> dict[str, Stored]:
    """Return what is stored of each application."""
    found = {}
    for key, value in world.newest("wadm_manifests", f"{world.lattice}-"):
        one = json.loads(value)
        found[key.removeprefix(f"{world.lattice}-")] = Stored(tuple(one["manifests"]), one.get("deployed_version"))
    return found


# -- ownership ------------------------------------------------------------------------------


def strangers(view: View) -> dict[tuple[str, str], Running]:
    """Return what runs that is not wadm's, by the life of its host and its id."""
    found: dict[tuple[str, str], Running] = {}
    for name, _, id_, entity in _running(view):
        if id_.startswith(STRANGER):
            host = view.hosts[name].host
            assert host is not None
            found[f"{name} {host.friendly_name}", id_] = entity
    return found
