"""How things look to people: data in, something that rich can print out. No I/O, no clock.

One module a view. Everything is readable without colour; colour only repeats what a word says.
"""

from __future__ import annotations

import rich.text

from wadm.cli.visible import visible

# rich drops some control characters from text without a trace and lets others through; here all are spelt out, before
# widths are measured. (`wadm.cli.output` looks once more at what rich has laid out.)
vars(rich.text)["strip_control_codes"] = visible
