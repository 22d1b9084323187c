"""The options that many commands share: how to connect, how to print.

The names are those of the ``nats`` command; those of ``wash`` are understood too, so that old scripts go on working.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import click
from click.shell_completion import CompletionItem

from wadm.cli.command import option
from wadm.cli.output import Format, Output
from wadm.cli.session import Session

CONNECTION = "Connection"

_CONNECTION: tuple[tuple[str, tuple[str, ...], tuple[str, ...], str], ...] = (
    ("servers", ("-s", "--server"), ("--nats-url",), "NATS URL, or several with commas."),
    ("lattice", ("-x", "--lattice"), (), "Lattice to work with."),
    ("context", ("--context",), (), "Context of wash or nats to connect with."),
    ("creds", ("--creds",), ("--ctl-credsfile",), "NATS credentials file."),
    ("jwt", ("--jwt",), ("--ctl-jwt",), "User JWT, or a file that holds it; with --nkey."),
    ("seed", ("--nkey",), ("--ctl-seed",), "Seed of the user's nkey, or a file that holds it."),
    ("user", ("--user",), (), "User name."),
    ("password", ("--password",), (), "Password."),
    ("token", ("--token",), (), "Token."),
    ("tls_ca", ("--tls-ca",), ("--tlsca", "--ctl-tls-ca-file"), "File with the CA of the server's certificate."),
    ("tls_cert", ("--tls-cert",), ("--tlscert",), "File with the client's certificate."),
    ("tls_key", ("--tls-key",), ("--tlskey",), "File with the client's private key."),
    ("js_domain", ("--js-domain",), ("--domain",), "JetStream domain."),
    ("timeout", ("--request-timeout",), (), "How long to wait for one answer (default 10s)."),
)
"""Field of the settings, names, names of other programs, help."""


_FIELDS = frozenset({field for field, *_ in _CONNECTION} | {"host", "port", "tls_first", "timeout_ms"})


def session_of(parameters: Mapping[str, Any]) -> Session:
    """Return the session that a command's parameters describe."""
    given = {field: parameters.get(field) for field in _FIELDS - {"context", "timeout_ms"}}
    if parameters.get("timeout_ms") and not given["timeout"]:
        given["timeout"] = f"{parameters['timeout_ms']}ms"
    return Session(given, parameters.get("context"))


def _complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer contexts, and files where a file is wanted."""
    from wadm.cli.complete import contexts

    if parameter.name == "context":
        return contexts(ctx, parameter, incomplete)
    return [CompletionItem(incomplete, type="file")] if parameter.name in _FILES else []


_FILES = frozenset({"creds", "jwt", "seed", "tls_ca", "tls_cert", "tls_key"})


def connected(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the connection options, and a :class:`Session` as ``session``."""

    @wraps(function)
    def run(**parameters: Any) -> Any:
        session = session_of(parameters)
        return function(session=session, **{name: value for name, value in parameters.items() if name not in _FIELDS})

    declarations = [
        option(*names, field, aliases=aliases, metavar="TEXT", section=CONNECTION, help=text, shell_complete=_complete)
        for field, names, aliases, text in _CONNECTION
    ]
    declarations += [
        option(
            "--tls-first",
            "tls_first",
            aliases=("--tlsfirst", "--ctl-tls-first"),
            is_flag=False,
            flag_value="true",
            section=CONNECTION,
            metavar="[BOOL]",
            help="Begin with TLS, before the server says anything.",
        ),
        option("-r", "--ctl-host", "host", hidden=True),
        option("-p", "--ctl-port", "port", hidden=True),
        option("-t", "--timeout-ms", "timeout_ms", hidden=True),
    ]
    for declare in reversed(declarations):
        run = declare(run)
    return run


def printing(*formats: Format) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command ``-o`` with these formats, the first being the default, and an :class:`Output` as ``output``."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def run(**parameters: Any) -> Any:
            output = Output(parameters.pop("format"))
            click.get_current_context().obj = output
            return function(output=output, **parameters)

        return option(
            "-o",
            "--output",
            "format",
            type=click.Choice(formats),
            default=formats[0],
            show_default=True,
            section="Output",
            help="How to print the result.",
        )(run)

    return decorate
