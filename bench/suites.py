"""Which cases a suite consists of, in which sizes."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from bench import cases
from bench.cases import Case


class Measurement(Struct, frozen=True):
    """A case in one size.

    ``original``: the original gets that far, within the time that one waits for it. ``once``: it is not repeated, since
    it lasts long or is a point of a line that shows how cost grows. ``limit``: seconds after which it has failed.
    """

    case: Case
    sizes: dict[str, Any]
    original: bool = False
    once: bool = False
    limit: float = 300.0

    @property
    def name(self) -> str:
        return self.case.__name__

    @property
    def title(self) -> str:
        return f"{self.name} " + " ".join(f"{name}={value}" for name, value in self.sizes.items())

    @property
    def by_other_hosts(self) -> bool:
        """Whether the hosts are those of another program, which has to be at hand."""
        return self.case is cases.beside


def _m(case: Case, original: bool = False, once: bool = False, **sizes: Any) -> Measurement:
    return Measurement(case, sizes, original, once)


QUICK = (
    _m(cases.idle, original=True),
    _m(cases.settle, hosts=10, applications=10, original=True),
    _m(cases.rest, hosts=10, applications=10, rounds=30, original=True),
    _m(cases.react, hosts=10, applications=10, events=100),
    _m(cases.start, hosts=10, applications=10, original=True),
    _m(cases.loss, hosts=10, applications=10, gone=2),
    _m(cases.api, stored=100, requests=200, original=True),
)

SMOKE = (
    _m(cases.settle, hosts=2, applications=2, components=1),
    _m(cases.rest, hosts=2, applications=2, rounds=2),
    _m(cases.api, stored=5, requests=10, clients=2),
)
"""Whether the benchmark itself works."""

BESIDE = (
    _m(cases.beside, hosts=10, applications=10, phases="deploy,upgrade,undeploy", original=True),
    _m(cases.beside, hosts=20, applications=30, original=True),
    _m(cases.beside, hosts=30, applications=50, phases="deploy,steady", original=True),
    _m(cases.beside, hosts=100, applications=100, instances=30, phases="deploy,upgrade,undeploy"),
    _m(cases.beside, hosts=1000, applications=1000, components=5),
)
"""With the hosts of another program."""

FULL = (
    *BESIDE,
    _m(cases.idle, original=True),
    # How cost grows: with hosts, with applications.
    *(_m(cases.settle, hosts=hosts, applications=50, once=True) for hosts in (10, 100, 300, 1000)),
    *(_m(cases.settle, hosts=30, applications=applications, once=True) for applications in (10, 100, 200, 400)),
    _m(cases.settle, hosts=10, applications=10),
    _m(cases.settle, hosts=30, applications=50),
    _m(cases.settle, hosts=100, applications=100, instances=30),
    _m(cases.settle, hosts=1000, applications=1000, components=5, once=True),
    *(_m(cases.rest, hosts=hosts, applications=50, rounds=3000 // hosts, once=True) for hosts in (10, 100, 300, 1000)),
    _m(cases.rest, hosts=30, applications=50, rounds=100),
    _m(cases.rest, hosts=10, applications=10, rounds=20, original=True),
    _m(cases.rest, hosts=5000, applications=200, seconds=60, once=True),
    *(_m(cases.react, hosts=100, applications=applications, once=True) for applications in (10, 100, 300)),
    _m(cases.react, hosts=1000, applications=1000),
    _m(cases.react, hosts=10, applications=10, events=100, original=True),
    _m(cases.loss, hosts=30, applications=50, gone=3),
    _m(cases.loss, hosts=30, applications=50, gone=3, silent=True, once=True),
    _m(cases.loss, hosts=300, applications=300, gone=30),
    *(_m(cases.flood, hosts=30, applications=50, events=events, once=True) for events in (10_000, 100_000, 300_000)),
    _m(cases.start, hosts=20, applications=30, original=True),
    _m(cases.start, hosts=1000, applications=1000, components=5),
    _m(cases.api, stored=10, once=True),
    _m(cases.api, stored=500, original=True),
    _m(cases.api, stored=10_000),
)

SUITES = {"smoke": SMOKE, "quick": QUICK, "beside": BESIDE, "full": FULL}
