"""A component with all that it imports defined: ready to be instantiated any number of times."""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Callable, Mapping
from ctypes import addressof, c_void_p, memmove, string_at
from typing import Any, Final

from wasmtime.component import Component, ResourceType
from wasmtime.component import _types as t

from wadm.background import report_unexpected
from wadm.hosts.wasm import capi
from wadm.hosts.wasm.capi import VALUE_SIZE, Trap, check
from wadm.hosts.wasm.engine import Engine
from wadm.hosts.wasm.instance import DONE, PENDING, PendingCall, guest_of
from wadm.hosts.wasm.values import Lift, Lower, ResourceTypes, UnsupportedType, lifter, lowerer
from wadm.images.interfaces import interface

Interface = type[Any]
"""A class whose functions are those of an interface, the guest being their first argument: see :func:`python_name`."""


class CannotLink(Exception):
    """The component imports what this host does not provide; the text is the end of a sentence on the image."""


def python_name(function: str) -> str:
    """Return the name in Python of a function of an interface.

    >>> python_name("get-random-u64"), python_name("[method]output-stream.check-write")
    ('get_random_u64', 'output_stream_check_write')
    >>> python_name("[constructor]fields"), python_name("[static]fields.from-list")
    ('new_fields', 'fields_from_list')
    """
    kind, bracket, name = function.rpartition("]")
    if bracket and kind == "[constructor":
        name = f"new_{name}"
    return name.replace(".", "_").replace("-", "_")


class LinkedComponent:
    """A compiled component, linked to the host functions that implement its imports.

    ``interfaces`` has them by the name of the interface without a version: a component gets what it imports under the
    very name that it asks for, so that one implementation serves all versions of WASI 0.2.

    Raises CannotLink for an import that is not among them.
    """

    def __init__(self, engine: Engine, component: Component, interfaces: Mapping[str, Interface]) -> None:
        self.engine = engine
        self.component_address = capi.address(component)
        self.resources = ResourceTypes()
        self._component = component
        self._kept: list[Any] = []  # what wasmtime calls must outlive the linker
        type_ = component.type
        self.exports = {name: _type(extern) for name, extern in type_.exports(engine.engine).items()}
        imports = {name: _type(extern) for name, extern in type_.imports(engine.engine).items()}
        _check_imports(imports, interfaces)
        self.linker = capi.linker_new(engine.address)
        capi.free_with(self, capi.linker_delete, self.linker)
        root = capi.linker_root(self.linker)
        try:
            for name, instance in imports.items():
                self._define(root, name, instance, interfaces[interface(name)])
        except UnsupportedType as error:
            raise CannotLink(f"passes values of a type that hosts of wasmCloud 1.x do not know ({error})") from error
        finally:
            capi.linker_instance_delete(root)

    def exported(self, wanted: str) -> str | None:
        """Return the full name of an exported interface, ``None`` where it is not exported in any version."""
        return next((name for name in self.exports if interface(name) == wanted), None)

    def function(self, interface_name: str, function: str) -> ExportedFunction:
        """Return an exported function. Raises KeyError where there is no such function."""
        functions = self.exports[interface_name].exports(self.engine.engine)
        return ExportedFunction(self, interface_name, function, _type(functions[function]))

    # -- imports -----------------------------------------------------------------------------

    def _define(self, root: int, name: str, instance: Any, implementation: Interface) -> None:
        out = c_void_p()
        encoded = name.encode()
        check(capi.linker_add_instance(root, encoded, len(encoded), addressof(out)))
        items = {item: _type(extern) for item, extern in instance.exports(self.engine.engine).items()}
        try:
            for item, type_ in items.items():
                if isinstance(type_, ResourceType):
                    self._define_resource(out.value or 0, item, type_)
            for item, type_ in items.items():
                if isinstance(type_, t.FuncType):
                    self._define_function(out.value or 0, name, item, type_, implementation)
        finally:
            capi.linker_instance_delete(out.value)

    def _define_resource(self, instance: int, name: str, type_: ResourceType) -> None:
        host_type = ResourceType.host(self.resources.number(type_))
        destructor = capi.DESTRUCTOR(_destroy)
        self._kept += [host_type, destructor]
        encoded = name.encode()
        check(
            capi.linker_add_resource(
                instance, encoded, len(encoded), capi.address(host_type), _callable(destructor), None, None
            )
        )

    def _define_function(self, instance: int, interface_name: str, name: str, type_: Any, owner: Interface) -> None:
        label, encoded = f"{interface_name}#{name}", name.encode()
        implementation = getattr(owner, python_name(name), None)
        if implementation is None:
            callback = capi.FUNCTION(_refusing(label))
            add = capi.linker_add_function
        else:
            lifts = [(lifter(one), n * VALUE_SIZE) for n, (_, one) in enumerate(type_.params)]
            lower = None if type_.result is None else lowerer(type_.result, self.resources)
            if asyncio.iscoroutinefunction(implementation):
                callback = capi.ASYNC_FUNCTION(_waiting(implementation, lifts, lower, label))
                add = capi.linker_add_async_function
            else:
                callback = capi.FUNCTION(_immediate(implementation, lifts, lower, label))
                add = capi.linker_add_function
        self._kept.append(callback)
        check(add(instance, encoded, len(encoded), _callable(callback), None, None))


