"""What is written down of a controller: values of configurations are hidden, and what is no recording is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wadm.engine import journal, recording, snapshot
from wadm.engine.controller import ControllerSettings, LatticeController
from wadm.engine.effects import RememberHosts
from wadm.engine.hiding import Hiding
from wadm.engine.inputs import ApplicationsListed, ConfigReply, DesiredChanged, ErrorMet, Input, TakeOver
from wadm.engine.liveness import KnownHost, Remembered
from wadm.errors import Malformed
from wadm.model.commands import Outcome, PutConfig
from wadm.wire.manifests import read_manifest

SECRET = "tiger, tiger"
ADDRESS = "0.0.0.0:8080"
MANIFEST = {
    "apiVersion": "core.oam.dev/v1beta1",
    "kind": "Application",
    "metadata": {"name": "shop", "annotations": {"version": "v1"}},
    "spec": {
        "components": [
            {
                "name": "web",
                "type": "component",
                "properties": {
                    "image": "registry.example/web:1",
                    "config": [{"name": "web", "properties": {"motto": SECRET, "address": ADDRESS}}],
                },
            }
        ]
    },
}
INPUTS: tuple[Input, ...] = (
    TakeOver(0.0, {}, Remembered({}), {}),
    DesiredChanged("shop", read_manifest(json.dumps(MANIFEST).encode()), "deployed"),
    ApplicationsListed(),
    ConfigReply("shop-web", {"motto": SECRET, "address": ADDRESS}),
    Outcome(PutConfig("shop-web", {"motto": SECRET, "address": ADDRESS}), "accepted"),
)


def fed() -> LatticeController:
    controller = LatticeController("default")
    for number, input_ in enumerate(INPUTS):
        controller.feed(input_, float(number))
    return controller


def hide(text: str, key: bytes = b"key") -> str:
    told = journal.to_json(ConfigReply("c", {"k": text}), Hiding(key))
    return str(told["properties"]["k"])


@pytest.mark.parametrize("input_", INPUTS, ids=lambda one: type(one).__name__)
def test_no_value_of_a_configuration_is_in_an_input(input_: Input) -> None:
    assert SECRET.encode() not in recording.fed(input_, 0.0, Hiding(b"key"))


def test_no_value_of_a_configuration_is_in_a_snapshot() -> None:
    controller = fed()
    assert SECRET in json.dumps(snapshot.write(controller))
    text = json.dumps(snapshot.write(controller, Hiding(b"key")))
    assert SECRET not in text
    assert ADDRESS in text


def test_equal_values_stay_equal_and_the_key_decides_how_they_look() -> None:
    assert hide("a") == hide("a") != hide("b")
    assert hide("a") != hide("a", b"another key")
    assert hide(hide("a")) == hide("a")
    assert hide("hidden: behind the clock").startswith("hidden:")
    assert "clock" not in hide("hidden: behind the clock")


def test_addresses_are_read_and_stay() -> None:
    told = journal.to_json(ConfigReply("c", {"address": ADDRESS, "other": ADDRESS}), Hiding(b"key"))
    assert told["properties"]["address"] == ADDRESS
    assert told["properties"]["other"].startswith("hidden:")
    told = journal.to_json(ConfigReply("c", {"address": "nats://me:secret@there:4222"}), Hiding(b"key"))
    assert told["properties"]["address"].startswith("hidden:")


def test_a_snapshot_keeps_what_is_one_object_one_object() -> None:
    shared: dict[str, Any] = {"a": 1}
    one, other = snapshot.read(json.loads(json.dumps(snapshot.write([shared, shared]))))
    assert one == shared
    assert one is other


def lines(*entries: bytes) -> list[bytes]:
    return [recording.header("default", ControllerSettings(), 0), *entries]


def test_a_decision_that_is_another_now_is_told() -> None:
    hiding, hosts = Hiding(b"key"), RememberHosts(Remembered({"h1": KnownHost("one", {})}))
    entries = [recording.fed(one, float(at), hiding) for at, one in enumerate(INPUTS[:3])]
    (segment,) = recording.read(lines(*entries, recording.decided([hosts], 3.0, hiding)))
    (difference,) = recording.Replay(segment).run()
    assert difference.at == 3.0
    assert difference.then == (journal.encode(hosts).decode(),)
    assert difference.then[0] not in difference.now


@pytest.mark.parametrize("met_then", [True, False])
def test_an_input_that_meets_an_error_is_dropped_as_in_the_server(
    met_then: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server feeds ErrorMet after it: what is recorded is a case of that very error."""
    hiding = Hiding(b"key")
    told = [recording.fed(INPUTS[3], 1.0, hiding), *([recording.fed(ErrorMet(), 1.0, hiding)] if met_then else [])]
    (segment,) = recording.read(lines(*told))

    def fails(*_: Any) -> None:
        raise KeyError("gone")

    monkeypatch.setattr("wadm.engine.intake.Intake.reply", fails)
    found = list(recording.Replay(segment).run())
    assert [one.now for one in found] == ([] if met_then else [("unexpected error: KeyError: 'gone'",)])


@pytest.mark.parametrize("broken", [b"no JSON", b'{"at": "soon"}', b"[]", b'{"segment": 0}'])
def test_what_is_no_recording_is_refused_with_the_number_of_the_line(broken: bytes) -> None:
    with pytest.raises(Malformed, match="line 2"):
        recording.read(lines(broken))


def test_an_input_that_nobody_knows_is_refused() -> None:
    (segment,) = recording.read(lines(b'{"at": 1.0, "fed": {"$": "Nonsense"}}'))
    with pytest.raises(Malformed, match="Nonsense"):
        list(recording.Replay(segment).run())


@pytest.mark.parametrize(
    "told", [{"$": "os:system", "#": 0, "of": {}}, {"$": "wadm.engine.steps:count"}, {"$": "#", "of": 1}]
)
def test_a_snapshot_makes_nothing_but_what_a_controller_consists_of(told: Any) -> None:
    with pytest.raises(Malformed):
        snapshot.read(told)
