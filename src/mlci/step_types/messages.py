"""The key `message`: a text that the state machine completes by the metrics that it names."""

from __future__ import annotations

from mlci.step_types.base import ResolvedStep
from mlci.step_types.keys import Json, Key

#: A cause has at most 32,768 characters; numbers take some of them.
#: Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_ExecutionFailedEventDetails.html
_MAX_CHARS = 4_096

MESSAGE = Key(
    "message",
    "text",
    "The reason that the run ends with (fail), or the question that an approval asks. "
    "${{ steps.<step>.metrics.<path> }} stands for a metric.",
    examples=("accuracy is ${{ steps.evaluate.metrics.accuracy }}: look at the data",),
    is_required=True,
    missing_hint='Add message: "why the run ends here"',
    takes_metrics=True,
    max_chars=_MAX_CHARS,
)


def message_texts(step: ResolvedStep) -> list[Json]:
    """Return the texts of the message: the first stands before its first metric, each other one behind a metric."""
    texts = [""]
    for part in _parts(step):
        if isinstance(part, dict):
            texts.append("")
        else:
            texts[-1] += str(part)
    return list(texts)


def message_summary(step: ResolvedStep) -> str:
    """Return the message with the names of its metrics."""
    return "".join(f"<{part['metric']}>" if isinstance(part, dict) else str(part) for part in _parts(step))


def _parts(step: ResolvedStep) -> list[Json]:
    """Return the parts of the message: texts, and for each metric a map that names it."""
    message = step.values["message"]
    return message if isinstance(message, list) else [message]
