"""What guests may call: WASI 0.2 and wasmCloud's own interfaces.

Each interface is a class with its functions, whose first argument is the guest that calls; a coroutine function lets
the guest wait. The names and the meaning of all of them are those of the WIT packages.
"""

from __future__ import annotations

from typing import Any, Final

from wadm.hosts.wasm.wasi import basics, denied, http, io, keyvalue, wasmcloud

INTERFACES: Final[dict[str, type[Any]]] = {
    "wasi:cli/environment": basics.Environment,
    "wasi:cli/exit": basics.Exit,
    "wasi:cli/stderr": basics.Stdio,
    "wasi:cli/stdin": basics.Stdio,
    "wasi:cli/stdout": basics.Stdio,
    "wasi:cli/terminal-input": basics.Terminal,
    "wasi:cli/terminal-output": basics.Terminal,
    "wasi:cli/terminal-stderr": basics.Terminal,
    "wasi:cli/terminal-stdin": basics.Terminal,
    "wasi:cli/terminal-stdout": basics.Terminal,
    "wasi:clocks/monotonic-clock": basics.MonotonicClock,
    "wasi:clocks/wall-clock": basics.WallClock,
    "wasi:config/runtime": wasmcloud.Config,
    "wasi:config/store": wasmcloud.Config,
    "wasi:filesystem/preopens": denied.Preopens,
    "wasi:filesystem/types": denied.Filesystem,
    "wasi:http/outgoing-handler": http.OutgoingHandler,
    "wasi:http/types": http.Types,
    "wasi:io/error": io.Errors,
    "wasi:io/poll": io.Poll,
    "wasi:io/streams": io.Streams,
    "wasi:keyvalue/atomics": keyvalue.Atomics,
    "wasi:keyvalue/batch": keyvalue.Batch,
    "wasi:keyvalue/store": keyvalue.Store,
    "wasi:logging/logging": wasmcloud.Logging,
    "wasi:random/insecure": basics.Random,
    "wasi:random/insecure-seed": basics.Random,
    "wasi:random/random": basics.Random,
    "wasi:sockets/instance-network": denied.Network,
    "wasi:sockets/ip-name-lookup": denied.NameLookup,
    "wasi:sockets/network": denied.Network,
    "wasi:sockets/tcp": denied.Sockets,
    "wasi:sockets/tcp-create-socket": denied.Sockets,
    "wasi:sockets/udp": denied.Sockets,
    "wasi:sockets/udp-create-socket": denied.Sockets,
    "wasmcloud:bus/lattice": wasmcloud.Lattice,
    "wasmcloud:messaging/consumer": wasmcloud.MessagingConsumer,
    "wasmcloud:messaging/types": wasmcloud.MessagingTypes,
}
