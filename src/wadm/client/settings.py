"""Where to connect and as whom, resolved as ``wash`` and the ``nats`` command do.

A value given in an earlier place of this order wins over a later one:

1. what the caller passed (the flags of the command line),
2. ``WADM_*`` variables (the server's own names: ``WADM_NATS_SERVER``, ``WADM_NATS_CREDS_FILE``, …),
3. the variables of ``wash`` (``WASMCLOUD_CTL_HOST``, ``WASH_CTL_CREDS``, ``WASMCLOUD_LATTICE``, …),
4. the variables of ``nats`` (``NATS_URL``, ``NATS_CREDS``, …),
5. one context: the one passed (of wash, else of nats), else ``WADM_CONTEXT``, else ``NATS_CONTEXT`` (of nats),
   else wash's default context, else the one selected in nats,
6. ``nats://127.0.0.1:4222``, lattice ``default``, nobody in particular.

An empty variable counts as not set.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from wadm.client.contexts import Context, ContextStore
from wadm.client.layers import Found, Layer, first, identity, layer
from wadm.errors import Misconfigured
from wadm.wire.subjects import is_token

DEFAULT_SERVER: Final = "nats://127.0.0.1:4222"
DEFAULT_TIMEOUT: Final = 10.0

VARIABLES: Final[tuple[tuple[str, dict[str, str]], ...]] = (
    (
        "wadm",
        {
            "WADM_NATS_SERVER": "servers",
            "WADM_NATS_JWT": "jwt",
            "WADM_NATS_NKEY": "seed",
            "WADM_NATS_CREDS_FILE": "creds",
            "WADM_NATS_USER": "user",
            "WADM_NATS_PASSWORD": "password",
            "WADM_NATS_TLS_CA_FILE": "tls_ca",
            "WADM_NATS_TLS_CERT": "tls_cert",
            "WADM_NATS_TLS_KEY": "tls_key",
            "WADM_JETSTREAM_DOMAIN": "js_domain",
            "WADM_API_PREFIX": "api_prefix",
            "WADM_INBOX_PREFIX": "inbox_prefix",
            "WADM_LATTICE": "lattice",
            "WADM_TIMEOUT": "timeout",
        },
    ),
    (
        "wash",
        {
            "WASMCLOUD_CTL_HOST": "host",
            "WASMCLOUD_CTL_PORT": "port",
            "WASMCLOUD_CTL_JWT": "jwt",
            "WASMCLOUD_CTL_SEED": "seed",
            "WASH_CTL_CREDS": "creds",
            "WASMCLOUD_CTL_CREDSFILE": "creds",
            "WASH_CTL_TLS_CA_FILE": "tls_ca",
            "WASMCLOUD_CTL_TLS_CA_FILE": "tls_ca",
            "WASH_CTL_TLS_FIRST": "tls_first",
            "WASMCLOUD_CTL_TLS_FIRST": "tls_first",
            "WASMCLOUD_JS_DOMAIN": "js_domain",
            "WASMCLOUD_LATTICE": "lattice",
            "WASMCLOUD_CTL_TOPIC_PREFIX": "ctl_prefix",
        },
    ),
    (
        "nats",
        {
            "NATS_URL": "servers",
            "NATS_CREDS": "creds",
            "NATS_NKEY": "seed",
            "NATS_USER": "user",
            "NATS_PASSWORD": "password",
            "NATS_TOKEN": "token",
            "NATS_CA": "tls_ca",
            "NATS_CERT": "tls_cert",
            "NATS_KEY": "tls_key",
            "NATS_INBOX_PREFIX": "inbox_prefix",
        },
    ),
)
"""The variables that are read, by the program they belong to, in the order in which they count."""


class Settings(Struct, frozen=True, kw_only=True):
    """Everything a connection needs.

    ``jwt`` and ``seed`` are literals or paths of files, ``creds``, ``tls_ca``, ``tls_cert`` and ``tls_key`` paths;
    a ``seed`` without ``jwt`` is a plain nkey. ``timeout`` is in seconds, for one request. ``sources`` says for every
    field that is not a default where it came from.
    """

    servers: tuple[str, ...] = (DEFAULT_SERVER,)
    lattice: str = "default"
    api_prefix: str = "wadm.api"
    ctl_prefix: str = "wasmbus.ctl"
    js_domain: str = ""
    inbox_prefix: str = ""
    creds: str = ""
    jwt: str = ""
    seed: str = ""
    user: str = ""
    password: str = ""
    token: str = ""
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    tls_first: bool = False
    timeout: float = DEFAULT_TIMEOUT
    sources: dict[str, str] = {}

    @property
    def authentication(self) -> str:
        """How the connection says who it is, in words (never the secret itself)."""
        if self.jwt:
            return "JWT and seed"
        if self.creds:
            return f"creds file {self.creds}"
        if self.seed:
            return "nkey"
        if self.user:
            return f"user {self.user}"
        if self.token:
            return "token"
        return "in the URL" if any("@" in server for server in self.servers) else "none"


def resolve(
    given: Mapping[str, str | None] | None = None,
    context: str | None = None,
    env: Mapping[str, str] | None = None,
) -> Settings:
    """Return the settings to connect with; ``given`` are the caller's own, by field (``None``: not given).

    Besides the fields of :class:`Settings` it may hold ``host`` and ``port``, as wash has them.
    Raises NotFound for a context that is not there, Malformed for one that cannot be read,
    Misconfigured for a value that cannot be one.
    """
    env = os.environ if env is None else env
    used = choose_context(context, env)
    layers = [
        layer("given", {field: value for field, value in (given or {}).items() if value is not None}),
        *(_from_variables(variables, env) for _, variables in VARIABLES),
        *([used.read()] if used else []),
    ]
    found = _server(layers) | identity(layers)
    for field in ("lattice", "api_prefix", "ctl_prefix", "js_domain", "inbox_prefix", *_TLS, "timeout"):
        value = first(layers, field)
        if value is not None:
            found[field] = value
    return _settings(found)


def choose_context(name: str | None, env: Mapping[str, str]) -> Context | None:
    """Return the one context to use, as the module's docstring orders them."""
    store = ContextStore(env)
    if name or (name := env.get("WADM_CONTEXT")):
        return store.named(name)
    if name := env.get("NATS_CONTEXT"):
        return store.named(name, "nats")
    return store.selected()


