"""result.json of a build, as far as a report posts it.

A build of a pull request wrote it: so its sizes are bounded, its types are checked, and what it says of a verdict
counts only beside the build's own status.
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from mlci.pull_request.models import STATE_WORDS, Annotation, State
from mlci.report.failure_line import failure_line
from mlci.report.untrusted_text import one_line

#: The sizes up to which the files of a build are read.
RESULT_MAX_BYTES, REPORT_MAX_BYTES = 4 << 20, 1 << 20
_HEADLINE_MAX_CHARS = 300
#: A file in the repository, as its root names it.
_PATH = re.compile(r"(?!/)(?!.*(?:^|/)\.\.?(?:/|$))[^\\\x00-\x1f:]{1,500}")


class _Rule(BaseModel):
    """A rule of result.json, of schema 1 or 2."""

    model_config = ConfigDict(extra="ignore", strict=True)

    metric: str = Field(max_length=2_000)
    text: str = Field(max_length=20_000)
    held: bool
    value: float | int | None = None
    baseline: float | int | None = None
    level: Literal["block", "warn", "info"] = "block"
    verdict: Literal["held", "broken", "unclear", "accepted"] = "held"
    outcome: str = Field(default="", max_length=20)
    file: str | None = Field(default=None, max_length=2_000)
    line: int | None = Field(default=None, ge=1, le=1_000_000)

    @property
    def is_missed(self) -> bool:
        if self.outcome == "not_judged":
            return False
        return not self.held or self.verdict in ("broken", "accepted")


class ResultDocument(BaseModel):
    """The part of result.json that a report posts."""

    model_config = ConfigDict(extra="ignore", strict=True)

    run_id: str = Field(pattern=r"^[\w.-]{1,100}$")
    status: Literal["passed", "gate_missed", "failed", "stopped"]
    reason: str = Field(default="", max_length=1_000_000)
    rules: list[_Rule] = Field(default_factory=list, max_length=5_000)
    started: AwareDatetime | None = Field(default=None, strict=False)

    @property
    def headline(self) -> str:
        """The verdict in one sentence.

        >>> ResultDocument(run_id="r1", status="passed").headline
        'passed: there are no rules'
        """
        missed = [rule.text for rule in self.rules if not rule.held]
        if missed and self.status == "gate_missed":
            others = f", and {len(missed) - 1} more" if len(missed) > 1 else ""
            detail = f"{missed[0]}{others}"
        elif self.status == "passed":
            detail = self._held
        else:
            detail = failure_line(self.reason)
        text = one_line(f"{STATE_WORDS[self.status]}: {detail}" if detail else STATE_WORDS[self.status])
        return text if len(text) <= _HEADLINE_MAX_CHARS else f"{text[: _HEADLINE_MAX_CHARS - 1]}…"

    @property
    def _held(self) -> str:
        count, accepted = len(self.rules), sum(rule.verdict == "accepted" for rule in self.rules)
        if accepted:
            return f"{accepted} of {count} rules missed, and accepted"
        return "there are no rules" if not count else "its rule held" if count == 1 else f"all {count} rules held"

    @property
    def has_changes(self) -> bool:
        """True if the run did not pass, or a gated metric differs from its baseline."""
        return self.status != "passed" or any(
            rule.value is not None and rule.value != rule.baseline for rule in self.rules
        )

    @property
    def annotations(self) -> tuple[Annotation, ...]:
        """A remark for each missed rule on its line of the flow's file."""
        return tuple(
            Annotation(
                path=rule.file,
                line=rule.line,
                title=one_line(f"{rule.metric} misses its limit{', which is accepted' * (rule.verdict == 'accepted')}"),
                message=one_line(rule.text),
                level="failure" if not rule.held else "warning" if rule.level == "warn" else "notice",
            )
            for rule in self.rules
            if rule.is_missed and rule.file and rule.line and _PATH.fullmatch(rule.file)
        )


def read_result(data: bytes | None) -> ResultDocument | None:
    """Return what result.json says; None if there is none, or none that is valid."""
    if data is None or len(data) > RESULT_MAX_BYTES:
        return None
    try:
        return ResultDocument.model_validate_json(data)
    except (ValidationError, RecursionError):
        return None


def state_of(result: ResultDocument | None, has_succeeded: bool | None) -> State:
    """Return the state of a build that has ended.

    `has_succeeded` is the build's own status, None where it was stopped. A result that says better than the build's
    status does not count: whoever writes it may be a pull request.

    >>> state_of(None, True), state_of(ResultDocument(run_id="r1", status="passed"), False), state_of(None, None)
    ('died', 'died', 'stopped')
    """
    if result is None or (result.status == "passed" and not has_succeeded):
        return "stopped" if has_succeeded is None else "died"
    return result.status


def report_text(data: bytes | None) -> str:
    """Return the text of report.md in its limit; "" if there is none."""
    return (data or b"")[:REPORT_MAX_BYTES].decode("utf-8", "replace")
