"""Any dvc.yaml gives a flow that loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mlci.errors import InputError
from mlci.flow import load
from mlci.scaffold.drafting import draft
from mlci.scaffold.repository_survey import Survey
from support.examples import examples

PATHS = st.sampled_from(
    [
        "a.csv",
        "data",
        "data/a.csv",
        "data/b",
        "src/a.py",
        "./x",
        "../y",
        "model.pkl",
        "ü/ß.csv",
        "s3://bucket/k",
        "http://h/x",
    ]
)
OUTS = st.one_of(PATHS.filter(lambda path: "://" not in path), st.just("metrics.json"))
COMMANDS = st.sampled_from(
    ["python src/a.py", "python -m pkg.a x=1", "cat a > b", "tool --x 1", "A=1 python src/a.py '*'", "python b.py ${x}"]
)
STAGES = st.fixed_dictionaries(
    {"cmd": st.one_of(COMMANDS, st.lists(COMMANDS, min_size=1, max_size=3))},
    optional={
        "deps": st.lists(PATHS, max_size=12),
        "outs": st.lists(st.one_of(OUTS, st.builds(lambda path: {path: {"cache": False}}, OUTS)), max_size=12),
        "metrics": st.lists(OUTS, max_size=3),
        "params": st.lists(st.sampled_from(["x", "y.z", {"other.yaml": ["a"]}]), max_size=3),
        "wdir": st.sampled_from([".", "src", "./src/"]),
        "desc": st.text(max_size=20),
    },
)
NAMES = st.sampled_from(["train", "Train", "train_1", "1st", "gate", "a.b", "ü"])
ENTRIES = st.one_of(
    STAGES,
    st.builds(lambda do: {"foreach": [1, "b"], "do": do}, STAGES),
    st.builds(lambda do: {"matrix": {"m": ["a", 2], "n": [[1], {"k": 1}]}, **do}, STAGES),
)


@settings(max_examples=examples(150), deadline=None)
@given(st.dictionaries(NAMES, ENTRIES, min_size=1, max_size=4), st.lists(OUTS, max_size=2))
def test_the_drafted_flow_loads(stages: dict[str, Any], metrics: list[str]) -> None:
    class InMemorySurvey(Survey):
        def text(self, path: str) -> str:
            texts = {
                "dvc.yaml": json.dumps({"stages": stages, "metrics": metrics}),
                "params.yaml": '{"x": 1}',
                "src/a.py": "print(1)",
            }
            return texts.get(path, "")

    found = InMemorySurvey(Path("/nowhere"), frozenset({"dvc.yaml", "params.yaml", "src/a.py", "data/a.csv", "a.csv"}))
    text, remarks = draft(found, "iris", "s.json")
    problems = _problems(text)
    assert problems == [] or any("needs your hand" in remark for remark in remarks)
    # Stages that wait for each other are wrong in DVC, too.
    assert [each for each in problems if "wait for each other" not in each] == [], text


def _problems(text: str) -> list[str]:
    try:
        load(text.encode(), "flow.yaml", {}, {})
    except InputError as error:
        return str(error).splitlines()
    return []
