"""The two clouds that a definition runs on: `local` (embedded, in this package) and `aws`."""

from __future__ import annotations
