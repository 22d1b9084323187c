"""Durations on the command line: ``500ms``, ``30s``, ``2m``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    _Base = click.ParamType[float]
else:
    _Base = click.ParamType


class Duration(_Base):
    """A length of time, in seconds to the command."""

    name = "duration"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return it in seconds."""
        from wadm.client.settings import seconds

        if isinstance(value, int | float):
            return float(value)
        try:
            return seconds(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


DURATION = Duration()
