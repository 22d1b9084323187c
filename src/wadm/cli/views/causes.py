"""Why a scaler is not as wanted: one sentence that begins with the cause and ends with the next step.

Every view says it in the same words: `list`, `status`, `deploy --wait`, `explain`. The original's wording of statuses,
which its clients match, is left to the wire and to ``-o wide``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from wadm.model.advice import advice, plain
from wadm.model.insight import ScalerView, Waiting
from wadm.model.status import ApplicationStatus, ScalerStatus

_ORIGINAL: Final = re.compile(
    r"Scaling (?:component|provider) on \d+ host\(s\)"
    r"|Found \w+ running on ineligible hosts, removing them\."
    r"|Spread requirement conflict: \S+ spread requires \d+ instances vs 0 computed from reconciliation commands"
    r"|Could not satisfy (?:spread|daemonscaler) .+?, \S+ eligible hosts found\."
    r"|Putting link definition between \S+ and \S+"
    r"|Unhealthy provider on \d+ host\(s\)"
    r"|On \d+ silent host\(s\)"
    r"|Waiting for silent hosts to say what they run"
)
"""What the original says of a status, and we on the wire; it names neither cause nor object."""
_ASKED: Final = re.compile(r"(?P<hosts>.+) to run (?P<image>\S+)$")
_NO_HOST: Final = re.compile(r"a host(?: with (?P<labels>.+?))? \(spread (?P<spread>.+?)\); (?P<there>.+)$")
_TOO_FEW: Final = re.compile(
    r"(?P<number>\d+) more hosts?(?: with (?P<labels>.+?))? \(spread (?P<spread>.+?)\); (?P<there>.+)$"
)
_SICK: Final = re.compile(r"(?P<what>.+) on (?P<hosts>.+) to be healthy again$")
_MUTE: Final = re.compile(r"(?P<what>.+) on (?P<hosts>.+) to tell of its health again: (?P<maybe>.+)$")
_FOREIGN_LINK: Final = re.compile(r"another's link (?P<link>.+) to go$")
_HOST_OF_COMMAND: Final = re.compile(r" on (\S+ \([A-Z0-9]{8}\))")


class Cause(Struct, frozen=True):
    """Why, and what to do (empty where there is nothing but waiting)."""

    why: str
    todo: str = ""

    @property
    def sentence(self) -> str:
        """Both in one sentence."""
        return f"{self.why}; to do: {self.todo}" if self.todo else self.why


def cause(scaler: ScalerStatus, view: ScalerView | None = None) -> Cause:
    """Return why a scaler is not as wanted. ``view``, where there is one, tells which host said what."""
    if scaler.type == "deployed":
        return Cause("")
    told = scaler.explanation
    if link := _FOREIGN_LINK.fullmatch(told.waiting_for):
        why = f"link {link['link']} is there already, goes elsewhere and is not of this application"
        return Cause(why, "delete that link (wash link del), or give this one another name")
    asked = _ASKED.fullmatch(told.waiting_for)
    image = asked["image"] if asked else ""
    if view is not None and (errors := _errors(view.waiting)):
        # Each error with the hosts that said it; where there are several, each with what to do about it.
        whys = [_by(plain(error, image), _some(hosts), image) for error, hosts in errors.items()]
        steps = list(dict.fromkeys(step for error in errors if (step := advice(error))))
        return Cause("; ".join(whys), "; or ".join(steps[:2]))
    said = _rest(scaler.message)
    error = told.last_error
    if error or said:
        why = _by(plain(error or said, image), asked["hosts"] if asked else "", image)
        return Cause(why, _named(advice(f"{error or said} {told.last_error}"), why))
    why = _waiting(told.waiting_for)
    return Cause(why or scaler.message, advice(why) or advice(scaler.message))


_CONFIGURATION: Final = re.compile(r"configuration (\S+) is not in the lattice")
_ADVISED: Final = " Give one of the two another id, or stop that one"
"""What the server advises in the sentence about an id; the next step says it here."""


def _named(step: str, why: str) -> str:
    """Return the next step with the name of what it is about."""
    found = _CONFIGURATION.match(why)
    return step.replace("NAME", found[1]) if found else step


def noted(scaler: ScalerStatus, view: ScalerView | None = None) -> str:
    """Return what is not known yet of a scaler that is as it should be, on which hosts that is, and what to do."""
    note = scaler.explanation.note
    where = _some([one.host for one in view.running]) if note and view is not None else ""
    step = advice(note)
    return f"{note}{f' (on {where})' if where else ''}{f'; {step}' if step else ''}"


_UNHEARD: Final = re.compile(r"Host (?P<id>[A-Z0-9]{8}) did not answer")


def _by(why: str, hosts: str, image: str = "") -> str:
    """Return the cause with the hosts that it came from, and the image that it is about."""
    why = why.rstrip(".").removesuffix(_ADVISED).rstrip(".")
    if not hosts or hosts in why or hosts.partition(" (")[0] in why:
        return why
    if found := _UNHEARD.match(why):
        return why.replace(f"Host {found['id']}", hosts) if found["id"] in hosts else why
    if " cannot be fetched: " in why:
        return why.replace(" cannot be fetched: ", f" cannot be fetched by {hosts}: ", 1)
    if " is not there: " in why:
        return why.replace(" is not there: ", f" is not there on {hosts}: ", 1)
    return f"{why} (on {hosts})" if image in why else f"{why} ({image} on {hosts})"


_CONFLICT: Final = re.compile(
    r"Spread requirement conflict: (?P<spread>\S+) spread requires (?P<wanted>\d+) instances vs 0 computed from "
    r"reconciliation commands"
)
_UNSATISFIED: Final = re.compile(
    r"Could not satisfy (?:spread|daemonscaler) (?P<spread>.+?) for (?P<image>\S+), \S+ eligible hosts found\."
)


def in_words(message: str) -> str:
    """Return a status message with the original's words for missing hosts in plain ones.

    >>> in_words("failed: Could not satisfy spread in-b for x/kv:1, 0/1 eligible hosts found.")
    'failed: too few hosts will do for spread in-b, which wants x/kv:1'
    """
    plain_words = _CONFLICT.sub(r"too few hosts will do for spread \g<spread>, which wants \g<wanted>", message)
    return _UNSATISFIED.sub(r"too few hosts will do for spread \g<spread>, which wants \g<image>", plain_words)


def _rest(message: str) -> str:
    """Return what a message says beyond the original's words."""
    return _ORIGINAL.sub("", message).strip(" ,")


