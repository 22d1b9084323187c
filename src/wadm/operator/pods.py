"""Why pods of hosts do not start, as Kubernetes says of them, so that the host config says it too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from wadm.operator import names
from wadm.operator.kube import Object

NAMED: Final = 3
"""Pods that are named of several with the same trouble."""
_ON_THE_WAY: Final = ("ContainerCreating", "PodInitializing")
"""Reasons for which a container waits as every one does."""


class PodState(Struct, frozen=True):
    """A pod with a host. ``trouble`` is what keeps it from starting, in words; empty for nothing that is known."""

    host_config: str
    trouble: str


def read(body: Object) -> PodState:
    """Return what counts of a pod."""
    labels = body["metadata"].get("labels") or {}
    going = "deletionTimestamp" in body["metadata"]
    return PodState(labels.get(names.APP_INSTANCE, ""), "" if going else next(_troubles(body.get("status") or {}), ""))


def _troubles(status: Mapping[str, Any]) -> Iterator[str]:
    if status.get("phase") == "Failed":
        yield f"it has failed: {status.get('message') or status.get('reason') or 'no reason is given'}"
    for one in status.get("conditions") or ():
        if one["type"] == "PodScheduled" and one["status"] == "False":
            yield f"no node takes it: {one.get('message') or one.get('reason') or 'no reason is given'}"
    for kind in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(kind) or ():
            waiting = (container.get("state") or {}).get("waiting")
            if waiting and waiting.get("reason") not in _ON_THE_WAY:
                yield _of_container(container, waiting)


def _of_container(container: Mapping[str, Any], waiting: Mapping[str, Any]) -> str:
    """Return why a container waits; what Kubernetes says by turns, such as the length of a pause, is left out."""
    name, reason = container.get("name"), str(waiting.get("reason") or "")
    if "Image" in reason:
        return f"the image {container.get('image')} of container {name} cannot be pulled"
    if reason == "CrashLoopBackOff":
        last = (container.get("lastState") or {}).get("terminated") or {}
        why = f", {last['reason']}" if last.get("reason") not in (None, "Error", "Completed") else ""
        return f"container {name} ends again and again (exit code {last.get('exitCode', 'unknown')}{why})"
    return f"container {name} cannot be started: {waiting.get('message') or reason or 'no reason is given'}"


def words(troubles: Iterable[tuple[str, str]]) -> str:
    """Return in a line what keeps pods from starting, given as name and trouble of each; empty for nothing."""
    by_trouble: dict[str, list[str]] = {}
    for name, trouble in sorted(troubles):
        if trouble:
            by_trouble.setdefault(trouble, []).append(name)
    return "; ".join(f"{trouble} ({_pods(found)})" for trouble, found in by_trouble.items())


def _pods(found: list[str]) -> str:
    more = len(found) - NAMED
    return f"pod{'s' * (len(found) > 1)} {', '.join(found[:NAMED])}{f' and {more} more' if more > 0 else ''}"
