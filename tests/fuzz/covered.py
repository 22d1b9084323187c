"""Which branches of the readers the kept corpus reaches: ``scripts/fuzz coverage``."""

from __future__ import annotations

import sys

import coverage

WANTED = 95.0
"""Percent of lines and branches together."""


def main() -> int:
    """Print the figures; return 1 where too little is reached."""
    from tests.fuzz.modules import MODULES

    measured = coverage.Coverage(branch=True, data_file=None, source_pkgs=list(MODULES), messages=False)
    with measured.collect():
        from tests.fuzz.readers import READERS, corpus

        for name, reader in READERS.items():
            for data in corpus(name):
                reader(data)
    reached = measured.report(show_missing=True, skip_covered=True, file=sys.stdout)
    return int(reached < WANTED)


if __name__ == "__main__":
    sys.exit(main())
