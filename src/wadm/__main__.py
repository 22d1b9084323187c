"""``python -m wadm``: the same as ``wadm``."""

import sys

from wadm.cli.main import main

sys.exit(main())
