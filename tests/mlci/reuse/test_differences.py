"""The words for what has changed of a step since an earlier run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from mlci.report.key_changes import changes_text
from mlci.reuse.differences import Explanation, differences, explain, step_changes
from mlci.reuse.key_document import RunKeys, StepKey


def run(software: Mapping[str, str] | None = None, **steps: dict[str, Any]) -> RunKeys:
    """Keys of steps with these ingredients; `key` is given among them."""
    found = {
        name: StepKey(
            str(parts.get("key", name)), {k: v for k, v in parts.items() if k != "key"}, {"raw": "data/x.csv"}
        )
        for name, parts in steps.items()
    }
    return RunKeys("small", found, software or {})


def changes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return list(differences("a", run(a={**old, "key": "1"}), run(a={**new, "key": "2"})))


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        (
            {"hyperparameters": {"max_depth": 4}},
            {"hyperparameters": {"max_depth": 5}},
            ["hyperparameter max_depth: 4 → 5"],
        ),
        ({}, {"hyperparameters": {"max_depth": 5}}, ["hyperparameter max_depth: new, 5"]),
        ({"hyperparameters": {"max_depth": 5}}, {}, ["hyperparameter max_depth: 5 → none"]),
        ({"hyperparameters": {"x": "5"}}, {"hyperparameters": {"x": 5}}, ['hyperparameter x: "5" → 5']),
        (
            {"code": {"a.py": "1", "b.py": "1"}},
            {"code": {"a.py": "2", "c.py": "1"}},
            ["code: a.py changed", "code: b.py is gone", "code: c.py is new"],
        ),
        (
            {"code": {"mlci_start.py": "1", "mlci_code/a.py": "1", "mlci_code/mlci_code/b.py": "1"}},
            {"code": {"mlci_start.py": "1", "mlci_code/a.py": "2"}},
            ["code: a.py changed", "code: mlci_code/b.py is gone"],
        ),
        (
            {"code": {"main.py": "1", "mlci_code/a.py": "1"}},
            {"code": {"main.py": "1", "mlci_code/a.py": "2"}},
            ["code: mlci_code/a.py changed"],
        ),
        (
            {"code": {"mlci_start.json": "1"}},
            {"code": {"mlci_start.json": "2"}},
            ["code: the script starts in another way"],
        ),
        ({"code": {"mlci_start.py": "1"}}, {"code": {"mlci_start.py": "2"}}, ["code: mlci's own part changed"]),
        ({"requirements": {"r.txt": "1"}}, {"requirements": {"r.txt": "2"}}, ["requirements: r.txt changed"]),
        ({"args": ["-x", "1"]}, {"args": ["-x", "2"]}, ["argument 2: 1 → 2"]),
        (
            {"args": ["-x"]},
            {"args": ["-x", {"${{}}": ["in=", {"input": "raw"}]}]},
            ["arguments: -x → -x in=${{ inputs.raw }}"],
        ),
        (
            {"env": {"A": "x"}},
            {"env": {"A": {"${{}}": [{"output": "o", "key": "0123456789"}]}}},
            ["variable A: x → (output o of the step 01234567)"],
        ),
        ({"image": "i:7"}, {"image": "i:8"}, ["image: i:7 → i:8"]),
        ({"image": {"digest": "1"}}, {"image": {"digest": "2"}}, ["image: what it is built from changed"]),
        ({"image": "i:7"}, {"image": {"digest": "2"}}, ["image: i:7 → one that is built from a folder"]),
        ({"request": {"A": {"B": 1}}}, {"request": {"A": {"B": 2}}}, ["request A.B: 1 → 2"]),
        ({"values": {"payload": {"x": [1]}}}, {"values": {"payload": {"x": [2]}}}, ["payload.x: [1] → [2]"]),
        ({"instance_count": 1}, {"instance_count": 2}, ["instance_count: 1 → 2"]),
        ({"inputs": {"raw": {"digest": "1"}}}, {"inputs": {"raw": {"digest": "2"}}}, ["input raw: data/x.csv changed"]),
        (
            {"inputs": {"raw": {"digest": "1"}}},
            {"inputs": {"new": {"digest": "2"}}},
            ["input new is new", "input raw is gone"],
        ),
        (
            {"inputs": {"raw": {"uri": "s3://a/b"}}},
            {"inputs": {"raw": {"uri": "s3://a/c"}}},
            ["input raw: s3://a/b → s3://a/c"],
        ),
        (
            {"inputs": {"raw": {"uri": "s3://a/b", "objects": {"x": "1"}}}},
            {"inputs": {"raw": {"uri": "s3://a/b", "objects": {"x": "2"}}}},
            ["input raw: 1 object of s3://a/b changed"],
        ),
        (
            {"inputs": {"raw": {"uri": "s3://a/b", "objects": {"x": "1", "y": "1", "z": "1"}}}},
            {"inputs": {"raw": {"uri": "s3://a/b", "objects": {"x": "2", "y": "1", "w": "1"}}}},
            ["input raw: 3 objects of s3://a/b changed"],
        ),
        (
            {"inputs": {"raw": {"uri": "s3://a/b", "objects": {"x": "1"}}}},
            {"inputs": {"raw": {"uri": "s3://a/b", "objects": {"count": 2000, "digest": "d"}}}},
            ["input raw: s3://a/b changed"],
        ),
        (
            {"inputs": {"raw": {"digest": "1"}}},
            {"inputs": {"raw": {"digest": "1", "sharded": True}}},
            ["input raw: data/x.csv, sharded: new, true"],
        ),
        ({}, {}, ["mlci itself: it runs the step in another way"]),
    ],
)
def test_a_change_in_words(old: dict[str, Any], new: dict[str, Any], lines: list[str]) -> None:
    assert changes(old, new) == lines


def test_a_step_without_a_key_is_told_so() -> None:
    before, now = run(a={"key": "1"}, b={"key": "2"}), run(a={"key": "1"})
    found = [explain(step, now, [("run-1", before)]) for step in ("a", "b")]
    assert found == [Explanation("a", "run-1"), Explanation("b", has_key=False)]
    assert changes_text(found[1:]).startswith("b: has no key, ")


def test_a_change_of_an_input_names_the_change_of_the_step_that_makes_it() -> None:
    def made(key: str, depth: int) -> RunKeys:
        return run(
            a={"key": f"a{key}", "hyperparameters": {"depth": depth, "rate": depth}},
            b={"key": f"b{key}", "inputs": {"model": {"output": "model", "key": f"a{key}"}}},
            c={"key": f"c{key}", "inputs": {"scores": {"output": "out", "key": f"b{key}"}}},
        )

    (line,) = differences("c", made("1", 4), made("2", 5))
    assert line.startswith('input scores: "out" made by step b (input model: "model" made by step a (hyperp')
    assert line.endswith("(hyperparameter depth: 4 → 5; and 1 more))")


def test_a_long_chain_with_two_ways_at_each_step_is_told_in_a_few_words() -> None:
    def chain(key: str) -> RunKeys:
        steps: dict[str, dict[str, Any]] = {"s0": {"key": f"0{key}", "args": [key]}}
        for number in range(1, 2000):
            source = {"output": "out", "key": f"{number - 1}{key}"}
            steps[f"s{number}"] = {"key": f"{number}{key}", "inputs": {"left": source, "right": source}}
        return run(**steps)

    lines = list(differences("s1999", chain("x"), chain("y")))
    assert len(lines) == 2
    assert lines[0].startswith('input left: "out" made by step s1998 (input left: "out" made by step s1997 (')
    assert '"out" made by step s1995, which has changed' in lines[0]


def test_many_changes_are_counted() -> None:
    lines = changes({"code": {f"{n:02}.py": "1" for n in range(15)}}, {"code": {f"{n:02}.py": "2" for n in range(15)}})
    assert lines[-1] == "code: 5 more files changed"
    assert len(lines) == 11


def test_software_is_named_by_its_versions() -> None:
    old = run({"python": "3.11.9", "numpy": "1.26.4"}, a={"key": "1", "software": "x"})
    new = run({"python": "3.12.3", "numpy": "1.26.4", "pandas": "2.2.0"}, a={"key": "2", "software": "y"})
    assert list(differences("a", old, new)) == ["Python: 3.11.9 → 3.12.3", "package pandas: new, 2.2.0"]


def test_the_nearest_run_has_the_fewest_changes_and_of_those_the_newest_counts() -> None:
    def depth(value: int, rate: float) -> RunKeys:
        return run(a={"key": f"{value}-{rate}", "hyperparameters": {"depth": value, "rate": rate}})

    runs = [("newest", depth(7, 0.7)), ("newer", depth(4, 0.1)), ("old", depth(6, 0.5)), ("oldest", run())]
    assert explain("a", depth(5, 0.1), runs) == Explanation("a", "newer", ("hyperparameter depth: 4 → 5",))
    assert explain("a", depth(6, 0.5), runs) == Explanation("a", "old")
    assert explain("a", depth(6, 0.5), []) == Explanation("a")


@pytest.mark.parametrize("document", [None, [], {"schema": 99, "steps": {}, "software": {}}, {"schema": 1}])
def test_a_document_that_is_damaged_has_no_keys(document: Any) -> None:
    assert RunKeys.from_json(document) is None


def test_a_document_is_read_as_it_was_written() -> None:
    keys = run({"python": "3"}, a={"key": "1", "args": ["x"]})
    assert RunKeys.from_json(keys.to_json()) == keys
    damaged = {**keys.to_json(), "steps": {"a": {"key": 1}}}
    assert RunKeys.from_json(damaged) == RunKeys("small", {}, {"python": "3"}, ("a",))  # type: ignore[arg-type]


def test_the_names_of_steps_without_a_key_are_kept_and_an_older_document_has_none() -> None:
    keys = replace(run(a={"key": "1"}), without_key=("b", "c"))
    document = keys.to_json()
    assert RunKeys.from_json(document) == keys
    del document["without_key"]
    assert RunKeys.from_json(document) == run(a={"key": "1"})


def test_steps_come_go_and_change_but_nothing_is_known_of_one_without_a_key() -> None:
    before = run(a={"key": "1", "args": ["x"]}, same={"key": "2"}, old={"key": "3"}, lost={"key": "4"})
    after = run(a={"key": "5", "args": ["y"]}, same={"key": "2"}, new={"key": "6"}, found={"key": "7"})
    before, after = replace(before, without_key=("found", "never")), replace(after, without_key=("lost", "never"))
    assert step_changes(before, after, differences) == {
        "a": ("argument 1: x → y",),
        "new": ("is new",),
        "old": ("is gone",),
    }
    assert step_changes(before, before, differences) == {}