class ExportedFunction:
    """A function that a component exports, with the converters for its arguments and its result."""

    def __init__(self, component: LinkedComponent, interface_name: str, name: str, type_: Any) -> None:
        encoded, inner = interface_name.encode(), name.encode()
        outer = capi.export_index(component.component_address, None, encoded, len(encoded))
        self.index: Final = capi.export_index(component.component_address, outer, inner, len(inner))
        capi.export_index_delete(outer)
        capi.free_with(self, capi.export_index_delete, self.index)
        self.lowers = [(lowerer(one, component.resources), n * VALUE_SIZE) for n, (_, one) in enumerate(type_.params)]
        self.lift = None if type_.result is None else lifter(type_.result)


def _type(extern: Any) -> Any:
    return getattr(extern, "ty", extern)


def _callable(callback: Any) -> int | None:
    return ctypes.cast(callback, c_void_p).value


def _check_imports(imports: Mapping[str, Any], interfaces: Mapping[str, Interface]) -> None:
    missing = [
        name
        for name, type_ in imports.items()
        if not isinstance(type_, t.ComponentInstanceType) or interface(name) not in interfaces
    ]
    if missing:
        raise CannotLink(f"imports {', '.join(missing)}, which this host does not provide")


def _destroy(environment: Any, context: int, number: int) -> int:
    guest = guest_of(context)
    if guest is not None:
        guest.drop(number)
    return 0


def _refusing(label: str) -> Callable[..., int]:
    text = f"{label} is not supported by this host".encode()

    def call(*arguments: Any) -> int:
        return int(capi.error_new(text))

    return call


def _immediate(
    implementation: Callable[..., Any], lifts: list[tuple[Lift, int]], lower: Lower | None, label: str
) -> Callable[..., int]:
    """Return what calls a function that never waits."""
    size = len(lifts) * VALUE_SIZE

    def call(
        environment: Any, context: int, type_: Any, arguments: int, count: int, results: int, result_count: int
    ) -> int:
        try:
            memory = string_at(arguments, size)
            value = implementation(guest_of(context), *[lift(memory, at, context) for lift, at in lifts])
            if lower is not None:
                lower(value, results, context)
        except Exception as error:  # noqa: BLE001 - an error must not unwind through the guest
            return _error(label, error)
        return 0

    return call


def _waiting(
    implementation: Callable[..., Any], lifts: list[tuple[Lift, int]], lower: Lower | None, label: str
) -> Callable[..., None]:
    """Return what calls a coroutine function. It is run at once up to where it first waits; most calls never do. From
    there on the guest's own task goes on with it, while the guest stands still."""
    size = len(lifts) * VALUE_SIZE

    def call(
        environment: Any,
        context: int,
        type_: Any,
        arguments: int,
        count: int,
        results: int,
        result_count: int,
        error_place: int,
        continuation: int,
    ) -> None:
        try:
            guest = guest_of(context)
            assert guest is not None
            memory = string_at(arguments, size)
            work = implementation(guest, *[lift(memory, at, context) for lift, at in lifts])
            try:
                awaited = work.send(None)
            except StopIteration as stop:
                if lower is not None:
                    lower(stop.value, results, context)
                memmove(continuation, DONE, len(DONE))
                return
            guest.pending = PendingCall(work, awaited, lower, results, label)
            memmove(continuation, PENDING, len(PENDING))
        except Exception as error:  # noqa: BLE001 - an error must not unwind through the guest
            memmove(error_place, _error(label, error).to_bytes(8, "little"), 8)

    return call


def _error(label: str, error: Exception) -> int:
    """Return an error for wasmtime, which ends the guest; one that nobody expects is reported besides."""
    if isinstance(error, Trap):
        return int(capi.error_new(str(error).encode()))
    report_unexpected(error, f"{label} failed, and ended the component that called it")
    return int(capi.error_new(f"{label} failed: {error!r}".encode()))
