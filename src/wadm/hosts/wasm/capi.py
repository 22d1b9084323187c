"""The functions of wasmtime's C interface that the Python package does not wrap, or wraps too slowly.

They are called through ctypes in the package's own library. A function that may run guest code lets go of the GIL; one
that only reads or writes a value keeps it, which is several times cheaper. All addresses are plain integers.
"""

from __future__ import annotations

import atexit
import ctypes
import subprocess
import sys
import weakref
from collections.abc import Callable
from ctypes import c_bool, c_int64, c_size_t, c_uint32, c_uint64, c_void_p, string_at
from importlib.metadata import version as installed_version
from typing import Any, Final

from wasmtime import _ffi as ffi

from wadm.errors import Misconfigured

WASMTIME_MAJOR: Final = "49"
"""The one major version that this code was written for. (The C interface changes with each; 50 has a fault with two
borrowed resources in one call.)"""
WASMTIME_VERSION: Final = installed_version("wasmtime")

VALUE_SIZE: Final = 32
"""Bytes of one ``wasmtime_component_val_t``: one for its kind, then from the eighth on what it holds."""
FIELD_SIZE: Final = VALUE_SIZE + 16
"""Bytes of one field of a record: the size and address of its name, then its value."""

_library = ffi.dll._name
_releasing = ctypes.CDLL(_library)
_keeping = ctypes.PyDLL(_library)


def _bind(library: ctypes.CDLL, name: str, result: Any, *arguments: Any) -> Any:
    function = library[name]  # a new object each time, so that its types are ours alone
    function.restype, function.argtypes = result, list(arguments)
    return function


def _quick(name: str, result: Any, *arguments: Any) -> Any:
    return _bind(_keeping, name, result, *arguments)


def _long(name: str, result: Any, *arguments: Any) -> Any:
    return _bind(_releasing, name, result, *arguments)


_P = c_void_p

# -- values ----------------------------------------------------------------------------------

byte_vec_new = _quick("wasm_byte_vec_new", None, _P, c_size_t, _P)
list_new = _quick("wasmtime_component_vallist_new_uninit", None, _P, c_size_t)
tuple_new = _quick("wasmtime_component_valtuple_new_uninit", None, _P, c_size_t)
record_new = _quick("wasmtime_component_valrecord_new_uninit", None, _P, c_size_t)
flags_new = _quick("wasmtime_component_valflags_new_uninit", None, _P, c_size_t)
value_new = _quick("wasmtime_component_val_new", _P, _P)
value_delete = _quick("wasmtime_component_val_delete", None, _P)

# -- resources -------------------------------------------------------------------------------

resource_any_to_host = _quick("wasmtime_component_resource_any_to_host", _P, _P, _P, _P)
resource_host_new = _quick("wasmtime_component_resource_host_new", _P, c_bool, c_uint32, c_uint32)
resource_host_rep = _quick("wasmtime_component_resource_host_rep", c_uint32, _P)
resource_host_delete = _quick("wasmtime_component_resource_host_delete", None, _P)
resource_host_to_any = _quick("wasmtime_component_resource_host_to_any", _P, _P, _P, _P)

# -- errors ----------------------------------------------------------------------------------

error_new = _quick("wasmtime_error_new", _P, ctypes.c_char_p)
_error_delete = _quick("wasmtime_error_delete", None, _P)
_error_message = _quick("wasmtime_error_message", None, _P, _P)

# -- linkers ---------------------------------------------------------------------------------

linker_new = _quick("wasmtime_component_linker_new", _P, _P)
linker_delete = _quick("wasmtime_component_linker_delete", None, _P)
linker_root = _quick("wasmtime_component_linker_root", _P, _P)
linker_instance_delete = _quick("wasmtime_component_linker_instance_delete", None, _P)
linker_add_instance = _quick("wasmtime_component_linker_instance_add_instance", _P, _P, _P, c_size_t, _P)
linker_add_function = _quick("wasmtime_component_linker_instance_add_func", _P, _P, _P, c_size_t, _P, _P, _P)
linker_add_async_function = _quick(
    "wasmtime_component_linker_instance_add_func_async", _P, _P, _P, c_size_t, _P, _P, _P
)
linker_add_resource = _quick("wasmtime_component_linker_instance_add_resource", _P, _P, _P, c_size_t, _P, _P, _P, _P)

# -- stores, instances and calls -------------------------------------------------------------

