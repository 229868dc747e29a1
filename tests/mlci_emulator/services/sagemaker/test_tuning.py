"""Tuning jobs: real trials, their values and results, and how they end."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from mlci_emulator.jobs.tuning_request import Interval, tuning
from mlci_emulator.protocol.operations import ApiError
from mlci_emulator.services.sagemaker.tuning_search import BayesianSearch, GridSearch, RandomSearch, search_of
from support.local_jobs import FakeStopSignal, sourcedir
from support.sagemaker import REGION, SageMakerHarness, tuning_request

NOUN = "HyperParameterTuningJob"
#: The score is the depth; a depth of 3 fails, and one of 4 prints no score.
SCRIPT = """
import json, os
values = json.loads(os.environ["SM_HPS"])
assert set(values) == {"depth", "booster"} and "_tuning_objective_metric" not in values, values
open(os.environ["SM_MODEL_DIR"] + "/depth", "w").write(str(values["depth"]))
if values["depth"] == 3:
    raise SystemExit("a depth of 3")
if values["depth"] != 4:
    print("score=1\\nscore={}".format(values["depth"]))
"""


def create(sagemaker: SageMakerHarness, strategy: str, script: str = SCRIPT, **changes: Any) -> None:
    sagemaker.harness.store.put_bytes(sourcedir({"train.py": script}), "s3://b/sourcedir.tar.gz")
    created = sagemaker.call(f"Create{NOUN}", **tuning_request(strategy, **changes))
    assert created == {f"{NOUN}Arn": f"arn:aws:sagemaker:{REGION}:000000000000:hyper-parameter-tuning-job/tune"}


def grid(*depths: str) -> dict[str, Any]:
    """Return the part of a request for a grid of depths."""
    config: Any = tuning_request("Grid")[f"{NOUN}Config"]
    names = [("depth", list(depths)), ("booster", ['"a"'])]
    config["ParameterRanges"] = {"CategoricalParameterRanges": [{"Name": name, "Values": v} for name, v in names]}
    config["ResourceLimits"] = {"MaxParallelTrainingJobs": 2}
    return {f"{NOUN}Config": config}


def test_a_grid_is_tried_and_the_best_is_described(sagemaker: SageMakerHarness) -> None:
    create(sagemaker, "Grid", **grid("2", "3", "4", "5"))
    ended = sagemaker.wait_for_end(NOUN, "tune")
    assert ended[f"{NOUN}Status"] == "Completed"
    assert ended["TrainingJobStatusCounters"] == {
        "Completed": 3,
        "InProgress": 0,
        "RetryableError": 0,
        "NonRetryableError": 1,
        "Stopped": 0,
    }
    assert ended["ObjectiveStatusCounters"] == {"Succeeded": 2, "Pending": 0, "Failed": 2}
    best = ended["BestTrainingJob"]
    assert best["TunedHyperParameters"] == {"depth": "5", "booster": '"a"'}
    assert best["FinalHyperParameterTuningJobObjectiveMetric"] == {
        "Type": "Maximize",
        "MetricName": "score",
        "Value": 5.0,
    }
    described = sagemaker.describe("TrainingJob", best["TrainingJobName"])
    assert described["TuningJobArn"] == ended[f"{NOUN}Arn"]
    assert described["HyperParameters"]["_tuning_objective_metric"] == "score"
    assert sagemaker.harness.store.open(described["ModelArtifacts"]["S3ModelArtifacts"]).read(2) == b"\x1f\x8b"
    validate("Describe" + NOUN, ended)


def test_the_trials_are_listed(sagemaker: SageMakerHarness) -> None:
    create(sagemaker, "Grid", **grid("2", "3", "5"))
    sagemaker.wait_for_end(NOUN, "tune")
    operation, name = "ListTrainingJobsForHyperParameterTuningJob", {f"{NOUN}Name": "tune"}
    listed = sagemaker.call(operation, **name)
    validate(operation, listed)
    assert [each["TrainingJobName"][:9] for each in listed["TrainingJobSummaries"]] == [
        f"tune-00{number}-" for number in (1, 2, 3)
    ]
    failed = sagemaker.call(operation, StatusEquals="Failed", **name)["TrainingJobSummaries"]
    assert [each["ObjectiveStatus"] for each in failed] == ["Failed"]
    assert "a depth of 3" in failed[0]["FailureReason"]
    page = sagemaker.call(operation, SortBy="FinalObjectiveMetricValue", SortOrder="Descending", MaxResults=1, **name)
    assert [each["TunedHyperParameters"]["depth"] for each in page["TrainingJobSummaries"]] == ["5"]
    following = sagemaker.call(
        operation,
        SortBy="FinalObjectiveMetricValue",
        SortOrder="Descending",
        MaxResults=1,
        NextToken=page["NextToken"],
        **name,
    )
    assert [each["TunedHyperParameters"]["depth"] for each in following["TrainingJobSummaries"]] == ["2"]
    assert "NextToken" not in following
    jobs = sagemaker.call(f"List{NOUN}s", NameContains="un")
    validate(f"List{NOUN}s", jobs)
    assert [each["Strategy"] for each in jobs[f"{NOUN}Summaries"]] == ["Grid"]
    with pytest.raises(ApiError):
        sagemaker.call(operation, **{f"{NOUN}Name": "other"})


def test_one_that_minimizes_takes_the_smallest(sagemaker: SageMakerHarness) -> None:
    changes = grid("2", "5")
    changes[f"{NOUN}Config"]["HyperParameterTuningJobObjective"]["Type"] = "Minimize"
    create(sagemaker, "Grid", **changes)
    assert sagemaker.wait_for_end(NOUN, "tune")["BestTrainingJob"]["TunedHyperParameters"]["depth"] == "2"


def test_it_fails_where_no_trial_succeeds(sagemaker: SageMakerHarness) -> None:
    create(sagemaker, "Random", "raise SystemExit('no such column')")
    ended = sagemaker.wait_for_end(NOUN, "tune")
    assert ended[f"{NOUN}Status"] == "Failed"
    assert ended["FailureReason"].startswith("No training job succeeded after 4 attempts.")
    assert "no such column" in ended["FailureReason"]
    assert "BestTrainingJob" not in ended


def test_a_stopped_tuning_job_stops_its_trials(sagemaker: SageMakerHarness) -> None:
    create(sagemaker, "Random", "import time\ntime.sleep(60)")
    sagemaker.wait_until(NOUN, "tune", lambda described: described["TrainingJobStatusCounters"]["InProgress"])
    sagemaker.call(f"Stop{NOUN}", **{f"{NOUN}Name": "tune"})
    ended = sagemaker.wait_for_end(NOUN, "tune")
    assert ended[f"{NOUN}Status"] == "Stopped"
    assert ended["TrainingJobStatusCounters"]["InProgress"] == 0
    assert ended["TrainingJobStatusCounters"]["Stopped"] >= 1


def test_a_task_that_is_stopped_stops_the_tuning_job(sagemaker: SageMakerHarness) -> None:
    sagemaker.harness.store.put_bytes(sourcedir({"train.py": "import time\ntime.sleep(60)"}), "s3://b/sourcedir.tar.gz")
    stop = FakeStopSignal()
    timer = threading.Timer(1.0, stop.set)
    timer.start()
    described = sagemaker.service.run_to_end(
        f"Create{NOUN}", tuning_request("Random"), REGION, stop, lambda answer: None
    )
    timer.join()
    assert described[f"{NOUN}Status"] in ("Stopping", "Stopped")
    ended = sagemaker.wait_for_end(NOUN, "tune")
    assert ended["TrainingJobStatusCounters"]["InProgress"] == 0


def test_hopeless_trials_are_stopped_early(sagemaker: SageMakerHarness) -> None:
    script = """
