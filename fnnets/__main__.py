"""`python -m fnnets`, the same as the command `fnnets`."""

from __future__ import annotations

import sys

from fnnets.command import main

if __name__ == "__main__":
    sys.exit(main())