store_new = _quick("wasmtime_store_new", _P, _P, _P, _P)
store_delete = _long("wasmtime_store_delete", None, _P)
store_context = _quick("wasmtime_store_context", _P, _P)
store_limit = _quick("wasmtime_store_limiter", None, _P, c_int64, c_int64, c_int64, c_int64, c_int64)
set_epoch_deadline = _quick("wasmtime_context_set_epoch_deadline", None, _P, c_uint64)
yield_at_deadline = _quick("wasmtime_context_epoch_deadline_async_yield_and_update", None, _P, c_uint64)
increment_epoch = _quick("wasmtime_engine_increment_epoch", None, _P)
instantiate = _long("wasmtime_component_linker_instantiate_async", _P, _P, _P, _P, _P, _P)
export_index = _quick("wasmtime_component_get_export_index", _P, _P, _P, ctypes.c_char_p, c_size_t)
export_index_delete = _quick("wasmtime_component_export_index_delete", None, _P)
instance_function = _quick("wasmtime_component_instance_get_func", c_bool, _P, _P, _P, _P)
call = _long("wasmtime_component_func_call_async", _P, _P, _P, _P, c_size_t, _P, c_size_t, _P)
future_poll = _long("wasmtime_call_future_poll", c_bool, _P)
future_delete = _long("wasmtime_call_future_delete", None, _P)

FUNCTION: Final = ctypes.CFUNCTYPE(_P, _P, _P, _P, _P, c_size_t, _P, c_size_t)
"""environment, context, type, arguments and their number, results and their number -> error or nothing."""
ASYNC_FUNCTION: Final = ctypes.CFUNCTYPE(None, _P, _P, _P, _P, c_size_t, _P, c_size_t, _P, _P)
"""As FUNCTION, but: ..., where to put an error, where to put the continuation."""
DESTRUCTOR: Final = ctypes.CFUNCTYPE(_P, _P, _P, c_uint32)
"""environment, context, the number of the resource -> error or nothing."""
CONTINUATION: Final = ctypes.CFUNCTYPE(c_bool, _P)
"""environment -> whether the function is done."""


class Trap(Exception):
    """The guest ended in an error. The text is wasmtime's, or that of the host function which failed."""


def address(managed: Any) -> int:
    """Return the address of an object of the Python package."""
    return int(ctypes.cast(managed.ptr(), c_void_p).value or 0)


_owners: weakref.WeakSet[object] = weakref.WeakSet()


def free_with(owner: object, free: Callable[[int], None], handle: int) -> None:
    """Free a handle of wasmtime when its owner is gone."""
    weakref.finalize(owner, free, handle).atexit = False
    keep_to_the_end(owner)


def keep_to_the_end(owner: object) -> None:
    """Leave an owner of handles, if it lives till then, to the end of the process. The interpreter takes names from
    modules before it lets go of all objects: whatever frees a handle that late fails, the package's own objects too."""
    _owners.add(owner)


@atexit.register
def _leave_to_the_system() -> None:
    for owner in _owners:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(owner))


def take_error(error: int) -> str:
    """Return the text of an error, and free it."""
    message = ffi.wasm_byte_vec_t()
    _error_message(error, ctypes.addressof(message))
    text = string_at(message.data, message.size).decode(errors="replace")
    ffi.wasm_byte_vec_delete(ctypes.byref(message))
    _error_delete(error)
    return text


def check(error: int | None) -> None:
    """Raise Trap where a call returned an error."""
    if error:
        raise Trap(take_error(error))


def check_installation() -> None:
    """Raise Misconfigured where what is installed is not what this code was written for."""
    if WASMTIME_VERSION.partition(".")[0] != WASMTIME_MAJOR:
        raise Misconfigured(
            f"wasmtime {WASMTIME_VERSION} is installed, and hosts need wasmtime {WASMTIME_MAJOR}: "
            f"python -m pip install 'wasmtime=={WASMTIME_MAJOR}.*'"
        )
    size = ctypes.sizeof(ffi.wasmtime_component_val_t)
    if size != VALUE_SIZE:
        raise Misconfigured(
            f"wasmtime {WASMTIME_VERSION} lays out values in {size} bytes; hosts know {VALUE_SIZE} only"
        )
    if sys.version_info >= (3, 14) and not _fibers_live():
        raise Misconfigured(
            f"Python {sys.version.split()[0]} ends a process that runs on a stack of its own making, as guests do "
            "(fixed in later versions of 3.14): run hosts with Python 3.13, or the newest 3.14"
        )


def _fibers_live() -> bool:
    """Whether this Python survives a guest that calls it back: tried in a process of its own, as it may die of it."""
    tried = subprocess.run([sys.executable, "-m", "wadm.hosts.wasm.probe"], capture_output=True, check=False)
    return tried.returncode == 0