def _waiting(waiting_for: str) -> str:
    if found := _NO_HOST.fullmatch(waiting_for):
        labels = f"has {found['labels']}" if found["labels"] else "is there"
        if found["there"].startswith("no host is there"):
            return f"{found['there']}, so nothing can run (spread {found['spread']})"
        return f"no host {labels if found['labels'] else 'will do'} (spread {found['spread']}): {found['there']}"
    if found := _TOO_FEW.fullmatch(waiting_for):
        labels = f" with {found['labels']}" if found["labels"] else ""
        noun = "host" if found["number"] == "1" else "hosts"
        return f"{found['number']} {noun}{labels} too few (spread {found['spread']}): {found['there']}"
    if found := _ASKED.fullmatch(waiting_for):
        hosts = _listed(found["hosts"])
        were = "were" if " and " in hosts else "was"
        return f"{hosts} {were} asked to run {found['image']}, which takes a while"
    if found := _MUTE.fullmatch(waiting_for):
        return f"{found['what']} on {found['hosts']} does not tell of its health any more: {found['maybe']}"
    if found := _SICK.fullmatch(waiting_for):
        return f"{found['what']} on {found['hosts']} is not healthy, by its own word"
    return f"waits for {waiting_for}" if waiting_for else ""


def _listed(hosts: str) -> str:
    """Return names that commas part as a sentence has them: ``a, b and c``."""
    if " and " in hosts or ", " not in hosts:
        return hosts
    before, _, last = hosts.rpartition(", ")
    return f"{before} and {last}"


def _errors(waiting: Iterable[Waiting]) -> dict[str, list[str]]:
    """Return what went wrong with the hosts that said so."""
    found: dict[str, list[str]] = {}
    for one in waiting:
        if one.error:
            hosts = found.setdefault(one.error, [])
            if (host := _HOST_OF_COMMAND.search(one.command)) and host[1] not in hosts:
                hosts.append(host[1])
    return found


def _some(hosts: Sequence[str]) -> str:
    more = f" and {len(hosts) - 3} more" if len(hosts) > 3 else ""
    return f"{', '.join(hosts[:3])}{more}"


def first(name: str, current: ApplicationStatus) -> str:
    """Return the sentence about the first scaler that is not as it should be, the worst before the others."""
    from wadm.cli.views import names, states
    from wadm.model.status import SEVERITY

    bad = [scaler for scaler in current.scalers if scaler.type != "deployed"]
    if not bad:
        return states.message(current)
    worst = min(bad, key=lambda scaler: SEVERITY.index(scaler.type))
    sentence = cause(worst).sentence
    called = names.scaler(worst.name, name)
    return f"{called}: {sentence}" if sentence else called
