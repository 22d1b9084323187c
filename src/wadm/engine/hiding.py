"""Values of configurations are hidden in what is written down of a controller: a keyed hash stands in their place.

Equal values have equal hashes, so that what is decided of them stays the same. Addresses to listen on are the one thing
that is read out of a value: they are written as they are. So are references to secrets, which are no secrets.
"""

from __future__ import annotations

import hmac
import re
from typing import Any, Final

from wadm.engine.inputs import ConfigReply
from wadm.engine.scalers import Desired
from wadm.model.addresses import is_address
from wadm.model.commands import PutConfig
from wadm.model.lattice import Lattice
from wadm.model.manifest import ConfigProperty
from wadm.model.names import SECRET_PREFIX

HIDDEN: Final = "hidden:"
"""What a hash in place of a value begins with."""
_IS_HIDDEN: Final = re.compile(rf"{HIDDEN}[0-9a-f]{{16}}")
_ONE: Final[dict[type, tuple[str, str]]] = {
    ConfigProperty: ("name", "properties"),
    ConfigReply: ("name", "properties"),
    PutConfig: ("config_name", "config"),
}
"""The types that hold a configuration: the fields of its name and of its content."""
_MANY: Final[dict[type, frozenset[str]]] = {
    Desired: frozenset({"configs"}),
    Lattice: frozenset({"configs", "_values"}),
}
"""The types that hold configurations by name, and where."""


class Hiding:
    """Hides values with a key, which nobody needs to know and which is best made for the occasion."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def field(self, owner: Any, name: str, value: Any) -> Any:
        """Return the value of a field or attribute of an object as it may be written down."""
        kind = type(owner)
        if (one := _ONE.get(kind)) is not None and name == one[1]:
            config = getattr(owner, one[0])
            return value if self._is_reference(config) and kind is not ConfigProperty else self._content(value)
        if name in _MANY.get(kind, ()):
            return {
                config: content if self._is_reference(config) else self._content(content)
                for config, content in value.items()
            }
        return value

    @staticmethod
    def _is_reference(config: str) -> bool:
        return config.startswith(SECRET_PREFIX)

    def _content(self, content: dict[str, str] | None) -> dict[str, str] | None:
        return None if content is None else {key: self._value(key, value) for key, value in content.items()}

    def _value(self, key: str, value: str) -> str:
        if is_address(key, value) or _IS_HIDDEN.fullmatch(value):
            return value
        return HIDDEN + hmac.digest(self._key, value.encode("utf-8", "surrogatepass"), "sha256").hex()[:16]
