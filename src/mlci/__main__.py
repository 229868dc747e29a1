"""`python -m mlci` is the command `mlci`."""

from __future__ import annotations

import sys

from mlci.cli import main

sys.exit(main())
