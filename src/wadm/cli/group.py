"""The group of all commands, each loaded when it is called."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from wadm.cli.command import Group
from wadm.cli.output import echo, lenient

if TYPE_CHECKING:
    from wadm.cli.main import Entry


class LazyGroup(Group):
    """Knows commands by name, and loads the one that is wanted."""

    def __init__(self, entries: Mapping[str, Entry], **kwargs: Any) -> None:
        super().__init__("wadm", **kwargs)
        self._entries = entries

    def run(self, arguments: Sequence[str]) -> int:
        """Run a command; whatever is wrong is said in words. Return the exit code."""
        for stream in (sys.stdout, sys.stderr):
            lenient(stream)
        self._main_shell_completion({}, "wadm")
        try:
            code = self.main(list(arguments), prog_name="wadm", standalone_mode=False)
        except click.exceptions.Exit as end:
            return end.exit_code
        except click.Abort:
            return 130
        except click.UsageError as error:
            hint = "" if error.ctx is None else f"\n\n{error.ctx.get_usage()}"
            echo(f"error: {error.format_message()}{hint}\n\nFor more information, try '--help'.", err=True)
            return error.exit_code
        except click.ClickException as error:
            error.show()
            return error.exit_code
        return code if isinstance(code, int) else 0

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is called; for one that is not there, name those that may be meant."""
        name = args[0]
        if name not in self._entries:
            from difflib import get_close_matches

            close = [f"`wadm {other}`" for other in get_close_matches(name, self._entries, 3, 0.6)]
            meant = f": did you mean {' or '.join(close)}?" if close else "; `wadm --help` lists the commands"
            if name.endswith((".yaml", ".yml", ".json")) or "/" in name:
                meant = f"; to have a manifest run: wadm deploy {name}"
            raise click.UsageError(f"there is no command {name!r}{meant}", ctx)
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return list(self._entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command."""
        entry = self._entries.get(cmd_name)
        if entry is None:
            return None
        module, _, name = entry.target.partition(":")
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)
        return command
