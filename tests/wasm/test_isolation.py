"""A component that misbehaves is stopped at its limit, and others hardly notice; code is replaced while it serves."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

pytest.importorskip("wasmtime", reason="needs the extra: wadm[host]")

from tests.wasm.fixtures import Serve
from tests.wasm.guests import component
from tests.wasm.serving import Response, Served
from wadm.hosts.wasm.capi import Trap
from wadm.hosts.wasm.compiling import CompileFailed, Compiler
from wadm.hosts.wasm.linking import CannotLink, LinkedComponent
from wadm.hosts.wasm.wasi import INTERFACES
from wadm.hosts.wasm.workload import MAX_WAITING, Code, Limits, Overloaded, Slots, summary

HELLO = b"hello from the probe\n"


async def test_others_are_served_while_some_compute_for_ever(probe: Served) -> None:
    spinning = [asyncio.create_task(probe.ask("/s")) for _ in range(4)]
    for _ in range(20):
        assert (await probe.ask("/hello")).body == HELLO
    assert not any(one.done() for one in spinning)
    await probe.listener.close(grace=0)
    await asyncio.gather(*spinning, return_exceptions=True)


async def test_one_that_computes_for_ever_is_ended(a_server: Serve) -> None:
    served = await a_server(limits=Limits(time=0.5))
    assert (await served.ask("/s")).status == 504
    assert served.logged("error") == ["probe took more than 0.5 s to answer, and was ended"]


async def test_one_that_waits_for_ever_is_ended(a_server: Serve) -> None:
    served = await a_server(limits=Limits(time=0.2))
    client = await served.connect()
    client.send(b"POST /e HTTP/1.1\r\nhost: t\r\ncontent-length: 5\r\n\r\nab")  # and no more
    assert (await client.response()).status == 504
    assert (await served.ask("/hello")).body == HELLO


async def test_one_that_takes_memory_without_end_is_ended(a_server: Serve) -> None:
    served = await a_server(limits=Limits(memory=8 << 20))
    assert (await served.ask("/g")).status == 500
    assert (await served.ask("/hello")).body == HELLO


async def test_no_more_instances_run_than_may(a_server: Serve) -> None:
    served = await a_server(max_instances=2)
    seen = 0

    async def watch() -> None:
        nonlocal seen
        while True:
            seen = max(seen, served.workload._slots.taken)
            await asyncio.sleep(0)

    watching = asyncio.create_task(watch())
    answers = await asyncio.gather(*(served.ask("/w") for _ in range(5)))
    watching.cancel()
    assert {one.body for one in answers} == {HELLO}
    assert seen == 2


async def test_slots_are_had_in_order_and_given_up_by_those_that_wait_no_longer() -> None:
    slots, order = Slots(1), []

    async def one(name: str) -> None:
        await slots.take()
        order.append(name)

    await slots.take()
    waiting = [asyncio.create_task(one(name)) for name in "abc"]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    slots.give_back()
    slots.set_limit(2)
    await asyncio.gather(*waiting[1:])
    assert (order, slots.taken) == (["b", "c"], 2)


async def test_a_turn_that_came_as_it_was_given_up_goes_to_the_next() -> None:
    slots = Slots(1)
    await slots.take()
    first, second = asyncio.create_task(slots.take()), asyncio.create_task(slots.take())
    await asyncio.sleep(0)
    slots.give_back()
    first.cancel()
    await second
    assert slots.taken == 1


async def test_too_many_that_wait_are_refused() -> None:
    slots = Slots(0)
    waiting = [asyncio.create_task(slots.take()) for _ in range(MAX_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await slots.take()
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_code_is_replaced_while_it_serves_and_nothing_is_lost(a_server: Serve, compiler: Compiler) -> None:
    served = await a_server(config={"greeting": "hi"})
    codes = [
        Code(LinkedComponent(compiler.engine, await compiler.load(component("probe")), INTERFACES)) for _ in range(2)
    ]
    over = asyncio.Event()
    answers: list[Response] = []
    due: list[tuple[int, asyncio.Event]] = []

    async def load() -> None:
        client = await served.connect()
        while not over.is_set():
            client.send(b"GET /kgreeting HTTP/1.1\r\nhost: t\r\n\r\n")
            answers.append(await client.response())
            if due and len(answers) >= due[-1][0]:
                due[-1][1].set()

    loads = [asyncio.create_task(load()) for _ in range(8)]
    for swap in range(40):
        served.workload.code = codes[swap % 2]
        turn = asyncio.Event()
        due.append((len(answers) + 8, turn))
        await turn.wait()
    over.set()
    await asyncio.gather(*loads)
    assert {(one.status, one.body) for one in answers} == {(200, b"hi")}


async def test_what_a_request_took_is_given_back(probe: Served) -> None:
    from wadm.hosts.wasm import instance

    for path in ("/hello", "/t", "/d", "/x", f"/p127.0.0.1:{probe.port}/b"):
        await probe.ask(path)
    await probe.workload.drain(20)
    assert not instance._guests
    assert probe.workload._slots.taken == 0


# -- images ----------------------------------------------------------------------------------


@pytest.fixture
def own(compiler: Compiler, tmp_path: Path) -> Compiler:
    """A compiler with a directory that no other test writes to."""
    return Compiler(compiler.engine, tmp_path / "components")


async def test_an_image_is_compiled_once_and_again_where_that_is_damaged(own: Compiler) -> None:
    await own.load(component("messenger"))
    (path,) = own.cache.iterdir()
    assert path.suffix == ".cwasm"
    made = path.stat().st_mtime_ns
    await own.load(component("messenger"))
    assert path.stat().st_mtime_ns == made

    path.write_bytes(b"damaged")
    await own.load(component("messenger"))
    assert [one.name for one in own.cache.iterdir()] == [path.name]
    assert path.stat().st_size > 1000


async def test_an_image_that_cannot_be_compiled_is_refused_with_the_reason(own: Compiler) -> None:
    with pytest.raises(CompileFailed, match="is out of bounds"):
        await own.load(component("messenger")[:500])
    assert not list(own.cache.iterdir())


async def test_an_import_that_nothing_satisfies_is_named(compiler: Compiler) -> None:
    image = await compiler.load(component("probe"))
    some = {name: one for name, one in INTERFACES.items() if name != "wasi:logging/logging"}
    with pytest.raises(CannotLink, match="imports wasi:logging/logging, which this host does not provide"):
        LinkedComponent(compiler.engine, image, some)


def test_a_trap_is_summed_up_by_its_cause() -> None:
    text = (
        "error while executing at wasm backtrace:\n    0: 0x1 - a!b\n\nCaused by:\n    0: outer\n    1: wasm trap: no"
    )
    assert summary(Trap(text)) == "wasm trap: no"
    assert summary(Trap("")) == "it gave no reason"


ENDING = """
import json, pathlib, sys  # json before the others: its names are taken away after theirs
from wasmtime.component import Component
from wadm.hosts.wasm.engine import Engine
from wadm.hosts.wasm import linking
from wadm.hosts.wasm.wasi import INTERFACES
from wadm.hosts.wasm.workload import Code

engine = Engine()
component = Component(engine.engine, pathlib.Path(sys.argv[1]).read_bytes())
json.code = Code(linking.LinkedComponent(engine, component, INTERFACES))
sys.modules_kept = [json, linking]
"""


async def test_a_process_that_has_components_ends_without_a_word(tmp_path: Path) -> None:
    image = tmp_path / "probe.wasm"
    image.write_bytes(component("probe"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ENDING, str(image), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert (await process.communicate())[0].decode() == ""
    assert process.returncode == 0
