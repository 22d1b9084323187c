"""Whether this Python survives being called back from a stack of a guest's: run as a program, which may die of it.

``python -m wadm.hosts.wasm.probe`` ends with 0 where it does.
"""

from __future__ import annotations

import asyncio

import wasmtime
from wasmtime.component import Component

from wadm.hosts.wasm.engine import Engine
from wadm.hosts.wasm.instance import Guest
from wadm.hosts.wasm.linking import LinkedComponent

_GUEST = """
(component
  (import "a:b/c" (instance $c (export "add" (func (param "n" u32) (result u32)))))
  (core func $add (canon lower (func $c "add")))
  (core module $m
    (import "c" "add" (func $add (param i32) (result i32)))
    (func (export "run") (param i32) (result i32) (call $add (local.get 0))))
  (core instance $m (instantiate $m (with "c" (instance (export "add" (func $add))))))
  (func $run (param "n" u32) (result u32) (canon lift (core func $m "run")))
  (instance $out (export "run" (func $run)))
  (export "a:b/d" (instance $out)))
"""


class _Adding:
    @staticmethod
    async def add(guest: Guest, n: int) -> int:
        await asyncio.sleep(0)
        return n + sum(range(10))


async def run() -> int:
    """Call a guest that calls back, and waits; return what it returns: 46."""
    engine = Engine()
    linked = LinkedComponent(engine, Component(engine.engine, wasmtime.wat2wasm(_GUEST)), {"a:b/c": _Adding})
    guest = Guest(linked, None)  # type: ignore[arg-type]
    try:
        await guest.start()
        result: int = await guest.call(linked.function("a:b/d", "run"), 1)
        return result
    finally:
        guest.close()
        engine.close()


if __name__ == "__main__":
    assert asyncio.run(run()) == 46
