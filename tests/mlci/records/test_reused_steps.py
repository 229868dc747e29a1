"""Reuse over many runs: whatever changes, and whatever becomes of the store, a result is that of a fresh run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlci.plan import Plan
from mlci.reuse.decisions import has_nothing_due
from support.examples import examples
from support.simulated_runs import SimulatedCloud, SimulatedProject, SimulatedStep

CHAIN = SimulatedProject(
    (
        SimulatedStep("prepare", reads_data=True),
        SimulatedStep("train", reads=(0,)),
        SimulatedStep("score", reads=(0, 1)),
    )
)
MATRIX = SimulatedProject(
    (SimulatedStep("prepare"), SimulatedStep("fold", reads=(0,), cells=2), SimulatedStep("all", reads=(1,)))
)


@st.composite
def projects(draw: st.DrawFn) -> SimulatedProject:
    steps: list[SimulatedStep] = []
    for place in range(draw(st.integers(1, 4))):
        reads = draw(st.sets(st.integers(0, place - 1), max_size=2)) if place else set()
        steps.append(
            SimulatedStep(
                f"s{place}",
                reads=tuple(sorted(reads)),
                reads_data=draw(st.booleans()),
                cells=draw(st.sampled_from([0, 0, 2])) if not any(steps[other].cells for other in reads) else 0,
            )
        )
    return SimulatedProject(tuple(steps))


def changed(project: SimulatedProject, place: int, **values: object) -> SimulatedProject:
    steps = list(project.steps)
    steps[place] = replace(steps[place], **values)  # type: ignore[arg-type]
    return replace(project, steps=tuple(steps))


def edited(draw: Callable[[st.SearchStrategy[int]], int], project: SimulatedProject, edit: str) -> SimulatedProject:
    place = draw(st.integers(0, len(project.steps) - 1))
    step = project.steps[place]
    match edit:
        case "code":
            return changed(project, place, code=draw(st.integers(0, 2)))
        case "arg":
            return changed(project, place, arg=draw(st.integers(0, 2)))
        case "data":
            return replace(project, data=draw(st.integers(0, 2)))
        case "name":
            return changed(project, place, name=f"r{draw(st.integers(0, 2))}{place}")
        case "machine":
            return changed(project, place, instance=f"ml.m5.{draw(st.integers(1, 3))}xlarge")
        case "cells" if step.cells:
            return changed(project, place, cells=draw(st.integers(2, 3)))
        case "twin":
            return changed(project, place, code=project.steps[0].code, arg=project.steps[0].arg)
    return project


def damage(draw: Callable[[st.SearchStrategy[int]], int], cloud: SimulatedCloud, kind: str) -> None:
    """Damage one object, or two: an output, or a record."""
    uris = sorted(cloud.objects)
    if not uris:
        return
    one, other = (uris[draw(st.integers(0, len(uris) - 1))] for _ in range(2))
    match kind:
        case "remove":
            del cloud.objects[one]
        case "cut":
            cloud.objects[one] = cloud.objects[one][:-1]
        case "alter":
            cloud.objects[one] = cloud.objects[one][:-1] + b"!"
        case "swap":
            cloud.objects[one], cloud.objects[other] = cloud.objects[other], cloud.objects[one]
        case "add":
            cloud.objects[f"{one.rpartition('/')[0]}/zz"] = b"more"


EDITS = ("code", "arg", "data", "name", "machine", "cells", "twin")
DAMAGES = ("remove", "cut", "alter", "swap", "add")


@given(st.data())
@settings(max_examples=examples(25), deadline=None)
def test_whatever_happened_before_a_result_is_that_of_a_fresh_run(data: st.DataObject) -> None:
    project, cloud = data.draw(projects()), SimulatedCloud()
    for _ in range(data.draw(st.integers(1, 6))):
        event = data.draw(st.sampled_from((*EDITS, *DAMAGES, "killed", "fails", "fresh")))
        if event in EDITS:
            project = edited(data.draw, project, event)
        elif event in DAMAGES:
            damage(data.draw, cloud, event)
        one = data.draw(st.sampled_from(project.steps)).name
        planned, done = cloud.run(
            project,
            is_killed=event == "killed",
            failing=[one] if event == "fails" else (),
            fresh=one if event == "fresh" else "",
        )
        fresh_cloud = SimulatedCloud()
        fresh, _ = fresh_cloud.run(project)
        for name in done:
            assert cloud.result(planned, name) == fresh_cloud.result(fresh, name), (event, name)
    cloud.run(project)
    assert has_nothing_due(cloud.run(project)[0]), "what nothing has changed of is reused"


@given(st.data())
@settings(max_examples=examples(15), deadline=None)
def test_results_that_differ_from_run_to_run_are_never_mixed(data: st.DataObject) -> None:
    project, cloud = data.draw(projects()), SimulatedCloud()
    project = replace(project, steps=tuple(replace(step, is_random=True) for step in project.steps))
    names = [step.name for step in project.steps]
    for _ in range(data.draw(st.integers(2, 6))):
        if (event := data.draw(st.sampled_from(("none", "code", *DAMAGES)))) == "code":
            project = edited(data.draw, project, event)
        else:
            damage(data.draw, cloud, event)
        planned, done = cloud.run(
            project,
            is_killed=data.draw(st.sampled_from([False, False, True])),
            failing=data.draw(st.sets(st.sampled_from(names), max_size=1)),
            fresh=data.draw(st.sampled_from(["", *names])),
        )
        for name in done:
            found = json.loads(cloud.result(planned, name)["o/a.json"])
            del found["salt"]
            assert found == json.loads(json.dumps(cloud.made_of(planned, name))), (event, name)


def reused(planned: Plan) -> set[str]:
    return set(planned.reused)


def test_a_second_run_reuses_all_that_the_first_made() -> None:
    cloud = SimulatedCloud()
    first, _ = cloud.run(CHAIN)
    second, _ = cloud.run(CHAIN)
    assert reused(first) == set()
    assert second.reused == dict.fromkeys(first.steps, first.target.run_id)
    third, _ = cloud.run(CHAIN)
    assert third.reused == second.reused, "a run that reuses leaves no records of its own"


@pytest.mark.parametrize(
    ("project", "runs"),
    [
        (changed(CHAIN, 2, code=1), {"score"}),
        (changed(CHAIN, 1, arg=5), {"train", "score"}),
        (replace(CHAIN, data=1), {"prepare", "train", "score"}),
        (changed(CHAIN, 1, instance="ml.m5.4xlarge"), set()),
        (changed(CHAIN, 0, name="clean"), set()),
    ],
)
def test_only_what_a_change_can_change_is_run(project: SimulatedProject, runs: set[str]) -> None:
    cloud = SimulatedCloud()
    cloud.run(CHAIN)
    planned, _ = cloud.run(project)
    assert planned.steps.keys() - reused(planned) == runs


def test_an_edit_that_is_taken_back_finds_the_results_of_before() -> None:
    cloud = SimulatedCloud()
    first, _ = cloud.run(CHAIN)
    cloud.run(changed(CHAIN, 1, code=1))
    assert cloud.run(CHAIN)[0].reused == dict.fromkeys(first.steps, first.target.run_id)


def test_a_run_that_fails_records_what_succeeded() -> None:
    cloud = SimulatedCloud()
    cloud.run(CHAIN, failing=["score"])
    assert reused(cloud.run(CHAIN)[0]) == {"prepare", "train"}


def test_a_run_that_was_killed_before_its_records_is_as_if_it_never_was() -> None:
    cloud = SimulatedCloud()
    cloud.run(CHAIN, is_killed=True)
    assert reused(cloud.run(CHAIN)[0]) == set()


def test_a_fresh_step_takes_what_reads_of_it_along() -> None:
    cloud = SimulatedCloud()
    first, _ = cloud.run(CHAIN)
    second, _ = cloud.run(CHAIN, fresh="train")
    assert second.reused == {"prepare": first.target.run_id}
    third, _ = cloud.run(CHAIN)
    assert third.reused == {
        "prepare": first.target.run_id,
        "train": second.target.run_id,
        "score": second.target.run_id,
    }


def test_a_step_is_not_reused_from_a_run_that_read_another_result() -> None:
    cloud, project = SimulatedCloud(), replace(CHAIN, steps=tuple(replace(s, is_random=True) for s in CHAIN.steps))
    cloud.run(project)
    second, _ = cloud.run(project, fresh="prepare", failing=["train"])
    third, _ = cloud.run(project)
    assert third.reused == {"prepare": second.target.run_id}


def test_cells_that_are_read_together_are_not_put_together_from_two_runs() -> None:
    cloud = SimulatedCloud()
    first, _ = cloud.run(MATRIX)
    del cloud.objects[f"{first.steps['fold(n=0)'].outputs['o']}a.json"]
    cloud.run(MATRIX, failing=["all"])
    third, _ = cloud.run(changed(MATRIX, 1, cells=3))
    assert third.reused == {"prepare": first.target.run_id}


@pytest.mark.parametrize("project", [CHAIN, MATRIX])
def test_a_damaged_output_is_made_again_with_what_reads_of_it(project: SimulatedProject) -> None:
    cloud = SimulatedCloud()
    first, _ = cloud.run(project)
    name = list(first.steps)[1]
    del cloud.objects[f"{first.steps[name].outputs['o']}a.json"]
    second, _ = cloud.run(project)
    assert reused(second) == {"prepare"}
    assert has_nothing_due(cloud.run(project)[0])


def test_two_runs_at_once_leave_records_that_stand_side_by_side() -> None:
    """Each finds no record of the other; whichever is newer counts, and never a mixture."""
    project = replace(CHAIN, steps=tuple(replace(step, is_random=True) for step in CHAIN.steps))
    one, other = SimulatedCloud(), SimulatedCloud(runs=1)
    plans = [one.run(project)[0], other.run(project)[0]]
    both = SimulatedCloud({**one.objects, **other.objects}, runs=2)
    third, _ = both.run(project)
    assert third.reused == dict.fromkeys(third.steps, plans[1].target.run_id)
