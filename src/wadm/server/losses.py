"""What is said of applications that the bucket does not hold any more though nobody deleted them, and of what will make
it lose them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from wadm.server.view import StoredApplication, View
from wadm.transport.base import BucketState

NAMES_TOLD: Final = 5
"""Names of missing applications that are told; of more, how many they are."""
SMALL_VALUE: Final = 128 * 1024
"""Bytes that an application with its versions often needs: a bucket that takes less is warned of."""
RESTORE: Final = "`wadm restore --from-server` stores again what the servers remember"


class FearedLoss(Struct, frozen=True):
    """What a bucket held whose loss is feared, which one it was, and its newest revision."""

    view: View
    made: str
    newest: int

    def is_another(self, bucket: BucketState | None) -> bool:
        """Whether it is lost indeed: the bucket that is there now is another one, or has not come as far."""
        return bucket is None or bucket.made != self.made or bucket.newest < self.newest


def trouble(bucket: str, missing: Sequence[StoredApplication], is_gone: bool) -> str:
    """Say what a bucket lacks, and what to do; ``""`` where it lacks nothing."""
    if not missing and not is_gone:
        return ""
    if not missing:
        return f"the bucket {bucket} was deleted. {RESTORE}"
    told = ", ".join(f"{record.name} ({record.scope})" for record in missing[:NAMES_TOLD])
    more = f" and {len(missing) - NAMES_TOLD} more" if len(missing) > NAMES_TOLD else ""
    number = "1 application" if len(missing) == 1 else f"{len(missing)} applications"
    what = f"was deleted, and with it {number}" if is_gone else f"lacks {number} that nobody has deleted"
    return f"the bucket {bucket} {what}: {told}{more}. They are not changed, and what runs goes on. {RESTORE}"


def doubt(bucket: str, is_gone: bool) -> str:
    """Say in the status of an application that the bucket lacks why nothing of it is changed."""
    what = "was deleted" if is_gone else "does not hold this application any more, though nobody deleted it"
    return f"stands still: the bucket {bucket} {what}. What runs goes on. {RESTORE}"


def warnings(bucket: str, state: BucketState | None) -> list[str]:
    """Say what will make a bucket lose applications, or refuse them, and what to do."""
    found = []
    if state is not None and state.max_age:
        text = f"the bucket {bucket} forgets every application {state.max_age:.0f} s after its last change"
        found.append(f"{text}: nats stream edit KV_{bucket} --max-age=0")
    if state is not None and 0 < state.max_value < SMALL_VALUE:
        found.append(takes_at_most(bucket, state))
    return found


def takes_at_most(bucket: str, state: BucketState) -> str:
    """Say how large a value a bucket takes, and how to change that."""
    edit = f"nats stream edit KV_{bucket} --max-msg-size=-1"
    return f"the bucket {bucket} takes no value of more than {state.max_value} bytes: {edit}"
