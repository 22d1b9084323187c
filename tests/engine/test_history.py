"""The history of an application: what each step leaves behind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wadm.engine import history
from wadm.errors import AlreadyExists, NotFound, TooLarge
from wadm.model.manifest import Application, Manifest, Metadata, Specification
from wadm.model.timeline import Revision


def a_manifest(version: str | None = "v1") -> Manifest:
    annotations = {} if version is None else {"version": version}
    return Manifest("core.oam.dev/v1beta1", "Application", Metadata("shop", annotations), Specification(()))


def an_application(*versions: str, deployed: str | None = None) -> Application:
    return Application("shop", {version: a_manifest(version) for version in versions}, deployed)


def test_the_first_version() -> None:
    assert history.put_version(None, a_manifest("v1")) == an_application("v1")


def test_a_new_version_is_the_newest_and_not_deployed() -> None:
    after = history.put_version(an_application("v2", deployed="v2"), a_manifest("v1"))
    assert list(after.versions) == ["v2", "v1"]
    assert (after.newest_version, after.deployed_version) == ("v1", "v2")


def test_a_version_is_put_once() -> None:
    with pytest.raises(AlreadyExists, match=r"^Manifest version v1 already exists$"):
        history.put_version(an_application("v1", "v2"), a_manifest("v1"))


def test_an_empty_version_is_a_version() -> None:
    assert history.put_version(None, a_manifest("")).newest_version == ""


def test_a_manifest_without_version_is_not_put() -> None:
    with pytest.raises(ValueError, match="needs a version"):
        history.put_version(None, a_manifest(None))


def test_a_version_given_stands_among_the_annotations() -> None:
    manifest = Manifest("a", "b", Metadata("shop", {"zone": "z", "author": "a"}), Specification(()))
    given_ = history.with_version(manifest, "v1")
    assert list(given_.metadata.annotations.items()) == [("author", "a"), ("version", "v1"), ("zone", "z")]
    assert manifest.version is None


def test_deleting_a_version_keeps_the_order_of_the_rest() -> None:
    after = history.delete_version(an_application("v3", "v1", "v2", deployed="v2"), "v1")
    assert after is not None
    assert list(after.versions) == ["v3", "v2"]
    assert after.deployed_version == "v2"


def test_deleting_the_deployed_version_undeploys() -> None:
    assert history.delete_version(an_application("v1", "v2", deployed="v1"), "v1") == an_application("v2")


def test_deleting_the_last_version_leaves_nothing() -> None:
    assert history.delete_version(an_application("v1", deployed="v1"), "v1") is None


def test_deleting_a_version_that_is_not_there() -> None:
    with pytest.raises(NotFound, match=r"^Application version v9 doesn't exist$"):
        history.delete_version(an_application("v1"), "v9")


@pytest.mark.parametrize(("asked", "deployed"), [("v1", "v1"), ("v2", "v2"), (None, "v1"), ("latest", "v1")])
def test_deploy(asked: str | None, deployed: str) -> None:
    assert history.deploy(an_application("v2", "v1"), asked).deployed_version == deployed


def test_deploying_a_version_that_is_not_there() -> None:
    message = "^Application with the name 'shop' does not have a version 'v9' to deploy$"
    with pytest.raises(NotFound, match=message):
        history.deploy(an_application("v1"), "v9")


def test_undeploy() -> None:
    assert history.undeploy(an_application("v1", deployed="v1")) == an_application("v1")
    assert history.undeploy(an_application("v1")) == an_application("v1")


# --- fit: here, every version takes 100 bytes, and an application 10 more ---------------------------------------------


def size(application: Application) -> int:
    return 10 + 100 * len(application.versions)


def test_what_fits_is_left_alone() -> None:
    application = an_application("v1", "v2")
    assert history.fit(application, size, 210) == (application, ())


def test_the_oldest_versions_go_first_and_as_few_as_possible() -> None:
    after, dropped = history.fit(an_application("v1", "v2", "v3", "v4"), size, 250)
    assert dropped == ("v1", "v2")
    assert after == an_application("v3", "v4")


def test_the_deployed_version_stays() -> None:
    after, dropped = history.fit(an_application("v1", "v2", "v3", "v4", deployed="v1"), size, 210)
    assert dropped == ("v2", "v3")
    assert after == an_application("v1", "v4", deployed="v1")


@pytest.mark.parametrize(("deployed", "limit"), [(None, 109), ("v1", 209)])
def test_the_newest_and_the_deployed_version_never_go(deployed: str | None, limit: int) -> None:
    with pytest.raises(TooLarge, match="shop takes more than"):
        history.fit(an_application("v1", "v2", "v3", deployed=deployed), size, limit)


def test_measuring_is_done_few_times() -> None:
    asked = []

    def measured(application: Application) -> int:
        asked.append(len(application.versions))
        return size(application)

    history.fit(an_application(*(f"v{n}" for n in range(1000))), measured, 10 + 100 * 700)
    assert len(asked) < 15


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=12),
    st.integers(0, 12),
    st.integers(1, 300),
)
def test_as_much_as_fits_is_kept(sizes: list[int], deployed: int, limit: int) -> None:
    names = [f"v{n}" for n in range(len(sizes))]
    bytes_of = dict(zip(names, sizes, strict=True))
    application = an_application(*names, deployed=names[deployed] if deployed < len(names) else None)

    def measured(application: Application) -> int:
        return sum(bytes_of[version] for version in application.versions)

    kept = {application.deployed_version, application.newest_version}
    try:
        after, dropped = history.fit(application, measured, limit)
    except TooLarge:
        assert sum(bytes_of[name] for name in kept if name) > limit
        return
    assert measured(after) <= limit
    assert kept - {None} <= set(after.versions)
    assert [name for name in names if name not in dropped] == list(after.versions)
    expendable = [name for name in names if name not in kept]
    assert list(dropped) == expendable[: len(dropped)], "the oldest go first"
    if dropped:
        assert measured(after) + bytes_of[dropped[-1]] > limit, "no more than must"


@pytest.mark.parametrize(
    ("lost", "anew", "after"),
    [
        pytest.param(("v1", "v2", "=v1"), ("v3",), ("v1", "v2", "v3", "=v1"), id="what ran goes on running"),
        pytest.param(("v1", "=v1"), ("v3", "=v3"), ("v1", "v3", "=v3"), id="unless another was deployed since"),
        pytest.param(("v1",), ("v3",), ("v1", "v3"), id="what was not deployed is not"),
        pytest.param(("v1", "v2", "=v1"), ("v1", "v2"), ("v1", "v2"), id="it was put back, and undeployed since"),
        pytest.param(("v1", "v2", "=v1"), ("v2", "v3"), ("v2", "v3"), id="it was put back, and v1 deleted since"),
    ],
)
def test_an_application_that_was_put_anew_after_the_store_lost_it(
    lost: tuple[str, ...], anew: tuple[str, ...], after: tuple[str, ...]
) -> None:
    """Versions, and ``=v1`` for the deployed one."""

    def read(words: tuple[str, ...]) -> Application:
        deployed = next((word[1:] for word in words if word.startswith("=")), None)
        return an_application(*(word for word in words if not word.startswith("=")), deployed=deployed)

    rejoined = history.rejoin(read(lost), read(anew))
    assert rejoined == read(after)
    assert list(rejoined.versions) == list(read(after).versions)


@pytest.mark.parametrize(
    ("done", "current", "before"),
    [
        ("+v1 +v2", "v2", "v1"),
        ("+v1 +v2 +v3", "v3", "v2"),
        ("+v1 ~v2 +v3", "v3", "v1"),  # v2 never came up
        ("+v1 +v2 ~v3", "v3", "v2"),  # v3 is under way
        ("+v1 +v2 <v1", "v1", None),  # v2 was taken back: nothing is before v1
        ("+v1 +v2 +v3 <v2", "v2", "v1"),
        ("+v1 +v2 <v1 +v3", "v3", "v1"),
        ("+v1 +v1 +v2", "v2", "v1"),
        ("+v1 +v2 +v1", "v1", "v2"),  # v1 was deployed once more: no rollback
        ("+v1 +v2 -", None, "v2"),  # undeployed
        ("+v1 +gone +v3", "v3", "v1"),  # not stored any more
        ("+v3", "v3", None),
        ("", None, None),
    ],
)
def test_the_version_before_is_the_last_that_came_up(done: str, current: str | None, before: str | None) -> None:
    revisions = [
        Revision(
            number,
            {"<": "rollback", "-": "undeploy"}.get(word[0], "deploy"),  # type: ignore[arg-type]
            word[1:] or None,
            float(number),
            outcome={"~": "superseded", "-": "undeployed"}.get(word[0], "deployed"),
        )
        for number, word in enumerate(done.split(), 1)
    ]
    assert history.version_before(revisions, current, ["v1", "v2", "v3"]) == before
