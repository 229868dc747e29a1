"""The ways in which a local job gets its own /opt/ml, as `--isolation` names them."""

from __future__ import annotations

from typing import Literal

Isolation = Literal["auto", "namespace", "container", "link", "paths"]
