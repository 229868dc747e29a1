"""The names that a flow may give. A name is refused with what AWS would have said later."""

from __future__ import annotations

from mlci.flow import limits
from mlci.flow.invalid_value import InvalidValue
from mlci.step_types.keys import NameRule

FLOW = NameRule(
    "a flow", limits.FLOW_NAME, limits.MAX_FLOW_NAME_CHARS, "letters, digits and -, beginning with a letter"
)
#: `gate` is what `after: gate` means, and `run` what `metric: run.cost_usd` is on.
STEP = NameRule(
    "a step",
    limits.STEP_NAME,
    limits.MAX_STEP_NAME_CHARS,
    "letters, digits, - and _, beginning with a letter",
    frozenset(["gate", "run"]),
)


def check_name(rule: NameRule, name: str) -> None:
    """Raise InvalidValue if the rule does not allow the name."""
    shown = f"{name[:57]}..." if len(name) > 60 else name
    if name in rule.reserved:
        raise InvalidValue(f'"{name}" cannot be the name of {rule.kind}: it is taken', "Choose another")
    if len(name) > rule.max_chars:
        what = f'the name of {rule.kind}, "{shown}", has {len(name)} characters'
        raise InvalidValue(what, f"At most {rule.max_chars} are allowed")
    if not rule.pattern.fullmatch(name):
        raise InvalidValue(f'"{shown}" cannot be the name of {rule.kind}', f"Use {rule.allowed}")


def written_name(step: str) -> str:
    """Return a step's name as the flow has it: for a cell, the name of the step that it is a cell of.

    >>> written_name("train(fold=1)"), written_name("train")
    ('train', 'train')
    """
    return step.partition("(")[0]
