"""Hosts that run components, started from the command line."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import platform
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from msgspec import Struct

from wadm.errors import Misconfigured
from wadm.extras import install_hint
from wadm.hosts.behaviour import HEARTBEAT_INTERVAL, HostBehaviour
from wadm.hosts.core import HostSpec
from wadm.hosts.fleet import Fleet
from wadm.hosts.wasm.metrics import HostMetrics
from wadm.transport.base import Transport

if TYPE_CHECKING:
    from wadm.hosts.runtime import Runtime
    from wadm.hosts.store import LatticeStore
    from wadm.hosts.wasm.runtime import RuntimeOptions


class HostOptions(Struct, frozen=True):
    """What a host may be told."""

    labels: Mapping[str, str] = {}
    seed: str = ""
    """The seed of a server's nkey, which its id comes from; ``""``: an id drawn anew."""
    heartbeat_interval: float = HEARTBEAT_INTERVAL
    allow_files: bool = False
    allow_latest: bool = False
    insecure: tuple[str, ...] = ()
    """Registries that are asked over HTTP."""
    max_memory: int = 256 << 20
    """Bytes of one instance of a component."""
    max_time: float = 600.0
    """Seconds that one call of a component may take."""
    cache: Path | None = None
    http_admin: tuple[str, int] | None = None
    """Where ``/livez``, ``/readyz`` and ``/metrics`` are told; ``None``: nowhere."""


def can_run_components() -> bool:
    """Whether the extra is installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("wasmtime", "httptools"))


def need_components() -> None:
    """Raise Misconfigured where the extra is not installed."""
    if not can_run_components():
        raise Misconfigured(f"running components needs wasmtime: {install_hint('host')}")


def real_host(
    transport: Transport, lattice: str, address: str, options: HostOptions, metrics: HostMetrics | None = None
) -> Fleet:
    """Return a host that runs components, not started yet; it counts what it does in ``metrics``. Raises
    Misconfigured."""
    need_components()
    from wadm.hosts.oci import Registries, known_credentials
    from wadm.hosts.wasm.capi import check_installation
    from wadm.hosts.wasm.runtime import RuntimeOptions, WasmRuntime
    from wadm.hosts.wasm.workload import Limits

    check_installation()
    registries = Registries(frozenset(options.insecure), known_credentials(os.environ, Path.home()))
    limits = Limits(options.max_memory, options.max_time)
    seed = token_hex(16)
    behaviour = HostBehaviour(
        heartbeat_interval=options.heartbeat_interval, allow_latest=options.allow_latest, secrets=False
    )
    spec = HostSpec(seed, {**_machine(), **options.labels}, behaviour, _public_key(options.seed))
    runtime_options: RuntimeOptions = RuntimeOptions(
        options.cache, options.allow_files, registries, limits, address, spec.id, metrics or HostMetrics()
    )

    def runtime(store: LatticeStore) -> Runtime:
        return WasmRuntime(transport, lattice, store, runtime_options)

    return Fleet(transport, lattice, [spec], seed=seed, address=address, runtime=runtime)


def _machine() -> dict[str, str]:
    """Return the labels that every host has: what it runs on, in the words of Rust."""
    architecture = {"arm64": "aarch64", "AMD64": "x86_64"}.get(platform.machine(), platform.machine())
    system = {"darwin": "macos", "win32": "windows"}.get(sys.platform, sys.platform)
    family = "windows" if sys.platform == "win32" else "unix"
    return {"hostcore.arch": architecture, "hostcore.os": system, "hostcore.osfamily": family}


def _public_key(seed: str) -> str:
    if not seed:
        return ""
    import nkeys  # type: ignore[import-untyped]

    try:
        key: str = nkeys.from_seed(bytearray(seed.encode())).public_key.decode()
    except (ValueError, nkeys.ErrInvalidSeed, nkeys.NkeysError) as error:
        raise Misconfigured("--host-seed is no seed of an nkey") from error
    if not key.startswith("N"):
        raise Misconfigured("--host-seed is the seed of another kind of nkey: that of a host begins with SN")
    return key


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes the event loop of a process that serves HTTP: uvloop's, where there is one, costs half."""
    try:
        import uvloop
    except ModuleNotFoundError:  # there is none for Windows and PyPy
        return None
    return uvloop.new_event_loop


def log_to_stderr(host: int, components: int) -> None:
    """Have a host and its components say on stderr what they do, from these levels on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    for name, level in (("wadm.host", host), ("wadm.component", components)):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(level)
        logger.propagate = False
