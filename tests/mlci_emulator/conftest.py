"""Fixtures of the emulator's tests: a harness for jobs, and their runner."""

from __future__ import annotations

from support.fixtures import harness, jobs

__all__ = ["harness", "jobs"]
