"""Components that are served over HTTP, in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.wasm.guests import component
from tests.wasm.serving import Served, serve
from wadm.hosts.wasm.compiling import Compiler
from wadm.hosts.wasm.engine import Engine
from wadm.hosts.wasm.workload import Limits

Serve = Callable[..., Awaitable[Served]]


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of compiled images, which all processes of one run share."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base
    return shared / "components"


@pytest.fixture
async def compiler(compiled: Path) -> AsyncIterator[Compiler]:
    engine = Engine()
    yield Compiler(engine, compiled)
    engine.close()


@pytest.fixture
async def a_server(compiler: Compiler) -> AsyncIterator[Serve]:
    """Serve a guest of the tests: ``await a_server("probe", config=..., limits=..., max_instances=...)``."""
    async with AsyncExitStack() as stack:

        async def make(
            name: str = "probe",
            *,
            config: dict[str, str] | None = None,
            limits: Limits | None = None,
            max_instances: int = 100,
        ) -> Served:
            image = await compiler.load(component(name))
            return await stack.enter_async_context(
                serve(compiler, image, config or {}, limits or Limits(), max_instances)
            )

        yield make


@pytest.fixture
async def probe(a_server: Serve) -> Served:
    """The probe of the tests, served with the configuration ``greeting``: ``hi``."""
    return await a_server(config={"greeting": "hi"})
