"""How a host scales and updates components (docs/protocol/lattice.md#components)."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from wadm.hosts import bodies
from wadm.hosts.bodies import ComponentEntry, Labels, Limits, Reply
from wadm.hosts.core import SECRET_PREFIX, Failure, HostCore, Refusal, Request, decode
from wadm.hosts.locks import FairLock

_scale_decoder = msgspec.json.Decoder(bodies.ScaleComponent)
_update_decoder = msgspec.json.Decoder(bodies.UpdateComponent)
_auction_decoder = msgspec.json.Decoder(bodies.ComponentAuction)

_OTHER_IMAGE = (
    "Requested to scale existing component to a different image reference: {} != {}. The component will be scaled but "
    "the image reference will not be updated. If you meant to update this component to a new image ref, use the update "
    "command."
)
_OTHER_IMAGE_LATER = (
    "Requested to scale existing component, with a changed image reference: {} != {}. The component will be scaled, "
    "and the image reference will be updated afterwards."
)


class RunningComponent(Struct, frozen=True):
    """A component on this host. ``image`` is what the host says; ``code`` is whose bytes really run."""

    image: str
    code: str
    annotations: dict[str, str]
    max_instances: int
    config: tuple[str, ...]
    limits: Limits | None


class Components:
    """The components of one host, by id. Annotations are carried along and select nothing."""

    def __init__(self, core: HostCore) -> None:
        self.running: dict[str, RunningComponent] = {}
        self.lock = FairLock()
        self._core = core
        core.tables.append(self.running)

    def entries(self) -> tuple[ComponentEntry, ...]:
        """Return what the inventory says of them."""
        return tuple(
            ComponentEntry(
                id=id_,
                image_ref=one.image,
                annotations=one.annotations,
                max_instances=one.max_instances,
                limits=one.limits,
            )
            for id_, one in self.running.items()
        )

    async def auction(self, request: Request) -> Reply | None:
        """Bid, if the labels fit.

        A host that runs the component already bids all the same: it looks the *reference* up among the ids, and its
        bid names the reference as the id. Both are faults of the real host.
        """
        body = decode(_auction_decoder, request.data, "failed to deserialize component auction command")
        if not self._core.meets(body.constraints):
            return None
        async with self.lock.shared():
            if body.component_ref in self.running:
                return None
        bid = bodies.ComponentBid(body.component_ref, body.component_ref, self._core.id, body.constraints)
        return Reply(True, "", bid)

    # -- scale -------------------------------------------------------------------------------

    async def scale(self, request: Request) -> Reply:
        """Accept to scale a component; what becomes of it is told by events."""
        body = decode(_scale_decoder, request.data, "failed to deserialize component scale command")
        async with self.lock.shared():
            before = self.running.get(body.component_id)
        other_image = before is not None and before.image != body.component_ref
        self._core.spawn(self._scale_and_update(body, update=other_image and body.allow_update))
        if before is None or not other_image:
            return Reply(True, "")
        text = _OTHER_IMAGE_LATER if body.allow_update else _OTHER_IMAGE
        return Reply(True, text.format(before.image, body.component_ref))

    async def _scale_and_update(self, body: bodies.ScaleComponent, update: bool) -> None:
        asked = body.annotations or {}
        try:
            await self._scale(body, asked)
        except Failure as failure:
            data = _scaled(body.component_id, body.host_id, body.component_ref, asked, body.count)
            self._core.publish("component_scale_failed", {**data, "error": str(failure)})
            return
        if update:
            await self._update(body.component_id, body.component_ref, {}, body.host_id)

    async def _scale(self, body: bodies.ScaleComponent, asked: Labels) -> None:
        core = self._core
        # The image is pulled even to stop, and even if it runs already; whether that failed matters to a start alone.
        pull_failure = await core.pull("component", body.component_ref)
        if (denial := core.habits.policy(body.component_ref)) is not None:
            raise Failure(f'Policy denied request to scale component `{body.component_id}`: `"{denial}"`')
        async with self.lock.exclusive():
            before = self.running.get(body.component_id)
            if before is None:
                if body.count:
                    await self._start(body, asked, pull_failure)
                    self._tell_scaled(body, core.id, body.component_ref, asked)
                self._tell_scaled(body, body.host_id, body.component_ref, asked)
                return
            if not body.count:
                del self.running[body.component_id]
                await core.runtime.stop_component(body.component_id)
            elif body.count != before.max_instances or body.config != before.config:
                await self._serve_again(body, asked, before)
            # In all cases the event has the image and annotations of before, even where they have just been changed.
            self._tell_scaled(body, body.host_id, before.image, before.annotations)

    async def _start(self, body: bodies.ScaleComponent, asked: Labels, pull_failure: str | None) -> None:
        await self._core.fetch_configuration(body.config)
        if pull_failure is not None:
            raise Failure(pull_failure)
        self._core.make_room()
        await self._core.ensure_spec(body.component_id, body.component_ref)
        component = RunningComponent(
            image=body.component_ref,
            code=body.component_ref,
            annotations=asked,
            max_instances=body.count,
            config=_without_secrets(body.config),
            limits=_limits(body.component_limits),
        )
        await self._core.runtime.run_component(body.component_id, component)
        self.running[body.component_id] = component

    async def _serve_again(self, body: bodies.ScaleComponent, asked: Labels, before: RunningComponent) -> None:
        """Change everything but the code: it stays the old one, though the new reference is recorded."""
        if body.config != before.config:
            await self._core.fetch_configuration(body.config)
        component = replace(
            before,
            image=body.component_ref,
            annotations=asked,
            max_instances=body.count,
            config=_without_secrets(body.config),
            limits=_limits(body.component_limits),
        )
        await self._core.runtime.run_component(body.component_id, component)
        self.running[body.component_id] = component

    def _tell_scaled(self, body: bodies.ScaleComponent, host_id: str, image: str, annotations: Labels) -> None:
        self._core.publish("component_scaled", _scaled(body.component_id, host_id, image, annotations, body.count))

    # -- update ------------------------------------------------------------------------------

    async def update(self, request: Request) -> Reply:
        """Accept to replace the code of a running component. If that fails, nobody is told."""
        body = decode(_update_decoder, request.data, "failed to deserialize component update command")
        async with self.lock.shared():
            before = self.running.get(body.component_id)
        if before is None:
            raise Refusal(f"component {body.component_id} not found")
        if before.image == body.new_component_ref:
            return Reply(True, f"component {body.component_id} already updated to {body.new_component_ref}")
        work = self._update(body.component_id, body.new_component_ref, body.annotations or {}, body.host_id)
        self._core.spawn(work)
        return Reply(True, f"component {body.component_id} updating from {before.image} to {body.new_component_ref}")

    async def _update(self, id_: str, image: str, annotations: Labels, host_id: str) -> None:
        core = self._core
        async with self.lock.shared():  # held through the pull: see FairLock
            before = self.running.get(id_)
            if before is None or before.image == image:
                return
            after = replace(before, image=image, code=image, annotations=annotations)
            failure = await core.pull("component", image)
            if failure is None:
                if core.happens(core.habits.failing_updates):
                    return
                failure = await self._replace_code(id_, after)
            if failure is not None:
                if core.runtime.tells_failed_updates:
                    data = _scaled(id_, host_id, image, annotations, before.max_instances)
                    core.publish("component_scale_failed", {**data, "error": failure})
                return
            # The second event tells of the instance that was replaced, in the words of the one that replaced it.
            core.publish("component_scaled", _scaled(id_, host_id, image, annotations, before.max_instances))
            core.publish("component_scaled", _scaled(id_, host_id, image, annotations, 0))
            self.running[id_] = after

    async def _replace_code(self, id_: str, after: RunningComponent) -> str | None:
        """Have the new code run; return why it does not, and the old code goes on."""
        try:
            await self._core.runtime.run_component(id_, after)
        except Failure as failure:
            return str(failure)
        return None


def _scaled(id_: str, host_id: str, image: str, annotations: Labels, count: int) -> dict[str, Any]:
    return {
        "annotations": annotations,
        "component_id": id_,
        "host_id": host_id,
        "image_ref": image,
        "max_instances": count,
    }


def _without_secrets(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return what is remembered of a list of names. One that has secrets therefore never equals what is remembered."""
    return tuple(name for name in names if not name.startswith(SECRET_PREFIX))


def _limits(asked: Labels | None) -> Limits | None:
    """Return the limits that are numbers; others are dropped without a word."""
    if asked is None:
        return None
    memory, time = asked.get("max_memory_limit", ""), asked.get("max_execution_time", "")
    return Limits(memory if memory.isdecimal() else None, time if time.isdecimal() else None)
