"""Which branches of the readers the kept corpus reaches: ``scripts/fuzz coverage``."""

from __future__ import annotations

import sys

import coverage

WANTED = 95.0
"""Percent of lines and branches together."""
WRITERS = (
    r"def encode_", r"def _?fields", r"def _?data", r"def manifest_(un)?published", r"def _?envelope",
    r"def names_key", r"def manifest_key", r"def bars", r"def for_servers", r"def reply_prefix",
    r"def generated", r"def _event", r"def timestamp", r"def _encode", r"def _spell", r"def _of_component",
    r"def uptime_human", r"def _written", r"len\(data\) > MAX_BYTES", r"# pragma: no cover",
    r"if TYPE_CHECKING",
)  # fmt: skip
"""Functions of the readers' modules that write, and what needs a text of 8 MiB: not measured."""


def main() -> int:
    """Print the figures; return 1 where too little is reached."""
    from tests.fuzz.modules import MODULES

    measured = coverage.Coverage(branch=True, data_file=None, source_pkgs=list(MODULES), messages=False)
    measured.set_option("report:exclude_lines", list(WRITERS))
    with measured.collect():
        from tests.fuzz.readers import READERS, corpus

        for name, reader in READERS.items():
            for data in corpus(name):
                reader(data)
    reached = measured.report(show_missing=True, skip_covered=True, file=sys.stdout)
    return int(reached < WANTED)


if __name__ == "__main__":
    sys.exit(main())
