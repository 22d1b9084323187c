"""What all commands have in common: how they are declared, explain themselves, and end.

A module of a command imports little; what it works with it imports when it runs, so that help and errors of the
command line come at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import cleandoc
from typing import Any, Final, TypeVar

import click

from wadm.cli import exits

SETTINGS: Final = {"max_content_width": 100}

OPTIONS: Final = "Options"

F = TypeVar("F", bound=Callable[..., Any])


class Option(click.Option):
    """An option that knows the part of the help it belongs to, and other programs' names for it (not shown)."""

    def __init__(self, *args: Any, section: str = OPTIONS, aliases: Sequence[str] = (), **kwargs: Any) -> None:
        declarations, *rest = args
        super().__init__([*declarations, *aliases], *rest, **kwargs)
        self.section = section
        self.aliases = tuple(aliases)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the line of help without the aliases."""
        shown = self.opts
        self.opts = [name for name in shown if name not in self.aliases]
        try:
            return super().get_help_record(ctx)
        finally:
            self.opts = shown


class Helpful(click.Command):
    """What is helped with ``-h`` and ``--help``, in whichever context it is asked first (click keeps the answer)."""

    def get_help_option_names(self, ctx: click.Context) -> list[str]:
        """Return the names of the option for help."""
        return ["-h", "--help"]


class Command(Helpful):
    """A command with examples, its options in sections, and no traceback."""

    def __init__(self, *args: Any, examples: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, then the options by section."""
        if self.examples:
            with formatter.section("Examples"):
                formatter.write("".join(f"  {line}\n" for line in cleandoc(self.examples).splitlines()))
        sections: dict[str, list[tuple[str, str]]] = {OPTIONS: []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if isinstance(parameter, click.Option) and record is not None:
                sections.setdefault(getattr(parameter, "section", OPTIONS), []).append(record)
        for name, records in sections.items():
            with formatter.section(name):
                formatter.write_dl(records)
        with formatter.section("Ends with"):
            formatter.write_text(exits.IN_SHORT)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; whatever goes wrong ends as words and an exit code."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo(err=True)
            raise click.exceptions.Exit(exits.INTERRUPTED) from None
        except exits.Failure as ended:
            ended.as_json = _wants_json(ctx)
            raise
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if exits.debugging() or _is_broken_pipe(error):
                raise
            failure = exits.failure(error)
            failure.as_json = _wants_json(ctx)
            raise failure from None


class Group(Helpful, click.Group):
    """A command that is a family of commands."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("context_settings", SETTINGS)
        super().__init__(*args, **kwargs)


def _wants_json(ctx: click.Context) -> bool:
    return getattr(ctx.obj, "format", None) == "json"


def _is_broken_pipe(error: Exception) -> bool:
    return isinstance(error, BrokenPipeError)  # the reader of our output has gone; click ends quietly


def command(name: str, *, examples: str, **kwargs: Any) -> Callable[[Callable[..., Any]], Command]:
    """Declare a command; its docstring is its help, ``examples`` lines that can be typed as they are."""
    return click.command(name, cls=Command, examples=examples, context_settings=SETTINGS, **kwargs)


def option(*declarations: str, **kwargs: Any) -> Callable[[F], F]:
    """Declare an option (:class:`Option`)."""
    return click.option(*declarations, cls=Option, **kwargs)
