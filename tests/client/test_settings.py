"""Where to connect and as whom: which of several places counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wadm.client.contexts import ContextStore
from wadm.client.settings import Settings, resolve, seconds
from wadm.errors import Malformed, Misconfigured, NotFound


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def env(home: Path, **variables: str) -> dict[str, str]:
    return {"HOME": str(home), **variables}


def wash_context(home: Path, name: str, default: bool = False, **fields: object) -> None:
    directory = home / ".config/wash/contexts"
    directory.mkdir(parents=True, exist_ok=True)
    blank = {"cluster_seed": "", "ctl_jwt": "", "ctl_seed": "", "ctl_credsfile": None, "js_domain": None}
    (directory / f"{name}.json").write_text(json.dumps({"name": name, **blank, **fields}))
    if default:
        (directory / "default").write_text(name)


def nats_context(home: Path, name: str, selected: bool = False, **fields: object) -> None:
    directory = home / ".config/nats/context"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{name}.json").write_text(json.dumps({"description": "", "creds": "", **fields}))
    if selected:
        (directory.parent / "context.txt").write_text(name)


def test_nothing_said_means_the_local_server_and_the_default_lattice(home: Path) -> None:
    assert resolve(env=env(home)) == Settings()


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("lattice", "", "'' .given. cannot be the name of a lattice"),
        ("lattice", "a.b", "'a.b' .given. cannot be the name of a lattice"),
        ("lattice", "*", "cannot be the name of a lattice"),
        ("timeout", "0", "give it some seconds"),
        ("timeout", "soon", "'soon' is not a duration"),
        ("tls_first", "perhaps", "neither true nor false"),
    ],
)
def test_a_value_that_cannot_be_one_is_said_before_anything_is_done(
    home: Path, field: str, value: str, said: str
) -> None:
    with pytest.raises(Misconfigured, match=said):
        resolve({field: value}, env=env(home))


def test_each_place_wins_over_those_after_it(home: Path) -> None:
    wash_context(home, "host_config", default=True, ctl_host="wash.example", ctl_port=4001, lattice="of-wash")
    nats_context(home, "there", selected=True, url="nats://context.example")
    variables = env(home)
    for variable, expected in (
        ({}, "nats://wash.example:4001"),
        ({"NATS_CONTEXT": "there"}, "nats://context.example"),
        ({"NATS_URL": "tls://env.example"}, "tls://env.example"),
        ({"WASMCLOUD_CTL_HOST": "ctl.example"}, "nats://ctl.example:4222"),
        ({"WADM_NATS_SERVER": "wadm.example"}, "nats://wadm.example"),
    ):
        variables |= variable
        assert resolve(env=variables).servers == (expected,)
    assert resolve({"servers": "nats://flag.example"}, env=variables).servers == ("nats://flag.example",)


def test_host_and_port_may_come_from_different_places_as_in_wash(home: Path) -> None:
    wash_context(home, "host_config", default=True, ctl_host="10.0.0.1", ctl_port=4333)
    settings = resolve({"host": "10.0.0.2"}, env=env(home))
    assert settings.servers == ("nats://10.0.0.2:4333",)
    assert settings.sources["servers"] == "given and wash context 'host_config'"


def test_without_a_wash_context_the_selected_context_of_nats_counts(home: Path) -> None:
    nats_context(
        home, "prod", selected=True, url="nats://a:4222, nats://b:4222", creds="~/prod.creds", inbox_prefix="_I"
    )
    settings = resolve(env=env(home))
    assert settings.servers == ("nats://a:4222", "nats://b:4222")
    assert settings.creds == str(Path("~/prod.creds").expanduser())
    assert settings.inbox_prefix == "_I"


def test_a_named_context_is_looked_for_in_wash_first(home: Path) -> None:
    wash_context(home, "both", ctl_host="wash.example", ctl_port=4222)
    nats_context(home, "both", url="nats://nats.example")
    assert resolve(context="both", env=env(home)).servers == ("nats://wash.example:4222",)
    assert resolve(env=env(home, NATS_CONTEXT="both")).servers == ("nats://nats.example",)


def test_a_context_that_is_not_there_is_said_with_those_that_are(home: Path) -> None:
    nats_context(home, "prod", url="nats://a")
    with pytest.raises(NotFound, match=r"no context 'prdo' \(there are: prod\)"):
        resolve(context="prdo", env=env(home))


def test_a_broken_context_names_its_file(home: Path) -> None:
    wash_context(home, "host_config", default=True)
    (home / ".config/wash/contexts/host_config.json").write_text("{")
    with pytest.raises(Malformed, match=r"host_config\.json"):
        resolve(env=env(home))


def test_a_context_with_nsc_says_what_to_do(home: Path) -> None:
    nats_context(home, "n", selected=True, nsc="nsc://operator/account/user")
    with pytest.raises(Malformed, match="nsc generate creds"):
        resolve(env=env(home))


def test_ways_to_say_who_one_is_are_not_mixed(home: Path) -> None:
    nats_context(home, "n", selected=True, creds="/n.creds")
    settings = resolve({"user": "me"}, env=env(home, NATS_PASSWORD="secret"))
    assert (settings.user, settings.password, settings.creds) == ("me", "secret", "")
    assert settings.authentication == "user me"


def test_a_jwt_takes_its_seed_from_further_down(home: Path) -> None:
    settings = resolve({"jwt": "eyJ"}, env=env(home, WASMCLOUD_CTL_SEED="SU..."))
    assert (settings.jwt, settings.seed, settings.authentication) == ("eyJ", "SU...", "JWT and seed")


def test_empty_variables_count_as_not_set(home: Path) -> None:
    assert resolve(env=env(home, NATS_URL="", WASMCLOUD_LATTICE="", NATS_CONTEXT="")) == Settings()


def test_the_source_of_each_value_is_known(home: Path) -> None:
    settings = resolve({"lattice": "x"}, env=env(home, WASMCLOUD_CTL_PORT="4999", NATS_USER="u"))
    assert settings.sources == {
        "servers": "default and WASMCLOUD_CTL_PORT",
        "user": "NATS_USER",
        "lattice": "given",
    }


def test_wash_directories_follow_its_variables(home: Path) -> None:
    assert ContextStore(env(home, WASH_CONTEXT_DIR="~/c")).wash_directory == home / "c"
    assert ContextStore(env(home, WASH_CONFIG_DIR="/w")).wash_directory == Path("/w/contexts")
    assert ContextStore(env(home, XDG_CONFIG_HOME="/x")).nats_directory == Path("/x/nats/context")


@pytest.mark.parametrize(
    ("text", "expected"), [("10", 10), ("1.5", 1.5), ("500ms", 0.5), ("30s", 30), ("1m30s", 90), ("2h", 7200)]
)
def test_durations(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "s", "5x", "-1s", "1m 2s"])
def test_what_is_no_duration_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        seconds(text)
