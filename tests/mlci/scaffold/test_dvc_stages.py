"""dvc.yaml → its stages, one by one, with variables filled in."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from mlci.scaffold.dvc_interpolation import UnknownVariable, interpolated
from mlci.scaffold.dvc_stages import DvcPipeline, DvcStage, read_pipeline

PARAMS = {"depth": 3, "model": {"lr": 0.1, "flags": {"fast": True, "slow": False}}, "datasets": ["a", "b"]}
FILES = {"params.yaml": PARAMS, "other.yaml": {"seed": 1, "depth": 5}}


def pipeline(text: str) -> DvcPipeline:
    return read_pipeline(yaml.safe_load(text), FILES.get)


def stages(text: str) -> list[DvcStage]:
    return list(pipeline(text).stages)


def test_a_stage_with_all_that_it_can_have() -> None:
    [stage] = stages("""
        stages:
          train:
            desc: Trains the model
            cmd: [python a.py, python b.py]
            wdir: model
            deps: [src, data.csv]
            params: [depth, model.lr, other.yaml: [seed], other.json:]
            outs: [model.pkl: {cache: false}, plots.png]
            metrics: [metrics.json: {cache: false}]
            plots: [roc.json: {x: fpr, y: tpr}]
            frozen: true
    """)
    assert stage == DvcStage(
        name="train",
        commands=("python a.py", "python b.py"),
        working_dir="model",
        deps=("src", "data.csv"),
        params=("params.yaml", "other.yaml", "other.json"),
        outs=("model.pkl", "plots.png", "metrics.json", "roc.json"),
        metrics=("metrics.json",),
        description="Trains the model",
        remarks=('"frozen" of the stage has no translation.',),
    )


def test_variables_come_from_params_files_and_vars() -> None:
    text = """
        vars: [other.yaml, {name: x}]
        stages:
          one: {cmd: "python a.py ${depth} ${seed} ${name} ${model.lr}"}
          two: {vars: [{name: y}], cmd: "python a.py ${name} ${model.flags}"}
    """
    assert [stage.commands for stage in stages(text)] == [("python a.py 5 1 x 0.1",), ("python a.py y --fast",)]


def test_foreach_over_a_list_and_a_map() -> None:
    text = """
        stages:
          one: {foreach: "${datasets}", do: {cmd: "python a.py ${item}", outs: ["out-${item}"]}}
          two: {foreach: {uk: {n: 1}, us: {n: 2}}, do: {cmd: "python a.py ${key} ${item.n}"}}
          three: {foreach: [{n: 1}, {n: 2}], do: {cmd: "python a.py ${item.n}"}}
    """
    assert [(stage.name, *stage.commands) for stage in stages(text)] == [
        ("one@a", "python a.py a"),
        ("one@b", "python a.py b"),
        ("two@uk", "python a.py uk 1"),
        ("two@us", "python a.py us 2"),
        ("three@0", "python a.py 1"),
        ("three@1", "python a.py 2"),
    ]


def test_a_matrix_is_each_combination() -> None:
    text = 'stages: {train: {matrix: {m: [a, b], o: [{x: 1}]}, cmd: "python a.py ${item.m} ${item.o.x} ${key}"}}'
    assert [(stage.name, *stage.commands) for stage in stages(text)] == [
        ("train@a-o0", "python a.py a 1 a-o0"),
        ("train@b-o0", "python a.py b 1 b-o0"),
    ]


def test_what_has_no_value_is_told_and_the_rest_is_translated() -> None:
    found = pipeline('stages: {one: {cmd: "python a.py ${nope.x}"}, two: {cmd: python b.py}}')
    assert [stage.name for stage in found.stages] == ["two"]
    assert found.remarks == ('The stage "one" is not translated: no variable gives ${nope.x} a value.',)


def test_too_many_stages_of_one_entry_are_told() -> None:
    found = pipeline(f'stages: {{one: {{foreach: {list(range(500))}, do: {{cmd: "python a.py ${{item}}"}}}}}}')
    assert len(found.stages) == 200
    assert "only 200" in found.remarks[0]


@pytest.mark.parametrize("document", [None, [], "x", {"stages": []}, {"stages": 1}])
def test_what_is_no_pipeline_has_no_stages(document: Any) -> None:
    assert read_pipeline(document, FILES.get) == DvcPipeline(remarks=("dvc.yaml has no stages that can be read.",))


@pytest.mark.parametrize(
    "stages", [{"a": None}, {"a": "x"}, {"a": {"cmd": None, "deps": 1, "outs": "x", "params": {}}}]
)
def test_a_stage_of_a_strange_form_is_an_empty_one(stages: Any) -> None:
    [stage] = read_pipeline({"stages": stages}, FILES.get).stages
    assert stage.commands == ()


def test_a_reference_can_be_written_literally() -> None:
    assert interpolated("\\${depth} ${depth}", PARAMS) == "${depth} 3"


@pytest.mark.parametrize("text", ["${nope}", "${model.nope}", "${datasets[7]}", "${depth.x}", "${datasets.x}"])
def test_a_reference_to_nothing(text: str) -> None:
    with pytest.raises(UnknownVariable):
        interpolated(text, PARAMS)
