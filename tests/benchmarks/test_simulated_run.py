from __future__ import annotations

import json
from dataclasses import replace

import pytest

from published_figures import Figures, read_figures
from simulated_run import CALLS_BEFORE, Work, build_dollars, simulate, simulate_one_machine

PROCESSING = "arn:aws:states:::sagemaker:createProcessingJob.sync"


def work_of(resource: str = PROCESSING) -> Work:
    is_reused = {"Variable": "$.steps.clean.reused", "BooleanEquals": True, "Next": "report"}
    states = {
        "clean: reused?": {"Type": "Choice", "Choices": [is_reused], "Default": "clean"},
        "clean": {"Type": "Task", "Resource": resource, "ResultPath": None, "Next": "report"},
        "report": {"Type": "Task", "Resource": resource, "End": True},
    }
    steps = {"steps": {"clean": {"reused": False}, "report": {"reused": False}}}
    definition = {"StartAt": "clean: reused?", "States": states}
    return Work(json.dumps(definition), json.dumps(steps), {"clean": 10.0, "report": 20.0})


@pytest.fixture
def figures() -> Figures:
    """The figures of the file, and round ones for what the tests compute with."""
    values = {"processing_start": 100, "job_event": 1, "aws_call": 0, "image_pull": 30, "install": 60}
    return read_figures().with_values(values)


def test_counts_the_parts_of_a_build(figures: Figures) -> None:
    parts = simulate(work_of(), figures).parts
    assert parts["instances"] == 200
    assert parts["scripts"] == 30
    assert parts["judging"] == 2
    assert parts["install"] == 60
    assert parts["mlci"] == figures["mlci_start"] + CALLS_BEFORE * figures["aws_call"]
    assert 0 <= parts["polling"] <= 15


def test_takes_no_time_for_a_reused_step(figures: Figures) -> None:
    parts = simulate(replace(work_of(), reused=frozenset({"clean"})), figures).parts
    assert (parts["instances"], parts["scripts"]) == (100, 20)


def test_starts_nothing_where_all_steps_are_reused(figures: Figures) -> None:
    verdict = simulate(replace(work_of(), reused=frozenset({"clean", "report"})), figures)
    assert verdict.parts["instances"] == verdict.parts["judging"] == verdict.parts["polling"] == 0
    assert verdict.dollars_by["transitions"] == 0


def test_bills_instances_from_the_pull_of_the_image(figures: Figures) -> None:
    dollars = simulate(work_of(), figures.with_values({"instance_hour_usd": 3600})).dollars_by
    assert dollars["instances"] == 30 + 10 + 30 + 20
    assert dollars["transitions"] == 3 * figures["transition_usd"]


def test_one_machine_waits_for_no_instance(figures: Figures) -> None:
    verdict = simulate_one_machine({"clean": 10.0, "report": 20.0}, figures)
    assert verdict.parts["scripts"] == 30
    assert verdict.parts["instances"] == 0


def test_bills_each_minute_that_has_begun() -> None:
    assert [build_dollars(seconds, 1) for seconds in (1, 60, 61)] == [1, 1, 2]


def test_fails_at_a_task_that_it_does_not_know(figures: Figures) -> None:
    with pytest.raises(RuntimeError, match=r"this simulation has no .*glue:startJobRun"):
        simulate(work_of("arn:aws:states:::glue:startJobRun.sync"), figures)


def test_starts_sooner_on_a_warm_pool_and_pays_for_it(figures: Figures) -> None:
    request = {"ResourceConfig": {"KeepAlivePeriodInSeconds": 1800}}
    resource = "arn:aws:states:::sagemaker:createTrainingJob.sync"
    state = {"Type": "Task", "Resource": resource, "Parameters": request, "End": True}
    work = Work(json.dumps({"StartAt": "train", "States": {"train": state}}), "{}", {"train": 10.0})
    figures = figures.with_values({"training_instances": 120, "warm_instances": 20, "instance_hour_usd": 3600})
    cold, warm = simulate(work, figures), simulate(replace(work, has_warm_pool=True), figures)
    assert (cold.parts["instances"], warm.parts["instances"]) == (120, 20)
    assert cold.dollars_by["warm_pools"] == warm.dollars_by["warm_pools"] == 1800


def test_runs_a_script_in_the_build_without_waiting_for_an_instance(figures: Figures) -> None:
    resource = "arn:aws:states:::aws-sdk:s3:putObject.waitForTaskToken"
    state = {"Type": "Task", "Resource": resource, "Parameters": {"Body.$": "$$.Task.Token"}, "End": True}
    definition = json.dumps({"StartAt": "clean", "States": {"clean": state}})
    verdict = simulate(Work(definition, "{}", {"clean": 10.0}), figures)
    assert (verdict.parts["instances"], verdict.parts["scripts"]) == (0, 10)
    assert verdict.dollars_by["instances"] == 0
    assert verdict.parts["polling"] <= 4
