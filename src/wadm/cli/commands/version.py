"""``wadm version``: which wadm this is."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

from wadm import COMPATIBLE_WITH, __version__
from wadm.cli.command import command
from wadm.cli.options import printing
from wadm.cli.output import Output


@command(
    "version",
    examples="""
    wadm version
    wadm version -o json
    """,
)
@printing("text", "json", "yaml", "jsonpath", "custom-columns")
def version(output: Output) -> None:
    """Show the version of this wadm, and of the original whose protocol it speaks.

    `wadm --version` prints the latter alone, because wash goes by it. `wadm doctor` tells the versions of the servers
    that run.
    """
    python = f"{platform.python_implementation()} {platform.python_version()}"
    where = str(Path(__file__).parents[2])
    data = {
        "version": __version__,
        "protocol": COMPATIBLE_WITH,
        "python": python,
        "platform": sys.platform,
        "in": where,
    }
    output.say(
        data,
        f"wadm {__version__}\nspeaks the protocol of wadm {COMPATIBLE_WITH}\non {python} ({sys.platform}), in {where}",
    )
