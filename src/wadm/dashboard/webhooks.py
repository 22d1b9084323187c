"""Telling others when the status of an application changes: signed requests to URLs, messages on NATS subjects.

Signed as the Standard Webhooks specification has it: ``webhook-signature`` is ``v1,`` and the base64 of HMAC-SHA256
over ``{webhook-id}.{webhook-timestamp}.{body}``. What cannot be delivered is tried again with growing pauses and kept
then, to be looked at and sent once more. A notification may come twice (its id is the same then), and those that wait
are lost where the process ends.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml
from msgspec import Struct, ValidationError, convert, json

from wadm.background import BackgroundTasks, end_if_cancelled
from wadm.client.client import Client
from wadm.client.live import Subscription, follow_all_statuses
from wadm.errors import Misconfigured, WadmError
from wadm.model.status import SEVERITY, ApplicationStatus

PAUSES: Final = (1.0, 5.0, 30.0, 120.0, 300.0)
"""Seconds before each further attempt."""
TIMEOUT: Final = 10.0
MOST_WAITING: Final = 10_000
MOST_DEAD: Final = 500
MOST_SHOWN: Final = 100
"""Notifications that are shown of those that are being tried again."""
AT_A_TIME: Final = 8


class Hook(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to tell of what. Exactly one of ``url`` and ``subject``; ``*`` in a filter stands for anything."""

    name: str
    url: str = ""
    subject: str = ""
    secret: str = ""
    lattices: tuple[str, ...] = ("*",)
    applications: tuple[str, ...] = ("*",)
    statuses: tuple[str, ...] = ()
    """Statuses to tell of; none named: all."""

    def wants(self, lattice: str, application: str, status: str) -> bool:
        """Whether a change is to be told."""
        return (
            any(fnmatchcase(lattice, pattern) for pattern in self.lattices)
            and any(fnmatchcase(application, pattern) for pattern in self.applications)
            and (not self.statuses or status in self.statuses)
        )


def read_hooks(path: Path, bars: Callable[[str], str] = lambda subject: "") -> tuple[Hook, ...]:
    """Read a YAML or JSON list of hooks; raise :class:`~wadm.errors.Misconfigured`.

    ``bars`` says why nothing may be published to a NATS subject, ``""`` where it may.
    """
    try:
        hooks = convert(yaml.safe_load(path.read_text(encoding="utf-8")), tuple[Hook, ...])
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise Misconfigured(f"cannot read the webhooks in {path}: {error}") from error
    for hook in hooks:
        if bool(hook.url) is bool(hook.subject):
            raise Misconfigured(f"{path}: webhook {hook.name!r} needs either a url or a subject")
        if hook.url and (urlsplit(hook.url).scheme not in ("http", "https") or len(hook.secret) < 16):
            raise Misconfigured(f"{path}: webhook {hook.name!r} needs an http(s) url and a secret of 16 characters")
        if hook.subject and (why := bars(hook.subject)):
            raise Misconfigured(f"{path}: webhook {hook.name!r} cannot publish to {hook.subject!r}: {why}")
        if unknown := set(hook.statuses) - set(SEVERITY):
            raise Misconfigured(f"{path}: webhook {hook.name!r} names no status: {', '.join(sorted(unknown))}")
    if len({hook.name for hook in hooks}) != len(hooks):
        raise Misconfigured(f"{path}: two webhooks have the same name")
    return hooks


class Notification(Struct, kw_only=True):
    """Something to be told to one hook, and how that went."""

    id: str
    hook: str
    time: float
    body: dict[str, Any]
    attempts: int = 0
    error: str = ""
    next_try: float = 0.0
    """When it is tried again; 0 while it is being tried, and where that is over."""


def signature(secret: str, id_: str, timestamp: int, body: bytes) -> str:
    """Return the value of ``webhook-signature``."""
    signed = b"%b.%d.%b" % (id_.encode(), timestamp, body)
    return "v1," + base64.b64encode(hmac.digest(secret.encode(), signed, hashlib.sha256)).decode()


class Counted:
    """What became of the notifications of one hook."""

    __slots__ = ("dead", "delivered", "failures")

    def __init__(self) -> None:
        self.delivered = 0
        self.failures = 0
        """Attempts that failed."""
        self.dead = 0
        """Notifications that were given up."""


