"""Fixtures of the emulator's tests: a place for jobs, and what runs them."""

from __future__ import annotations

from support.fixtures import jobs, place

__all__ = ["jobs", "place"]