import json, os, time
depth = json.loads(os.environ["SM_HPS"])["depth"]
for epoch in range(1 if depth < 9 else 100):
    print("score={}".format(depth if depth < 9 else 0), flush=True)
    time.sleep(0.1)
"""
    changes = grid("2", "3", "4", "9")
    changes[f"{NOUN}Config"]["TrainingJobEarlyStoppingType"] = "Auto"
    changes[f"{NOUN}Config"]["ResourceLimits"]["MaxParallelTrainingJobs"] = 1
    create(sagemaker, "Grid", script, **changes)
    ended = sagemaker.wait_for_end(NOUN, "tune")
    assert ended["TrainingJobStatusCounters"]["Stopped"] == 1
    assert ended["BestTrainingJob"]["TunedHyperParameters"]["depth"] == "4"


def test_the_logs_are_those_of_the_trials(sagemaker: SageMakerHarness) -> None:
    create(sagemaker, "Grid", **grid("2", "5"))
    sagemaker.wait_for_end(NOUN, "tune")
    logs = list(sagemaker.service.log_files())
    assert {log.group for log in logs} == {"/aws/sagemaker/TrainingJobs"}
    assert sorted(log.stream[:9] for log in logs) == ["tune-001-", "tune-002-"]


def test_the_same_seed_draws_the_same_values() -> None:
    def drawn(seed: int) -> list[Any]:
        search = RandomSearch(tuning(tuning_request("Random", seed=seed)))
        return [search.next(number) for number in range(1, 5)]

    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)


@pytest.mark.parametrize("strategy", ["Random", "Bayesian"])
@pytest.mark.parametrize("scale", ["Linear", "Logarithmic", "ReverseLogarithmic"])
def test_values_lie_in_their_ranges(strategy: str, scale: str) -> None:
    pytest.importorskip("optuna", reason="the extra `tuning` is not installed")
    config: Any = tuning_request(strategy, seed=1)[f"{NOUN}Config"]
    interval = {"Name": "eta", "MinValue": "0.01", "MaxValue": "0.99", "ScalingType": scale}
    config["ParameterRanges"]["ContinuousParameterRanges"] = [interval]
    request = tuning(tuning_request(strategy, **{f"{NOUN}Config": config}))
    assert Interval("eta", 0.01, 0.99, False, scale) in request.ranges
    search = search_of(request)
    etas = []
    for number in range(1, 21):
        values = search.next(number)
        assert values is not None
        etas.append(json.loads(values["eta"]))
        assert json.loads(values["depth"]) in range(2, 9)
        assert values["booster"] in ('"a"', '"b"')
        search.tell(number, etas[-1])
    assert all(0.01 <= eta <= 0.99 for eta in etas)


def test_a_bayesian_search_finds_more_than_chance() -> None:
    pytest.importorskip("optuna", reason="the extra `tuning` is not installed")
    config: Any = tuning_request("Bayesian", seed=3)[f"{NOUN}Config"]
    config["ParameterRanges"] = {
        "ContinuousParameterRanges": [{"Name": name, "MinValue": "0.0", "MaxValue": "1.0"} for name in ("x", "y")]
    }
    config["ResourceLimits"]["MaxNumberOfTrainingJobs"] = 40
    request = tuning(tuning_request("Bayesian", **{f"{NOUN}Config": config}))
    late: dict[type, float] = {}
    for kind in (RandomSearch, BayesianSearch):
        search, scores = kind(request), []
        for number in range(1, 41):
            values = search.next(number) or {}
            scores.append(-((float(values["x"]) - 0.3) ** 2) - (float(values["y"]) - 0.8) ** 2)
            search.tell(number, scores[-1] if number % 7 else None)
        late[kind] = sum(scores[-20:]) / 20
    assert late[BayesianSearch] > 0.5 * late[RandomSearch]


def test_a_grid_ends() -> None:
    request = tuning(tuning_request("Grid", **grid("2", "3")))
    search = GridSearch(request)
    assert [search.next(number) for number in (1, 2, 3)] == [
        {"depth": "2", "booster": '"a"'},
        {"depth": "3", "booster": '"a"'},
        None,
    ]


def validate(operation: str, response: dict[str, Any]) -> None:
    """Compare a response with botocore's model: no field that it lacks, none missing."""
    import botocore.session
    from botocore.validate import ParamValidator

    model = botocore.session.get_session().get_service_model("sagemaker")
    shape = model.operation_model(operation).output_shape
    assert ParamValidator().validate(response, shape).generate_report() == ""
    assert set(response) <= set(shape.members)
