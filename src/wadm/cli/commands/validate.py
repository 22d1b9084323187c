"""``wadm validate`` and ``wadm lint``: what is wrong with manifests, without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wadm.cli import exits
from wadm.cli.command import Command, command, option
from wadm.cli.options import printing
from wadm.cli.output import Output

if TYPE_CHECKING:
    from wadm.cli.manifests import Checked

_EXAMPLES = """
wadm {name} wadm.yaml
wadm {name} manifests/ --strict
wadm {name} https://example.com/wadm.yaml -o json
cat wadm.yaml | wadm {name} -
"""


def _validate(sources: tuple[str, ...], strict: bool, output: Output) -> None:
    """Find everything wrong with manifests, all at once: where it is, what it is, how to mend it.

    SOURCE is a file (.yaml, .yml or .json), a directory, a URL, or - for standard input. No server is asked.
    Every kind of problem has a code that stays the same (E… for errors, W… for warnings).
    Ends with 2 if a manifest is invalid.
    """
    from wadm.cli.manifests import check_all, show_problems

    checked = check_all(sources)
    if output.structured:
        output.show([_as_data(one) for one in checked], str)
    else:
        show_problems(checked)
    wrong = any(not one.valid or (strict and one.problems) for one in checked)
    raise click.exceptions.Exit(exits.INVALID if wrong else exits.DONE)


def _as_data(one: Checked) -> dict[str, object]:
    from wadm.wire.api import FullProblem

    problems = [
        FullProblem(**{field: getattr(problem, field) for field in problem.__struct_fields__})
        for problem in one.problems
    ]
    return {"source": one.source.name, "valid": one.valid, "problems": problems}


def _declare(name: str) -> Command:
    declared = printing("text", "json", "yaml")(_validate)
    declared = option("--strict", is_flag=True, help="Take warnings for errors.")(declared)
    declared = click.argument(
        "sources", metavar="SOURCE...", nargs=-1, required=True, type=click.Path(allow_dash=True)
    )(declared)
    return command(name, examples=_EXAMPLES.format(name=name))(declared)


validate = _declare("validate")
lint = _declare("lint")
