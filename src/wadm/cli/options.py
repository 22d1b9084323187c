"""The options that many commands share: how to connect, how to print.

The names are those of the ``nats`` command; those of ``wash`` are understood too, so that old scripts go on working.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from wadm.cli.command import option
from wadm.cli.output import WITH_EXPRESSION, Format, Output
from wadm.cli.session import Session

if TYPE_CHECKING:
    _ParamType = click.ParamType[tuple[Format, str]]
else:
    _ParamType = click.ParamType

CONNECTION = "Connection (what is not given: see `wadm context --help`)"

_CONNECTION: tuple[tuple[str, tuple[str, ...], tuple[str, ...], str, str], ...] = (
    ("servers", ("-s", "--server"), ("--nats-url",), "URL", "NATS URL, or several with commas."),
    ("lattice", ("-x", "--lattice"), (), "NAME", "Lattice to work with."),
    ("context", ("--context",), (), "NAME", "Context of wash or nats to connect with."),
    ("creds", ("--creds",), ("--ctl-credsfile",), "FILE", "NATS credentials file."),
    ("jwt", ("--jwt",), ("--ctl-jwt",), "JWT|FILE", "User JWT, with --nkey."),
    ("seed", ("--nkey",), ("--ctl-seed",), "SEED|FILE", "Seed of the user's nkey."),
    ("user", ("--user",), (), "NAME", "User name."),
    ("password", ("--password",), (), "TEXT", "Password."),
    ("token", ("--token",), (), "TEXT", "Token."),
    (
        "tls_ca",
        ("--tls-ca",),
        ("--tlsca", "--ctl-tls-ca-file"),
        "FILE",
        "File with the CA of the server's certificate.",
    ),
    ("tls_cert", ("--tls-cert",), ("--tlscert",), "FILE", "File with the client's certificate."),
    ("tls_key", ("--tls-key",), ("--tlskey",), "FILE", "File with the client's private key."),
    ("js_domain", ("--js-domain",), ("--domain",), "NAME", "JetStream domain."),
    ("inbox_prefix", ("--inbox-prefix",), (), "PREFIX", "What the subjects begin with on which answers are awaited."),
)
"""Field of the settings, names, names in other programs, what it takes, help."""


_PREFIX = "connection_"
"""What the names of these parameters begin with, so that they are not those of a command's own."""


def session_of(parameters: Mapping[str, Any], **instead: str) -> Session:
    """Return the session that a command's parameters describe; ``instead`` are fields to have other values."""
    given = {name.removeprefix(_PREFIX): value for name, value in parameters.items() if name.startswith(_PREFIX)}
    milliseconds, context = given.pop("timeout_ms", None), given.pop("context", None)
    if milliseconds and not given["timeout"]:
        given["timeout"] = f"{milliseconds}ms"
    return Session(given | instead, context)


def _complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer contexts, and files where a file is wanted."""
    from wadm.cli.complete import contexts

    field = (parameter.name or "").removeprefix(_PREFIX)
    if field == "context":
        return contexts(ctx, parameter, incomplete)
    return [CompletionItem(incomplete, type="file")] if field in _FILES else []


_FILES = frozenset({"creds", "jwt", "seed", "tls_ca", "tls_cert", "tls_key"})


def connected(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the connection options, and a :class:`Session` as ``session``."""

    @wraps(function)
    def run(**parameters: Any) -> Any:
        own = {name: value for name, value in parameters.items() if not name.startswith(_PREFIX)}
        return function(session=session_of(parameters), **own)

    declarations = [
        option(
            *names,
            _PREFIX + field,
            aliases=aliases,
            metavar=metavar,
            section=CONNECTION,
            help=text,
            shell_complete=_complete,
        )
        for field, names, aliases, metavar, text in _CONNECTION
    ]
    declarations += [
        option(
            "--tls-first",
            _PREFIX + "tls_first",
            aliases=("--tlsfirst", "--ctl-tls-first"),
            is_flag=False,
            flag_value="true",
            section=CONNECTION,
            metavar="[BOOL]",
            help="Begin with TLS, before the server says anything.",
        ),
        option(
            "--request-timeout",
            _PREFIX + "timeout",
            section=CONNECTION,
            metavar="DURATION",
            help="How long to wait for one answer (default 10s).",
        ),
        option("-r", "--ctl-host", _PREFIX + "host", hidden=True),
        option("-p", "--ctl-port", _PREFIX + "port", hidden=True),
        option("-t", "--timeout-ms", _PREFIX + "timeout_ms", hidden=True),
    ]
    for declare in reversed(declarations):
        run = declare(run)
    return run


class FormatType(_ParamType):
    """A format, for some with what is wanted behind an equals sign; a pair of both to the command."""

    name = "format"

    def __init__(self, formats: Sequence[Format]) -> None:
        self.formats = tuple(formats)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Format, str]:
        """Return the format and its expression."""
        if isinstance(value, tuple):
            return value
        name, sign, expression = str(value).partition("=")
        if name not in self.formats:
            self.fail(f"{value!r} is not one of {', '.join(map(repr, self.formats))}.", param, ctx)
        if (name in WITH_EXPRESSION) != bool(sign and expression):
            wanted = f"write {name}=EXPRESSION" if name in WITH_EXPRESSION else f"{name} takes no expression"
            self.fail(f"{wanted}, as in jsonpath='{{.name}}' or custom-columns=NAME:.name", param, ctx)
        return name, expression

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer the formats."""
        names = (f"{one}=" if one in WITH_EXPRESSION else one for one in self.formats)
        return [CompletionItem(one) for one in names if one.startswith(incomplete)]


def printing(*formats: Format) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command ``-o`` with these formats, the first being the default, and an :class:`Output` as ``output``."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def run(**parameters: Any) -> Any:
            output = Output(*parameters.pop("format"))
            click.get_current_context().obj = output
            return function(output=output, **parameters)

        return option(
            "-o",
            "--output",
            "format",
            type=FormatType(formats),
            default=formats[0],
            show_default=True,
            section="Output",
            metavar=f"[{'|'.join(f'{one}=...' if one in WITH_EXPRESSION else one for one in formats)}]",
            help="How to print the result.",
        )(run)

    return decorate
