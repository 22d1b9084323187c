"""Replacing a provider in place: the new one stays, or the old one is started again."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.engine.builders import a_config, a_host, a_lattice, a_provider, an_app, asks, configs_of, plan, providing
from wadm.engine.changes import ChangeSet, LastEventTimes
from wadm.engine.command_kind import PATIENCE_WORKLOAD
from wadm.engine.compile import compile_manifest
from wadm.engine.expectations import Expectations
from wadm.engine.outcomes import observe_outcome
from wadm.engine.plan import OtherApplications, OwnedResources, Plan
from wadm.engine.swaps import reference_of
from wadm.model.commands import Outcome, StartProvider, StopProvider
from wadm.model.lattice import Lattice, Provider
from wadm.model.manifest import Manifest
from wadm.model.provider_starts import REPORTS_WITHIN, SUBSCRIBES_WITHIN
from wadm.model.status import ScalerStatus
from wadm.server.records import decode_record, encode_record

OLD = an_app("store", a_provider("kv", image="oci://x/kv:1", config=[a_config("c", k="v")]), version="v1")
NEW = an_app("store", a_provider("kv", image="oci://x/kv:2"), version="v2")


def versions(*manifests: Manifest) -> OtherApplications:
    """Know these stored versions."""
    scalers = {w.id: w for manifest in manifests for w in compile_manifest(manifest).workloads}
    return OtherApplications(lambda _: False, lambda _key, _target: False, scalers.get)


def shown(manifest: Manifest) -> Provider:
    """What a host shows of the provider of an application: its image without the scheme."""
    running = providing(manifest, "kv")
    return replace(running, image=running.image.removeprefix("oci://"))


class Story:
    """A lattice in which providers of an application are replaced, and what was asked so far."""

    def __init__(self, hosts: int = 1, reported: bool = True) -> None:
        names = [f"h{number + 1}" for number in range(hosts)]
        self.old = an_app("store", replace(OLD.spec.components[0], traits=a_provider("kv", hosts).traits), version="v1")
        self.new = an_app("store", replace(NEW.spec.components[0], traits=a_provider("kv", hosts).traits), version="v2")
        self.wanted = self.new
        self.lattice = a_lattice(*(a_host(name, shown(self.old)) for name in names), configs=configs_of(self.old))
        self.in_flight = Expectations()
        self.record = OwnedResources()
        self.now = 1000.0
        for name in names:
            self.lattice.provider_starts.started(name, "store-kv", "x/kv:1", self.now)
            if reported:
                self.lattice.provider_starts.reported(name, "store-kv", self.now)

    def plan(self) -> Plan:
        """Plan, note and record as the server does."""
        planned = plan(
            self.wanted,
            self.lattice,
            in_flight=self.in_flight,
            record=self.record,
            now=self.now,
            needed=versions(self.old, self.new),
        )
        self.record = decode_record(encode_record(planned.record))
        self.in_flight.settle(planned.settled, "store")
        for action in planned.actions:
            self.in_flight.ask(action, self.now)
        return planned

    def asks(self) -> list[str]:
        return asks(self.plan())

    def stopped(self, host: str = "h1") -> None:
        self.lattice.drop("provider", host, "store-kv")

    def started(self, manifest: Manifest, host: str = "h1") -> None:
        self.lattice.put(host, shown(manifest))
        self.lattice.provider_starts.started(host, "store-kv", shown(manifest).image, self.now)

    def refused(self, error: str, host: str = "h1") -> None:
        self.in_flight.hold(("provider", host, "store-kv"), error, self.now)

    def reported(self, host: str = "h1") -> None:
        self.lattice.provider_starts.reported(host, "store-kv", self.now)
        self.lattice.set_health(host, "store-kv", "running")

    def wait(self, seconds: float) -> None:
        self.now += seconds

    @property
    def status(self) -> ScalerStatus:
        return self.plan().status.scalers[0]

    def swapped(self, host: str = "h1") -> None:
        """Have the old one stopped on a host and the new one started."""
        assert self.asks() == [f"stop store-kv on {host}"]
        self.stopped(host)
        assert self.asks() == [f"start store-kv on {host} (oci://x/kv:2)"]
        self.started(self.new, host)


# -- it comes to run ----------------------------------------------------------------------------------


def test_what_ran_is_recorded_before_it_is_stopped() -> None:
    story = Story()
    planned = story.plan()
    assert [type(action.command) for action in planned.actions] == [StopProvider]
    [swap] = planned.record.swaps
    assert hash(planned.record), "records are compared by value, and kept in sets"
    assert (swap.reference, swap.config, dict(swap.annotations)) == (
        "oci://x/kv:1",
        ("store-c",),
        shown(OLD).annotations,
    )


def test_once_the_new_one_has_reported_its_health_the_swap_is_over() -> None:
    story = Story()
    story.swapped()
    assert story.record.swaps
    assert story.plan().due == story.now + REPORTS_WITHIN
    story.wait(5)
    story.reported()
    assert story.status.type == "deployed"
    assert not story.record.swaps


def test_where_the_old_one_never_reported_its_health_the_new_one_need_not() -> None:
    story = Story(reported=False)
    story.swapped()
    story.plan()
    assert not story.record.swaps
    story.wait(30)
    assert story.status.type == "deployed"


def test_the_configuration_of_the_old_one_stays_until_the_swap_is_over() -> None:
    story = Story()
    story.record = OwnedResources(configs=frozenset({"store-c"}))
    story.swapped()
    assert story.asks() == []
    story.reported()
    assert story.asks() == ["delete configuration store-c"]


# -- it does not ---------------------------------------------------------------------------------------


def test_a_new_image_that_is_refused_is_given_up_and_the_old_one_started_again() -> None:
    story = Story()
    story.asks()
    story.stopped()
    story.asks()
    story.refused("no such image")
    [action] = story.plan().actions
    assert action.command == StartProvider(
        "store-kv", "h1", "oci://x/kv:1", "store", shown(OLD).annotations, ("store-c",)
    )
    assert story.status.message == (
        "oci://x/kv:2 was given up on h1: no such image. oci://x/kv:1 is started there again."
    )
    story.started(story.old)
    for _ in range(5):
        story.wait(1000)
        assert story.asks() == []
    status = story.status
    assert status.message == "oci://x/kv:2 was given up on h1: no such image. oci://x/kv:1 runs there again."
    assert (status.type, status.explanation.final) == ("failed", True)
    assert status.explanation.next == (
        "oci://x/kv:2 is not tried again before the next deploy, or wadm deploy store --retry; "
        "until then x/kv:1 goes on running on h1"
    )


def test_a_new_image_that_does_not_report_its_health_is_given_up_after_eight_seconds() -> None:
    story = Story()
    story.swapped()
    story.wait(REPORTS_WITHIN - 0.1)
    assert story.asks() == []
    story.wait(0.1)
    assert story.asks() == ["stop store-kv on h1"]
    story.stopped()
    assert story.asks() == ["start store-kv on h1 (oci://x/kv:1)"]
    story.started(story.old)
    assert story.asks() == []
    assert story.status.message == (
        "oci://x/kv:2 was given up on h1: no health report 8 s after its start: it has crashed, or hangs. "
        "oci://x/kv:1 runs there again."
    )


def test_a_new_image_that_reports_that_it_is_ill_is_given_up_at_once() -> None:
    story = Story()
    story.swapped()
    story.lattice.set_health("h1", "store-kv", "failed")
    assert story.asks() == ["stop store-kv on h1"]


def test_one_that_was_given_up_and_reports_before_it_is_stopped_stays() -> None:
    story = Story()
    story.swapped()
    story.wait(REPORTS_WITHIN)
    story.asks()
    story.reported()
    story.plan()
    assert not story.record.swaps
    assert story.status.type == "deployed"


def test_a_host_that_does_not_answer_is_given_its_time() -> None:
    """It may be starting it; asked for the old one too, it would run whichever comes first."""
    story = Story()
    story.asks()
    story.stopped()
    story.asks()
    story.in_flight.hold(("provider", "h1", "store-kv"), "Host h1 did not answer in time", story.now, lingering=True)
    assert story.asks() == []
    story.wait(PATIENCE_WORKLOAD)
    assert story.asks() == ["start store-kv on h1 (oci://x/kv:1)"]


def test_what_was_given_up_is_tried_again_when_it_is_deployed_again() -> None:
    story = Story()
    story.asks()
    story.stopped()
    story.asks()
    story.refused("no such image")
    story.asks()
    story.started(story.old)
    story.asks()
    story.record = replace(story.record, swaps=tuple(replace(swap, given_up="") for swap in story.record.swaps))
    story.swapped()


def test_back_to_the_version_before_there_is_nothing_to_do() -> None:
    story = Story()
    story.asks()
    story.stopped()
    story.asks()
    story.refused("no such image")
    story.asks()
    story.started(story.old)
    story.wanted = story.old
    planned = story.plan()
    assert (asks(planned), planned.record.swaps, planned.status.type) == (
        ["put configuration store-c"],
        (),
        "deployed",
    ) or (
        asks(planned),
        planned.record.swaps,
        planned.status.type,
    ) == ([], (), "deployed")


def test_back_to_the_version_before_while_nothing_runs_there_is_nothing_to_go_back_to() -> None:
    """What would be started again is what is wanted: given up, it was stopped and started again for ever."""
    story = Story()
    story.asks()
    story.stopped()
    story.wanted = story.old
    assert story.asks() == ["start store-kv on h1 (oci://x/kv:1)"]
    story.started(story.old)
    for _ in range(3):
        story.wait(REPORTS_WITHIN)
        assert story.asks() == []
    assert not story.record.swaps


def test_where_several_hosts_have_the_id_the_one_that_does_not_answer_may_be_another() -> None:
    story = Story(hosts=2)
    story.swapped()
    story.wait(REPORTS_WITHIN)
    story.asks()
    why = "no health report 8 s after its start: it, or store-kv on another host, has crashed, or hangs"
    assert [swap.given_up for swap in story.record.swaps] == [why]


def test_where_a_third_version_follows_one_that_never_ran_well_the_first_is_what_comes_back() -> None:
    story = Story()
    story.swapped()
    third = an_app("store", a_provider("kv", image="oci://x/kv:3"), version="v3")
    story.wanted = third
    assert story.asks() == ["stop store-kv on h1"]
    story.stopped()
    assert story.asks() == ["start store-kv on h1 (oci://x/kv:3)"]
    story.refused("no such image")
    assert story.asks() == ["start store-kv on h1 (oci://x/kv:1)"]


def test_a_new_owner_that_finds_the_new_one_running_waits_for_the_next_report() -> None:
    story = Story()
    story.swapped()
    story.plan()
    story.lattice.provider_starts.found("h1", "store-kv", "x/kv:2", story.now)
    story.wait(SUBSCRIBES_WITHIN - 1)
    assert story.asks() == []
    story.wait(1)
    assert story.asks() == ["stop store-kv on h1"]


def test_undeploying_ends_a_swap() -> None:
    story = Story()
    story.swapped()
    planned = plan("store", story.lattice, record=story.record, now=story.now)
    assert (asks(planned), planned.record.swaps) == (["stop store-kv on h1"], ())


# -- on several hosts -----------------------------------------------------------------------------------


def test_the_next_host_is_begun_only_when_the_first_new_one_has_reported_its_health() -> None:
    story = Story(hosts=2)
    story.swapped("h1")
    assert story.asks() == []
    story.reported("h1")
    story.swapped("h2")


@pytest.mark.parametrize("crashes", [True, False])
def test_where_the_first_new_one_does_not_come_to_run_the_change_stops_there(crashes: bool) -> None:
    story = Story(hosts=2)
    story.asks()
    story.stopped("h1")
    story.asks()
    if crashes:
        story.started(story.new, "h1")
        story.asks()
        story.wait(REPORTS_WITHIN)
        assert story.asks() == ["stop store-kv on h1"]
        story.stopped("h1")
    else:
        story.refused("no such image")
    assert story.asks() == ["start store-kv on h1 (oci://x/kv:1)"]
    story.started(story.old, "h1")
    for _ in range(5):
        story.wait(1000)
        assert story.asks() == []
    assert story.status.type == "failed"
    assert story.status.explanation.next.endswith("until then x/kv:1 goes on running on h1 and h2")


def test_while_a_new_one_is_ill_no_other_host_begins() -> None:
    story = Story(hosts=2, reported=False)
    story.swapped("h1")
    story.lattice.set_health("h1", "store-kv", "silent")
    story.record = OwnedResources()
    assert story.asks() == []


# -- what is known of the old one -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        ("http-server", "wasmcloud+builtin://http-server"),
        ("/opt/http-server.par.gz", "file:///opt/http-server.par.gz"),
        ("ghcr.io/wasmcloud/http-server:0.27.1", "ghcr.io/wasmcloud/http-server:0.27.1"),
    ],
)
def test_an_image_of_a_version_that_is_not_stored_any_more_is_started_as_well_as_one_can(
    image: str, reference: str
) -> None:
    assert reference_of(image) == reference


# -- where nothing is replaced --------------------------------------------------------------------------


def silent(lattice: Lattice, now: float) -> ScalerStatus:
    return plan(OLD, lattice, now=now).status.scalers[0]


def test_a_provider_without_a_report_is_unhealthy_on_a_host_that_reports() -> None:
    lattice = a_lattice(a_host("h1", shown(OLD)), configs=configs_of(OLD))
    lattice.provider_starts.started("h1", "store-kv", "x/kv:1", 0.0)
    assert silent(lattice, SUBSCRIBES_WITHIN).type == "deployed", "nothing is known of what the host reports"
    lattice.provider_starts.reported("h1", "other", 10.0)
    assert silent(lattice, SUBSCRIBES_WITHIN - 1).type == "deployed"
    status = silent(lattice, SUBSCRIBES_WITHIN)
    assert (status.type, status.message) == ("unhealthy", "Unhealthy provider on 1 host(s)")
    assert status.explanation.waiting_for == (
        "store-kv on h1 to report its health: it may crash again and again, or hang"
    )


def test_a_replacement_that_has_begun_goes_on_though_it_is_not_known_what_another_host_runs() -> None:
    """What was stopped for it would be away for as long as nobody knows."""
    story = Story()
    assert story.asks() == ["stop store-kv on h1"]
    story.stopped()
    story.lattice.put_host("h2", "", {}, "1.9.2", 0.0)
    story.lattice.certainty.silent["h2"], story.lattice.certainty.unseen["h2"] = story.now, story.now + 60
    assert story.asks() == ["start store-kv on h1 (oci://x/kv:2)"]


def test_a_new_image_is_not_given_up_because_its_host_cannot_be_reached() -> None:
    """It was not tried: it may well run there once the host is back."""
    story = Story()
    assert story.asks() == ["stop store-kv on h1"]
    story.stopped()
    [start] = story.plan().actions
    outcome = Outcome(start.command, "unreachable")
    observe_outcome(outcome, story.lattice, story.in_flight, ChangeSet(), LastEventTimes(), story.now)
    story.plan()
    assert [swap.given_up for swap in story.record.swaps] == [""]
    story.wait(PATIENCE_WORKLOAD + 1)
    assert story.asks() == ["start store-kv on h1 (oci://x/kv:2)"]
    story.refused("no such image")
    story.plan()
    assert [swap.given_up for swap in story.record.swaps] == ["no such image"]


@pytest.mark.parametrize("given_up", ["", "no such image"])
def test_nothing_is_started_on_a_host_of_which_it_is_not_known_what_it_runs(given_up: str) -> None:
    story = Story()
    story.plan()
    story.record = replace(story.record, swaps=(replace(story.record.swaps[0], given_up=given_up),))
    story.stopped()
    story.in_flight = Expectations()
    story.lattice.certainty.silent["h1"], story.lattice.certainty.unseen["h1"] = story.now, story.now + 60
    assert story.asks() == []
    story.lattice.certainty.silent.clear()
    story.lattice.certainty.unseen.clear()
    assert story.asks() == [f"start store-kv on h1 (oci://x/kv:{1 if given_up else 2})"]
