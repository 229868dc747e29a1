"""The command line."""

from mlci.cli.main import main

__all__ = ["main"]
