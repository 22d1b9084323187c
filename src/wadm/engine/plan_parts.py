"""What comes of planning one application, while it is planned: commands, and how its workloads, links and
configurations are. :class:`~wadm.engine.plan.PlanBuilder` holds one of each."""

from __future__ import annotations

from msgspec import Struct

from wadm.engine.expectations import Pending
from wadm.model.commands import Action, Key, ScaleComponent, StartProvider
from wadm.model.lattice import EntityKind, Link, LinkKey
from wadm.model.link_puts import LinkAt
from wadm.model.swaps import Swap


class PlanCommands(Struct, eq=False):
    """What to ask for, and what need not be asked for any more."""

    actions: list[Action] = []
    pending: dict[Key, Pending] = {}
    """What is pending for each thing that the plan has asked for, or has put off."""
    deferred: list[Pending] = []
    """What is not asked for now, because somebody undoes it again and again."""
    considered: set[Key] = set()
    """The things that the plan has something to say about; what is pending for others nobody wants any more."""
    resolved: set[Key] = set()
    """The things for which nothing is pending any more: they are as wanted, or not wanted."""


class PlanWorkloads(Struct, eq=False):
    """How the components and providers are. A workload is its kind and id."""

    starts: dict[tuple[str, str], dict[str, ScaleComponent | StartProvider]] = {}
    """The starts under way, a pause after a failure included: by workload, then by host."""
    failed: dict[tuple[str, str], dict[str, Pending]] = {}
    """The starts that have failed so often that another host is to be tried: likewise."""
    starting: set[str] = set()
    """Ids of those whose links should wait for a start."""
    still_serving: set[tuple[EntityKind, str]] = set()
    """Those of which an earlier version goes on until the wanted one runs."""
    not_serving: set[tuple[EntityKind, str]] = set()
    """Those that are wanted and run nowhere yet, in no version."""
    leaving: bool = False
    """Whether something of an id that is wanted runs on hosts that it has to leave; it may use what it was started
    with."""
    swaps: dict[tuple[str, str], Swap] = {}
    """The swaps that are not over, as they are to be recorded."""
    on_trial: set[tuple[str, str]] = set()
    """New images that are tried beside the old ones, as host and id (:mod:`wadm.engine.trial`)."""


class PlanLinks(Struct, eq=False):
    """How the links are."""

    first: tuple[Link | None] | None = None
    """The link that no component is started before, once it has been looked for."""
    compared: dict[LinkAt, tuple[Link, Link, bool]] = {}
    """For each link: the one in the lattice, the wanted one, and whether they are the same."""
    changing: dict[str, set[Key]] = {}
    """The links that this plan puts or deletes, by their source."""
    under_way: dict[str, set[Key]] = {}
    """The links of each source, as far as looked at, that are being put or deleted."""
    open: set[LinkKey] = set()
    """Identities under which a wanted link is not in force yet."""
    untold: set[LinkAt] = set()
    """Wanted links in the lattice that not every provider is known to have as they are wanted."""
    in_vain: dict[LinkAt, str] = {}
    """Links whose provider was told to listen where another does, with the id of that one."""


class PlanConfigs(Struct, eq=False):
    """How the configurations are, by name."""

    ready: set[str] = set()
    """Those that are in the lattice as wanted."""
    out_of_sync: set[str] = set()
    """Those that are known to be other than wanted."""
    changing: set[str] = set()
    """Those whose values are about to change, though links refer to them."""
    trouble: dict[str, str] = {}
    """Why one is not ready, where it is more than waiting for it."""
