"""``wadm validate`` and ``wadm lint``: what is wrong with manifests, without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wadm.cli import exits
from wadm.cli.command import Command, command, option
from wadm.cli.options import printing
from wadm.cli.output import Output
from wadm.cli.sources import from_files

if TYPE_CHECKING:
    from wadm.cli.manifests import Checked, Looked
    from wadm.client.sources import Failed

_EXAMPLES = """
wadm {name} wadm.yaml
wadm {name} manifests/ --strict
wadm {name} wadm.yaml --images
wadm {name} https://example.com/wadm.yaml -o json
cat wadm.yaml | wadm {name} -
"""


def _validate(sources: tuple[str, ...], strict: bool, images: bool, output: Output) -> None:
    """Find everything wrong with manifests, all at once: where it is, what it is, how to mend it.

    SOURCE is a file (.yaml, .yml or .json), a directory with all below it, a URL, or - for standard input. A file may
    hold several documents. No server is asked, and nothing need be built: an artefact that is not there is a warning.
    What is passed over is named.

    With --images the images are looked at too, where they can be had within 2 s and 5 MB: whether a component's image
    is one, exports what links deliver to it, and imports nothing that no link provides.

    Every kind of problem has a code that stays the same (E… for errors, W… for warnings). Ends with 2 if a manifest is
    invalid or cannot be read.
    """
    from wadm.cli.manifests import look_at, show_problems, tell_skipped

    looked = look_at(sources)
    if images:
        looked = _with_images(looked)
    if not looked.checked and len(looked.failed) == 1:
        tell_skipped(looked.skipped)
        raise looked.failed[0].error
    if output.structured:
        output.show([*map(_as_data, looked.checked), *map(_failed_as_data, looked.failed)], str)
    else:
        show_problems(looked.checked)
    tell_skipped(looked.skipped)
    if not output.structured:
        for one in looked.failed:
            exits.failure(one.error).show()
    wrong = any(not one.valid or (strict and one.problems) for one in looked.checked)
    raise click.exceptions.Exit(exits.INVALID if wrong or looked.failed else exits.DONE)


def _with_images(looked: Looked) -> Looked:
    from msgspec.structs import replace

    from wadm.cli.image_check import ImageCheck, as_sent

    check = ImageCheck(patient=True)
    check.look_at(as_sent(one.source, one.manifest) for one in looked.checked if one.manifest is not None)
    return replace(looked, checked=tuple(map(check.of_source, looked.checked)))


def _as_data(one: Checked) -> dict[str, object]:
    from wadm.wire.api import FullProblem

    problems = [
        FullProblem(**{field: getattr(problem, field) for field in problem.__struct_fields__})
        for problem in one.problems
    ]
    document = {"document": one.source.document} if one.source.document else {}
    return {"source": one.source.name, **document, "valid": one.valid, "problems": problems}


def _failed_as_data(one: Failed) -> dict[str, object]:
    from wadm.wire.api import FullProblem

    problem = FullProblem(message=str(one.error), path="", line=0, column=0, level="error", code="", hint="")
    return {"source": one.name, "valid": False, "problems": [problem]}


def _declare(name: str) -> Command:
    declared = printing("text", "json", "yaml")(_validate)
    declared = option("--images", is_flag=True, help="Look at the images, too.")(declared)
    declared = option("--strict", is_flag=True, help="Take warnings for errors.")(declared)
    declared = click.argument("sources", metavar="SOURCE...", nargs=-1, type=click.Path(allow_dash=True))(
        from_files("sources", required=True)(declared)
    )
    return command(name, examples=_EXAMPLES.format(name=name))(declared)


validate = _declare("validate")
lint = _declare("lint")
