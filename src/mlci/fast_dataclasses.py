"""The decorator of the runner's dataclasses, which is quick to run."""

from __future__ import annotations

from mlci_dataclasses import dataclass

__all__ = ["dataclass"]