class Webhooks:
    """Delivers notifications to hooks."""

    def __init__(self, client: Client, hooks: tuple[Hook, ...], pauses: tuple[float, ...] | None = None) -> None:
        self.hooks = {hook.name: hook for hook in hooks}
        self.dead: deque[Notification] = deque(maxlen=MOST_DEAD)
        """What could not be delivered, oldest first."""
        self.counted = {hook.name: Counted() for hook in hooks}
        self.dropped = 0
        self._client = client
        self._pauses = PAUSES if pauses is None else pauses
        self._last: dict[tuple[str, str], str] = {}
        self._tasks = BackgroundTasks("A webhook was not called")
        self._under_way: dict[asyncio.Task[None], Notification] = {}
        self._gate = asyncio.Semaphore(AT_A_TIME)
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        """Begin to tell. What was so before is not told."""
        if self.hooks:
            self._subscription = await follow_all_statuses(self._client, self._heard)

    async def stop(self) -> None:
        """Tell nothing more."""
        if self._subscription is not None:
            await self._subscription.stop()
        await self._tasks.stop()

    @property
    def attempts(self) -> int:
        """How often something is tried before it is given up."""
        return len(self._pauses) + 1

    @property
    def pending(self) -> list[Notification]:
        """What is being delivered, or waits to be tried again."""
        return list(self._under_way.values())

    @property
    def delivered(self) -> int:
        """Notifications that were delivered."""
        return sum(one.delivered for one in self.counted.values())

    def discard(self, id_: str) -> bool:
        """Forget a dead notification; return whether there is such a one."""
        found = next((one for one in self.dead if one.id == id_), None)
        if found is not None:
            self.dead.remove(found)
        return found is not None

    async def test(self, name: str) -> str:
        """Send a notification that says that it is a test, once; return why that failed, ``""`` where it did not.

        Raises KeyError for a hook that is none.
        """
        hook, now = self.hooks[name], self._client.transport.now()
        body = {"type": "test", "timestamp": round(now, 3), "data": {"message": "A test from the dashboard"}}
        seed = f"{name}/test/{now}"
        id_ = f"msg_{hashlib.sha256(seed.encode()).hexdigest()[:24]}"
        try:
            await self._send(hook, Notification(id=id_, hook=name, time=round(now, 3), body=body))
        except (OSError, WadmError) as error:
            return str(error)[:300]
        return ""

    def again(self, id_: str) -> bool:
        """Try a dead notification once more; return whether there is such a one."""
        found = next((one for one in self.dead if one.id == id_), None)
        if found is None:
            return False
        self.dead.remove(found)
        self._begin(found)
        return True

    def _heard(self, lattice: str, name: str, status: ApplicationStatus) -> None:
        before = self._last.get((lattice, name))
        if before == status.type:
            return
        self._last[lattice, name] = status.type
        now = self._client.transport.now()
        body = {
            "type": "application.status",
            "timestamp": round(now, 3),
            "data": {
                "lattice": lattice,
                "application": name,
                "status": status.type,
                "before": before,
                "message": status.message,
                "reasons": [e.last_error or e.waiting_for for s in status.scalers if (e := s.explanation)],
            },
        }
        body["data"]["reasons"] = [reason for reason in body["data"]["reasons"] if reason]  # type: ignore[index]
        for hook in self.hooks.values():
            if hook.wants(lattice, name, status.type):
                # The same for every server that hears of it within a second, so that a receiver can tell.
                seed = f"{hook.name}/{lattice}/{name}/{status.type}/{int(now)}"
                id_ = f"msg_{hashlib.sha256(seed.encode()).hexdigest()[:24]}"
                self._begin(Notification(id=id_, hook=hook.name, time=round(now, 3), body=body))

    def _begin(self, notification: Notification) -> None:
        if len(self._tasks) >= MOST_WAITING:
            self.dropped += 1
            return
        task = self._tasks.start(self._deliver(notification))
        self._under_way[task] = notification
        task.add_done_callback(self._under_way.pop)

    async def _deliver(self, notification: Notification) -> None:
        hook, counted = self.hooks[notification.hook], self.counted[notification.hook]
        for pause in (*self._pauses, None):
            notification.attempts += 1
            try:
                async with self._gate:
                    await self._send(hook, notification)
            except (OSError, WadmError) as error:
                notification.error = str(error)[:300]
                counted.failures += 1
            else:
                counted.delivered += 1
                return
            end_if_cancelled()
            if pause is not None:
                notification.next_try = round(self._client.transport.now() + pause, 3)
                await asyncio.sleep(pause)
                notification.next_try = 0.0
        counted.dead += 1
        self.dead.append(notification)

    async def _send(self, hook: Hook, notification: Notification) -> None:
        body = json.encode(notification.body)
        timestamp = int(self._client.transport.now())
        headers = {"webhook-id": notification.id, "webhook-timestamp": str(timestamp)}
        if hook.secret:
            headers["webhook-signature"] = signature(hook.secret, notification.id, timestamp, body)
        if hook.subject:
            self._client.transport.publish(hook.subject, body, headers=headers)
            await self._client.transport.flush()
        else:
            await asyncio.to_thread(_post, hook.url, body, {**headers, "Content-Type": "application/json"})


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows nobody anywhere: a signed body is for whom it was addressed to."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Refuse."""


_opener = urllib.request.build_opener(_NoRedirects)


def _post(url: str, body: bytes, headers: dict[str, str]) -> None:
    request = urllib.request.Request(url, body, {**headers, "User-Agent": "wadm"}, method="POST")  # noqa: S310
    with _opener.open(request, timeout=TIMEOUT) as answer:
        answer.read(1)


def view(webhooks: Webhooks) -> dict[str, Any]:
    """Return what people may see: no secret, and of URLs only the host."""
    return {
        "result": "success",
        "delivered": webhooks.delivered,
        "dropped": webhooks.dropped,
        "hooks": [
            {
                "name": hook.name,
                "to": hook.subject or urlsplit(hook.url).hostname,
                "lattices": hook.lattices,
                "applications": hook.applications,
                "statuses": hook.statuses,
            }
            for hook in webhooks.hooks.values()
        ],
        "attempts": webhooks.attempts,
        "pending": len(webhooks.pending),
        "retrying": [one for one in webhooks.pending if one.error][:MOST_SHOWN],
        "dead": list(webhooks.dead),
    }
