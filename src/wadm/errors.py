"""The errors of the project, and what a caller can do about each.

WadmError
  ManifestInvalid(problems)   the user can mend the manifest
  NotFound                    the thing is not there
  AlreadyExists               the name or version is taken
  StaleRevision               somebody else wrote first: reload and try again
  Unavailable                 no answer in time, or nobody there: try again later
    NoResponders              nobody listens on that subject
    TimedOut                  somebody may listen, nobody answered
    NoRoom                    NATS keeps no more: somebody has to make room
    BucketGone                the bucket was deleted: somebody has to restore it
    NotSent                   it was not sent, and will not be
    OutcomeUnknown            it may have been written: look before trying again
  Refused(message)            the host answered no, and said why
  Rejected(message)           the server answered a request of the API with no, and said why
    NotSupported              the server is the original, or an older one, and does not know the operation
  TooLarge                    the value does not fit into one NATS message
  Malformed                   bytes that are not what they should be
    Unreadable                stored bytes that are not, or a name that nothing can be stored under
  Misconfigured               wadm was started with what cannot work: change it
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wadm.model.manifest import Problem


class WadmError(Exception):
    """The base of all errors that wadm raises on purpose."""


class ManifestInvalid(WadmError):
    """A manifest cannot be accepted. ``problems`` has all that is wrong, the first being the one the API names."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(problems[0].message if problems else "invalid manifest")
        self.problems = tuple(problems)


class NotFound(WadmError):
    """The application, version, key or stream is not there."""


class AlreadyExists(WadmError):
    """The name or version is taken."""


class StaleRevision(WadmError):
    """Somebody else wrote first. Reload, decide again, write again."""


class Unavailable(WadmError):
    """No answer in time, or nobody to answer. Trying again later may succeed."""


class NoResponders(Unavailable):
    """Nobody listens on the subject."""


class TimedOut(Unavailable):
    """No answer came in time; whether the request was acted on is not known."""


class NoRoom(Unavailable):
    """NATS does not keep it: its disk, the account or the bucket is full. Once there is room, trying again succeeds."""


class BucketGone(Unavailable):
    """The bucket of the applications was deleted under the server. Once somebody has restored it, trying again
    succeeds."""


class NotPermitted(Unavailable):
    """NATS does not let this identity do it: trying again is of use once somebody has permitted it."""


class NotSent(Unavailable):
    """It was not sent, and will not be: the condition under which it was to be sent did not hold any more."""


class OutcomeUnknown(Unavailable):
    """A write was not confirmed, and it cannot be found out at present whether it was done."""


class Refused(WadmError):
    """A host answered a control call with ``success: false``; the text is the host's own."""


class Rejected(WadmError):
    """The server answered a request of the API with an error that has no class of its own; the text is the server's."""


class NotSupported(Rejected):
    """The server does not know the operation: it is the original, or older than the client."""


class TooLarge(WadmError):
    """The value does not fit into one NATS message."""


class Malformed(WadmError):
    """Bytes from outside that are not what they should be. Drop them, count them, go on."""


class Misconfigured(WadmError):
    """What wadm was started with cannot work, however often it is tried. One sentence for whoever starts it."""


class Unreadable(Malformed):
    """What is stored of an application cannot be read, or nothing can be stored under its name. Others go on."""


def first_of(error: Exception) -> Exception:
    """Return the error to tell of: of several at once (an ``ExceptionGroup``) the first."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
