"""Choosing applications by the labels of their manifests (``-l team=shop,tier!=edge``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct

from wadm.cli.command import option

if TYPE_CHECKING:
    from wadm.client.client import Client
    from wadm.client.replies import Summary

_AT_ONCE = 16


class Term(Struct, frozen=True):
    """One condition. ``value`` is ``None`` where the label need only be there (or, ``negated``, must not be)."""

    label: str
    value: str | None
    negated: bool = False

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether labels fulfil it."""
        there = self.label in labels if self.value is None else labels.get(self.label) == self.value
        return there != self.negated


def read(text: str) -> tuple[Term, ...]:
    """Read a selector: terms with commas, all of which must hold. Raises ValueError for what is none.

    >>> read("team=shop,!old")
    (Term(label='team', value='shop', negated=False), Term(label='old', value=None, negated=True))
    """
    terms = []
    for part in text.split(","):
        label, sign, value = part.strip().partition("=")
        negated = label.endswith("!") or (not sign and label.startswith("!"))
        label = label.strip("!=").strip()
        if not label:
            raise ValueError(f"{text!r} is no selector: write LABEL=VALUE, LABEL!=VALUE, LABEL or !LABEL, with commas")
        terms.append(Term(label, value.removeprefix("=").strip() if sign else None, negated))
    return tuple(terms)


def selector_option(text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command ``-l``, and ``selector`` as a tuple of terms, empty where it is not given."""

    def read_all(ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[Term, ...]:
        try:
            return () if value is None else read(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return option("-l", "--selector", metavar="LABEL=VALUE,...", callback=read_all, help=text)


async def selected(client: Client, found: Iterable[Summary], terms: tuple[Term, ...]) -> list[Summary]:
    """Return those of the applications whose manifest (the deployed version, else the newest) has such labels."""
    import asyncio  # not at the top: the help of many commands loads this module

    everything = list(found)
    if not terms:
        return everything
    gate = asyncio.Semaphore(_AT_ONCE)

    async def fits(one: Summary) -> bool:
        from wadm.errors import NotFound

        async with gate:
            try:
                manifest = await client.get(one.name, one.deployed_version or one.version)
            except NotFound:  # deleted since it was listed
                return False
        return all(term.holds(manifest.metadata.labels) for term in terms)

    fitting = await asyncio.gather(*map(fits, everything))
    return [one for one, good in zip(everything, fitting, strict=True) if good]
