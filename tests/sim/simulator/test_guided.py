"""Simulations led by what they reach: each can be run again, and the lead gets further than chance."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from wadm.engine.expectations import BACKOFF_MOST, backoff
from wadm.sim.__main__ import main
from wadm.sim.guided import Branches, BranchTracer, Explorer, Line, explore, options_of, read_line, run_line, told
from wadm.sim.options import Options, draw_options
from wadm.sim.simulation import Result, simulate

REMEMBERED = {
    "7/1": "of several providers that began while their server was away none was asked how it is, and a stop waited",
}
"""Lines that brought something to light, and what it was."""


@pytest.mark.parametrize("line", REMEMBERED)
def test_a_remembered_line(line: str) -> None:
    result = simulate(options_of(read_line(line)))
    assert not result.failures, f"{result}\nAgain with: python -m wadm.sim --line {line} --timeline"


def test_a_line_is_the_same_simulation_each_time() -> None:
    assert options_of((7, 3, 12)) == options_of((7, 3, 12))
    assert options_of((7,)) == draw_options(7)


def test_a_variation_differs_from_what_it_varies() -> None:
    lines = [(seed, number) for seed in range(10) for number in range(1, 6)]
    same = [line for line in lines if options_of(line) == options_of(line[:1])]
    assert len(same) < len(lines) / 5  # an option may be drawn as it was
    assert len({str(options_of((1, number))) for number in range(1, 40)}) > 30


def test_variations_can_be_run() -> None:
    for number in range(1, 4):
        options = options_of((4, number))
        assert simulate(options).digest == run_line((4, number))[0].digest  # being followed changes nothing


def test_following_tells_branches_apart() -> None:
    def reached(attempts: int) -> set[int]:
        follower = BranchTracer()
        follower.follow(lambda: backoff(("link", "a"), attempts))
        return follower.reached

    assert reached(1)
    assert reached(1) == reached(2)
    follower = BranchTracer()
    assert follower.follow(lambda: sum(range(10))) == 45
    assert not follower.reached  # nothing of the servers
    assert backoff(("link", "a"), 99) <= 1.2 * BACKOFF_MOST


def test_each_new_way_through_a_function_counts() -> None:
    from wadm.engine.limits import DEFAULT, Limits, excess
    from wadm.wire.manifests import manifest_from_builtins

    parts = [{"name": "c", "type": "component", "properties": {"image": "i"}}]
    manifest = manifest_from_builtins(
        {"metadata": {"name": "a"}, "spec": {"components": parts}, "apiVersion": "", "kind": ""}
    )
    small, large = BranchTracer(), BranchTracer()
    small.follow(lambda: excess(manifest, DEFAULT))
    large.follow(lambda: excess(manifest, Limits(components=0)))
    assert large.reached - small.reached  # a line in which it returns is reached from another
    assert small.reached - large.reached


def a_result(options: Options) -> Result:
    return Result(options, (), (), "", 0.0, 0, None)


def depth(options: Options) -> int:
    """How far simulations get that need ever more faults of a kind together."""
    rates = options.rates
    wanted = (rates.mass_silence, rates.server_doubled, rates.clock_stepped, rates.provider_crashed, rates.meddler)
    return sum(rate > 4 for rate in wanted)


def run_by_depth(line: Line) -> tuple[Result, Branches]:
    options = options_of(line)
    return a_result(options), frozenset(range(depth(options) + 1))


def furthest(explorer: Explorer, count: int) -> int:
    return max(depth(done.result.options) for done in explore(explorer, count, lambda lines: map(run_by_depth, lines)))


def test_the_lead_gets_further_than_chance() -> None:
    by_chance = [furthest(Explorer(first, fresh=1.0), 300) for first in (0, 1000, 2000)]
    led = [furthest(Explorer(first), 300) for first in (0, 1000, 2000)]
    assert min(led) > max(by_chance)


def test_equal_answers_give_equal_choices() -> None:
    lines = [[done.line for done in explore(Explorer(5), 60, lambda ls: map(run_by_depth, ls))] for _ in range(2)]
    assert lines[0] == lines[1]
    assert len(set(lines[0])) == 60


@pytest.mark.parametrize("text", ["", "a", "7/", "7/-1", "7//1"])
def test_what_is_no_line(text: str) -> None:
    with pytest.raises(ValueError, match=r"invalid literal|-1"):
        read_line(text)
    assert CliRunner().invoke(main, ["--line", text or "x"]).exit_code == 2


def test_a_line_is_told_as_it_is_read() -> None:
    assert read_line(told((7, 3, 12))) == (7, 3, 12)


def test_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wadm.sim.__main__.run_line", run_by_depth)
    led = CliRunner().invoke(main, ["--guided", "20", "--jobs", "1"])
    assert led.exit_code == 0
    assert led.output.startswith("20 simulations reached ")
    one = CliRunner().invoke(main, ["--line", "4/1"])
    assert (one.exit_code, "seed " in one.output) == (0, True)
    for wrong in (
        ["--guided", "3", "--neighbours"],
        ["--line", "7", "--seed", "7"],
        ["--guided", "3", "--seeds", "1..2"],
    ):
        assert CliRunner().invoke(main, wrong).exit_code == 2