_TLS = ("tls_ca", "tls_cert", "tls_key", "tls_first")


def _from_variables(variables: Mapping[str, str], env: Mapping[str, str]) -> Layer:
    values: dict[str, Found] = {}
    for variable, field in variables.items():
        if env.get(variable):
            # A value that was read from a file often ends with the end of its line.
            values.setdefault(field, Found(env[variable].rstrip("\r\n"), variable))
    return values


def _server(layers: Sequence[Layer]) -> dict[str, Found]:
    """Return the servers: whichever of a URL and wash's host and port comes first."""
    for position, found in enumerate(layers):
        if "servers" in found:
            return {"servers": found["servers"]}
        if "host" in found or "port" in found:
            host = first(layers[position:], "host") or Found("127.0.0.1", "default")
            port = first(layers[position:], "port") or Found("4222", "default")
            sources = dict.fromkeys((host.source, port.source))
            return {"servers": Found(f"{host.value}:{port.value}", " and ".join(sources))}
    return {}


def _settings(found: Mapping[str, Found]) -> Settings:
    values: dict[str, object] = {field: one.value for field, one in found.items()}
    if "servers" in found:
        urls = (url.strip() for url in found["servers"].value.split(","))
        values["servers"] = tuple(url if "://" in url else f"nats://{url}" for url in urls if url)
    if "tls_first" in found:
        values["tls_first"] = _truth(found["tls_first"])
    if "timeout" in found:
        values["timeout"] = _timeout(found["timeout"])
    if "lattice" in found and not is_token(found["lattice"].value):
        lattice = found["lattice"]
        raise Misconfigured(
            f"{lattice.value!r} ({lattice.source}) cannot be the name of a lattice: letters, digits, - and _ only"
        )
    return Settings(**values, sources={field: one.source for field, one in found.items()})  # type: ignore[arg-type]


def _truth(found: Found) -> bool:
    text = found.value.lower()
    if text in ("true", "1", "yes", "on"):
        return True
    if text in ("false", "0", "no", "off"):
        return False
    raise Misconfigured(f"{found.value!r} ({found.source}) is neither true nor false, which TLS first has to be")


def _timeout(found: Found) -> float:
    try:
        value = seconds(found.value)
    except ValueError as error:
        raise Misconfigured(f"timeout ({found.source}): {error}") from None
    if value <= 0:
        raise Misconfigured(f"timeout ({found.source}): nothing can be answered in {found.value}; give it some seconds")
    return value


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """Return a duration such as ``500ms``, ``30s``, ``2m``, ``1h`` or ``10`` (seconds) in seconds.

    >>> seconds("1m30s")
    90.0
    """
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration: write for example 500ms, 30s, 2m or 1h")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
