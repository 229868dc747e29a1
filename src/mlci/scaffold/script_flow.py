"""Scripts that no pipeline file orders → a drafted flow: each is a step, in the order that its name suggests."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from mlci.scaffold.draft_flow import RESERVED, DraftStep, DraftValue, name_for
from mlci.scaffold.repository_survey import Survey

#: The words in file names that tell what a script does, in the order in which scripts run.
_STAGES = (
    ("download", "fetch", "load", "ingest", "get"),
    ("preprocess", "prepare", "process", "clean", "split", "make", "data", "dataset", "transform"),
    ("features", "feature", "featurize", "featurization", "build"),
    ("train", "training", "fit", "tune", "main", "model"),
    ("evaluate", "evaluation", "eval", "test", "validate", "score", "predict", "metrics", "report"),
)
_WORD = re.compile(r"[A-Za-z]+")
_MAIN = re.compile(r"^if __name__ == [\"']__main__[\"']", re.MULTILINE)
_SAGEMAKER = re.compile(r"SM_(?:CHANNEL|MODEL_DIR|OUTPUT|HP)_?")
_CHANNEL = re.compile(r"SM_CHANNEL_([A-Z0-9_]+)")
_RELATIVE_IMPORT = re.compile(r"^\s*from \.", re.MULTILINE)
_NOT_SCRIPTS = ("test", "tests", "docs", "examples", "notebooks", "scripts/ci")
_MAX_SCRIPTS = 8

_FILL_IN = "Name what the script reads and writes: `inputs` and `outputs`, each with its path, and `metrics`."


def script_steps(survey: Survey) -> tuple[list[DraftStep], list[str]]:
    """Returns the steps of the scripts that look like a model's, and the scripts that were left out."""
    ranked = sorted((rank, name) for name in survey.files if (rank := _rank(name, survey)) is not None)
    chosen, others = ranked[:_MAX_SCRIPTS], ranked[_MAX_SCRIPTS:]
    steps: list[DraftStep] = []
    for _, name in chosen:
        steps.append(_step(name, survey, [step.name for step in steps]))
    return steps, [name for _, name in others]


def _rank(name: str, survey: Survey) -> int | None:
    """Returns the place of a script among the others; None for what is no script."""
    path = PurePosixPath(name)
    if path.suffix != ".py" or path.name.startswith("_") or path.parts[0] in _NOT_SCRIPTS:
        return None
    if path.name.startswith("test_") or path.name in ("setup.py", "conftest.py", "pipeline.py"):
        return None
    words = [word.lower() for word in _WORD.findall(path.stem)]
    place = next((place for place, names in enumerate(_STAGES) if words and words[0] in names), None)
    if place is None:
        place = next((place for place, names in enumerate(_STAGES) if set(words) & set(names)), None)
    text = survey.text(name)
    if _SAGEMAKER.search(text):
        return 3 if place is None else place
    return place if place is not None and _runs(text) else None


def _runs(text: str) -> bool:
    """Says whether a Python file does anything when it is run, beyond defining functions and classes."""
    if _MAIN.search(text):
        return True
    lines = (line for line in text.splitlines() if line and not line[0].isspace())
    heads = ("#", "import ", "from ", "def ", "class ", "@", '"""', "'''", ")", "]", "}")
    return any(not line.startswith(heads) and "(" in line for line in lines)


def _step(name: str, survey: Survey, before: list[str]) -> DraftStep:
    text = survey.text(name)
    step = name_for(PurePosixPath(name).stem, [RESERVED, *before])
    after: dict[str, DraftValue] = {"after": [before[-1]]} if before else {}
    if not _SAGEMAKER.search(text):
        run = f"-m {_module(name, survey)}" if _RELATIVE_IMPORT.search(text) else name
        return DraftStep(step, {"uses": "processing", "run": run, **after}, (_FILL_IN,))
    channels = ", ".join(sorted({match.lower() for match in _CHANNEL.findall(text)}))
    remark = f"It reads the channels {channels}: give each an input." if channels else "Give each channel an input."
    return DraftStep(step, {"uses": "training", "run": name, **after}, (remark,))


def _module(name: str, survey: Survey) -> str:
    """Returns the name of a file's module, below the topmost folder that is a package."""
    parts = PurePosixPath(name).with_suffix("").parts
    first = len(parts) - 1
    while first and "/".join((*parts[:first], "__init__.py")) in survey.files:
        first -= 1
    return ".".join(parts[first:])
