"""Components run for real: wasmtime through its C interface, WASI 0.2 in Python, HTTP in front.

Needs the extra ``wadm[host]``; nothing outside this package imports wasmtime. One event loop runs all: each request has
a store of its own, a guest that waits is a fiber that stands still, and one that computes is interrupted at every tick
of the epoch. So a guest never blocks the host, and costs no thread.

``capi`` and ``values`` know wasmtime's interface, ``linking`` and ``instance`` run guests on them, ``wasi`` is what
guests may call, ``workload`` serves requests with a component.
"""
