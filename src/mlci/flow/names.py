"""Which names a flow may give, each refused with what AWS would have said later."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlci.flow import limits
from mlci.flow.invalid_value import Refused


@dataclass(frozen=True)
class Naming:
    """What one kind of name may be; `allowed` says it in words."""

    kind: str
    pattern: re.Pattern[str]
    max_chars: int
    allowed: str
    reserved: frozenset[str] = frozenset()

    def check(self, name: str) -> None:
        """Raises Refused where the name is not allowed."""
        shown = f"{name[:57]}..." if len(name) > 60 else name
        if name in self.reserved:
            raise Refused(f'"{name}" cannot be the name of {self.kind}: it is taken', "Choose another")
        if len(name) > self.max_chars:
            what = f'the name of {self.kind}, "{shown}", has {len(name)} characters'
            raise Refused(what, f"At most {self.max_chars} are allowed")
        if not self.pattern.fullmatch(name):
            raise Refused(f'"{shown}" cannot be the name of {self.kind}', f"Use {self.allowed}")


_CHANNEL = "letters, digits, ., - and _, beginning with a letter or digit"
_ENV = "letters, digits and _, beginning with a letter or _"

FLOW = Naming("a flow", limits.FLOW_NAME, limits.MAX_FLOW_NAME_CHARS, "letters, digits and -, beginning with a letter")
#: `gate` is what `after: gate` means.
STEP = Naming(
    "a step",
    limits.STEP_NAME,
    limits.MAX_STEP_NAME_CHARS,
    "letters, digits, - and _, beginning with a letter",
    frozenset(["gate"]),
)
OUTPUT = Naming("an output", limits.CHANNEL_NAME, limits.MAX_CHANNEL_NAME_CHARS, _CHANNEL)
#: `code` is the input that carries the step's script: /opt/ml/processing/input/code.
PROCESSING_INPUT = Naming("an input", limits.CHANNEL_NAME, limits.MAX_CHANNEL_NAME_CHARS, _CHANNEL, frozenset(["code"]))
TRAINING_INPUT = Naming("an input", limits.CHANNEL_NAME, limits.MAX_CHANNEL_NAME_CHARS, _CHANNEL)
INPUT = {"processing": PROCESSING_INPUT, "training": TRAINING_INPUT}
ENV = {
    uses: Naming("an environment variable", limits.ENV_NAME, of_job.max_env_name_chars, _ENV)
    for uses, of_job in limits.JOB_LIMITS.items()
}
HYPERPARAMETER = Naming(
    "a hyperparameter",
    re.compile(rf"(?!{limits.SCRIPT_MODE_PREFIX})[^\x00-\x1f\x7f]+"),
    limits.MAX_HYPERPARAMETER_NAME_CHARS,
    f"printable characters, not beginning with {limits.SCRIPT_MODE_PREFIX}",
)
