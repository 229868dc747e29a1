"""`uses: tuning`: from flow.yaml to the request, the state machine, its rights and a run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mlci.errors import InputError
from mlci.flow import load
from mlci.flow.models import Cell, Flow, Step
from mlci.plan.names import JobSteps, Names, run_in_names
from mlci.provision.access_requirements import access_requirements
from mlci.provision.iam_policies import policies
from mlci.provision.policy_statements import AccountScope
from mlci.provision.stack_names import ROLES
from mlci.step_types import STEP_TYPES
from mlci.step_types.tuning_ranges import combinations, parameter_ranges, range_problems
from support.aws_account import account
from support.compiled_flows import compiled, planned
from support.iam_calls import Call, arn
from support.iam_decisions import decided
from support.iam_derived import calls_of_the_workflow
from support.project import Project

FLOW = """flow: tuner
params: {deepest: 8}
steps:
  tune:
    uses: tuning
    image: "sklearn:1.2-1"
    run: train.py
    hyperparameters: {rounds: 20, title: "a b"}
    ranges:
      max_depth: {min: 2, max: "${{ params.deepest }}"}
      eta: {min: 0.01, max: 0.5, scale: log}
      booster: [gbtree, dart]
    metric_definitions: [{name: auc, regex: 'auc=([0-9.]+)'}]
    objective: {metric: auc, goal: maximize}
    max_jobs: 4
    max_parallel_jobs: 2
    seed: 7
  read:
    uses: processing
    image: "sklearn:1.2-1"
    run: read.py
    inputs:
      best: {from: "${{ steps.tune.outputs.best }}", path: best.json}
      model: {from: "${{ steps.tune.outputs.model }}", path: model}
gate:
  - {metric: tune.objective, min: 0.5}
  - {metric: tune.hyperparameters.max_depth, max: 8}
  - {metric: tune.trials.failed, max: 2}
"""
TRAIN = """
import argparse, json, os

parser = argparse.ArgumentParser()
for name in ("max_depth", "rounds"):
    parser.add_argument("--" + name, type=int)
parser.add_argument("--eta", type=float)
parser.add_argument("--booster", choices=["gbtree", "dart"])
parser.add_argument("--title")
values = vars(parser.parse_args())
assert (values["title"], values["rounds"]) == ("a b", 20), values
json.dump(values, open(os.environ["SM_MODEL_DIR"] + "/values.json", "w"))
print("auc=0.1")
print("auc={:.6f}".format(0.6 + 0.01 * values["max_depth"] + 0.1 * values["eta"]))
"""
READ = """
import json

best, model = json.load(open("best.json")), json.load(open("model/values.json"))
print("best", best["hyperparameters"], "model", model)
assert {name: model[name] for name in best["hyperparameters"]} == best["hyperparameters"]
"""
JOB = "mlci-scvx--"


def test_the_trials_are_training_jobs_with_the_keys_of_a_training_step() -> None:
    _, execution_input = compiled(FLOW)
    request = execution_input["steps"]["tune"]["request"]
    config, definition = request["HyperParameterTuningJobConfig"], request["TrainingJobDefinition"]
    assert config == {
        "Strategy": "Bayesian",
        "HyperParameterTuningJobObjective": {"MetricName": "auc", "Type": "Maximize"},
        "ResourceLimits": {"MaxParallelTrainingJobs": 2, "MaxNumberOfTrainingJobs": 4},
        "ParameterRanges": {
            "IntegerParameterRanges": [{"Name": "max_depth", "MinValue": "2", "MaxValue": "8", "ScalingType": "Auto"}],
            "ContinuousParameterRanges": [
                {"Name": "eta", "MinValue": "0.01", "MaxValue": "0.5", "ScalingType": "Logarithmic"}
            ],
            "CategoricalParameterRanges": [{"Name": "booster", "Values": ['"gbtree"', '"dart"']}],
        },
        "TrainingJobEarlyStoppingType": "Off",
        "RandomSeed": 7,
    }
    training = FLOW.replace("uses: tuning", "uses: training")
    for key in ("ranges", "objective", "max_jobs", "max_parallel_jobs", "seed"):
        training = re.sub(rf"(?m)^    {key}:.*\n(      .*\n)*", "", training)
    training = training.replace("steps.tune.outputs.best", "steps.tune.outputs.model").partition("gate:")[0]
    as_training = compiled(training)[1]["steps"]["tune"]["request"]
    # The metrics of a trial do not leave it: those of the best are in best.json.
    as_training.pop("CheckpointConfig")
    assert request["Tags"] == as_training.pop("Tags")
    assert definition.pop("StaticHyperParameters") == as_training.pop("HyperParameters")
    assert definition == as_training


def test_the_values_are_in_the_input_and_the_structure_in_the_definition() -> None:
    definition, execution_input = compiled(FLOW)
    run = "mlci/tuner/runs/20261123-101530-3f9c2a"
    step = execution_input["steps"]["tune"]
    assert (step["best"]["key"], step["metrics"]["key"]) == (f"{run}/tune/best/best.json",) * 2
    assert step["model"]["key"] == f"{run}/tune/model/model.tar.gz"
    assert step["timeout_s"] == 2 * (3_600 + 1_800) + 1_800
    states = definition["States"]
    assert states["tune"]["Resource"] == "arn:aws:states:::sagemaker:createHyperParameterTuningJob.sync"
    order = ["tune", "tune: keep the model", "tune: describe the best", "tune: keep the best"]
    assert [states[name]["Next"] for name in order] == [*order[1:], "read: reused?"]
    others = {'"gbtree"': "gblinear", "[gbtree, dart]": "[a, b, c]", "max: 0.5": "max: 0.7", "seed: 7": "seed: 8"}
    for old, new in others.items():
        assert compiled(FLOW.replace(old, new))[0] == definition, new


def test_the_request_is_one_that_aws_takes() -> None:
    import botocore.session
    from botocore.validate import ParamValidator

    text = FLOW.replace("seed: 7", "early_stopping: true\n    max_runtime: 1h30m")
    step = compiled(text)[1]["steps"]["tune"]
    model = botocore.session.get_session().get_service_model("sagemaker")
    shape = model.operation_model("CreateHyperParameterTuningJob").input_shape
    name = f"{step['job']}-28-6"
    assert len(name) <= shape.members["HyperParameterTuningJobName"].metadata["max"]
    request = {**step["request"], "HyperParameterTuningJobName": name}
    assert ParamValidator().validate(request, shape).generate_report() == ""
    config = request["HyperParameterTuningJobConfig"]
    assert config["TrainingJobEarlyStoppingType"] == "Auto"
    assert config["ResourceLimits"]["MaxRuntimeInSeconds"] == 5_400
    assert step["timeout_s"] == 5_400 + 1_800
    api = STEP_TYPES["tuning"].request
    assert api is not None
    assert set(request) <= api.task_fields


def test_request_is_merged_over_the_request_of_the_trials() -> None:
    text = FLOW.replace(
        "    seed: 7\n",
        "    request:\n      TrainingJobDefinition:\n        EnableNetworkIsolation: true\n"
        "        StaticHyperParameters: {more: '1 2'}\n        OutputDataConfig: {KmsKeyId: k}\n",
    )
    step = compiled(text)[1]["steps"]["tune"]
    definition = step["request"]["TrainingJobDefinition"]
    assert definition["StaticHyperParameters"]["sagemaker_mlci_value_more"] == "1 2"
    assert definition["InputDataConfig"][-1]["ChannelName"] == "code"
    assert step["model_key"] == "k"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('max: "${{ params.deepest }}"', "max: 2", 'flow.yaml:10:18: the range "max_depth" goes from 2 to 2'),
        ("deepest: 8", "deepest: 1", 'the range "max_depth" goes from 2 to 1'),
        ("min: 0.01", "min: 0.0", 'the scale log needs values above 0, and "eta" begins at 0.0'),
        ("scale: log", "scale: reverse-log, max_: 1", '"max_"'),
        ("scale: log", "scale: reverse_log", 'Did you mean "reverse-log"?'),
        ("[gbtree, dart]", "[gbtree, 'a b']", '"a b" does not reach the script of every image'),
        ("[gbtree, dart]", "[gbtree, gbtree]", '"gbtree" is in the range twice'),
        ("[gbtree, dart]", "[]", 'the range "booster" has no value'),
        ("[gbtree, dart]", str(list(range(31))), 'the range "booster" has 31 values. AWS allows 30'),
        ("booster:", "sagemaker_booster:", "is not a name for a tuned hyperparameter"),
        ("deepest: 8", "deepest: x", "must be an integer or a number"),
        ("rounds: 20", "eta: 0.1", '"eta" has a value in hyperparameters as well'),
        ("metric: auc, goal", "metric: acu, goal", 'the objective is "acu", which metric_definitions do not define'),
        ('image: "sklearn:1.2-1"\n    run: train', "image: xgboost:1.7-1\n    run: train", "XGBoost's metrics alone"),
        ("goal: maximize", "goal: maximise", 'Did you mean "maximize"?'),
        ("    max_jobs: 4\n", "", 'step "tune" lacks "max_jobs", the number of trials. Add max_jobs: 20'),
        ("seed: 7", "strategy: bayes", 'Did you mean "bayesian"?'),
        ("seed: 7", "strategy: grid", "the strategy grid tries lists of values, and a range is an interval"),
        ("seed: 7", "strategy: hyperband\n    early_stopping: true", "AWS takes no early_stopping with it"),
        ("seed: 7", "max_runtime: 1m", '"max_runtime" is 60 s. A tuning job may run for 2m to 30d'),
        ("seed: 7", "max_runtime: soon", "soon"),
        ("seed: 7", "metrics: model/a.json", "metrics are those of its best trial"),
        ("seed: 7", "outputs: {best: a.json}", '"best" is written by the state machine'),
        ("steps.tune.outputs.best", "steps.tune.outputs.bset", 'Its outputs are "model" and "best"'),
        ("tune.objective", "tuen.objective", 'Did you mean "tune'),
    ],
)
def test_what_is_wrong_is_refused(old: str, new: str, expected: str) -> None:
    assert old in FLOW
    with pytest.raises(InputError) as raised:
        planned(FLOW.replace(old, new))
    assert expected in str(raised.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("scale: log", "scale: linear"),
        ("metric_definitions: [{name: auc, regex: 'auc=([0-9.]+)'}]", "metric_definitions: [{name: auc, regex: auc}]"),
        ("min: 0.01, max: 0.5, scale: log", "min: 0.9, max: 0.999, scale: reverse-log"),
        ("[gbtree, dart]", "[1, 2.5, true, a/b]"),
        ("    max_jobs: 4\n", "    max_jobs: 1\n"),
        ("seed: 7", "strategy: random"),
        ("seed: 7", "strategy: hyperband"),
        ("seed: 7", "max_runtime: 30d"),
        ("seed: 7", "outputs: {model: model.txt}"),
    ],
)
def test_the_twins_of_refusals_are_accepted(old: str, new: str) -> None:
    assert old in FLOW
    planned(FLOW.replace(old, new))


def test_a_grid_counts_its_combinations() -> None:
    grid = re.sub(r"(?m)^      (max_depth|eta): .*\n", "      \\1: [1, 2, 3]\n", FLOW).replace(
        "seed: 7", "strategy: grid"
    )
    with pytest.raises(InputError, match="tries all 18 combinations, and max_jobs is 4"):
        planned(grid)
    plan = planned(grid.replace("    max_jobs: 4\n", ""))
    assert plan.steps["tune"].summary == "tuning by 18 trials (grid), 2 at once, each on ml.m5.xlarge, at most 3600 s"
    limits = plan.steps["tune"].request["HyperParameterTuningJobConfig"]["ResourceLimits"]  # type: ignore[index, call-overload]
    assert limits == {"MaxParallelTrainingJobs": 2}


ALGORITHM = """flow: tuner
steps:
  tune:
    uses: tuning
    algorithm: xgboost:1.7-1
    inputs: {train: "s3://data-bucket/train.csv", validation: "s3://data-bucket/validation.csv"}
    hyperparameters: {objective: "binary:logistic"}
    ranges:
      num_round: {min: 5, max: 30}
      booster: [gbtree, dart]
    objective: {metric: "validation:auc", goal: maximize}
    max_jobs: 5
    spot: true
    max_wait: 2h
    kms_key: k
"""


def test_an_algorithm_is_tuned_by_its_own_metrics() -> None:
    request = planned(ALGORITHM).steps["tune"].request
    config: Any = request["HyperParameterTuningJobConfig"]
    assert config["ParameterRanges"]["CategoricalParameterRanges"] == [
        {"Name": "booster", "Values": ["gbtree", "dart"]}
    ]
    definition: Any = request["TrainingJobDefinition"]
    assert definition["StaticHyperParameters"] == {"objective": "binary:logistic"}
    assert "MetricDefinitions" not in definition["AlgorithmSpecification"]
    # The keys that become a part of a training job's request are below the definition.
    assert definition["EnableManagedSpotTraining"] is True
    assert definition["StoppingCondition"] == {"MaxRuntimeInSeconds": 3_600, "MaxWaitTimeInSeconds": 7_200}
    assert definition["OutputDataConfig"]["KmsKeyId"] == "k"
    assert set(request) == {"HyperParameterTuningJobConfig", "TrainingJobDefinition", "Tags"}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("num_round:", "num_rounds:", 'xgboost needs the hyperparameter "num_round"'),
        ("      booster:", "      boster:", 'xgboost has no hyperparameter "boster"'),
        ("max_jobs: 5", "max_jobs: 5\n    args: [a]", '"algorithm" and "args" exclude each other'),
        ("max_jobs: 5", "max_jobs: 5\n    checkpoints: true", '"checkpoints" is for'),
        ("    algorithm: xgboost:1.7-1\n", "", 'lacks "run"'),
    ],
)
def test_what_an_algorithm_does_not_take_is_refused(old: str, new: str, expected: str) -> None:
    assert old in ALGORITHM
    with pytest.raises(InputError) as raised:
        planned(ALGORITHM.replace(old, new))
    assert expected in str(raised.value)


def test_ranges_become_the_apis() -> None:
    ranges: Any = {"a": {"min": 0.5, "max": 1}, "b": [True, 1]}
    assert parameter_ranges(ranges) == {
        "ContinuousParameterRanges": [{"Name": "a", "MinValue": "0.5", "MaxValue": "1", "ScalingType": "Auto"}],
        "CategoricalParameterRanges": [{"Name": "b", "Values": ["true", "1"]}],
    }
    assert list(range_problems(ranges)) == []
    assert combinations(ranges) is None
    assert len(list(range_problems({f"x{number}": [1] for number in range(31)}))) == 1


@pytest.mark.parametrize("flow", ["a", "iris", "breast-cancer-screening-nightly"])
@pytest.mark.parametrize("is_protected", [False, True])
def test_a_tuning_job_has_a_short_name_that_leads_back(flow: str, is_protected: bool) -> None:
    names, run = Names(flow, is_protected), "20261123-101530-3f9c2a"
    steps = {name: Step(name, "tuning") for name in ("tune", "tune-more")} | {"train": Step("train", "training")}
    for name in ("tune", "tune-more"):
        job = names.job(steps[name], run)
        assert len(f"{job}-28-6") <= 32
        assert job.startswith(names.short_jobs)
        kind = STEP_TYPES["tuning"].job
        assert kind is not None
        assert run_in_names(kind, run) in job
        for created in (f"{job}-0-0", f"{job}-28-6", f"{job}-0-0-012-0123abcd", f"{job}-0-0-1012-0123abcd"):
            assert JobSteps(names, steps).step_of(created) == (run, name)
    cells = [
        Step(f"tune {index}", "tuning", cell=Cell("tune", index, "", {}, (), (), "")) for index in (*range(99), 2000)
    ]
    assert len({names.job(step, run) for step in (*steps.values(), *cells)}) == len(steps) + len(cells)
    assert not Names(flow, not is_protected).short_jobs.startswith(names.short_jobs)


def test_the_roles_may_run_and_follow_the_flows_own_tuning_jobs_alone() -> None:
    scope = AccountScope("aws", "us-east-1", "000000000000", "bucket", "c", dict.fromkeys(ROLES, "arn:role"))
    text = FLOW.partition("  read:")[0]
    documents = policies(access_requirements(planned(text).flow, {}), scope)
    jobs = f"arn:aws:sagemaker:us-east-1:000000000000:hyper-parameter-tuning-job/{JOB}*"

    def granted(role: str) -> dict[str, Any]:
        return {each["Sid"]: each for each in documents[role]["Statement"]}  # type: ignore[index, attr-defined]

    workflow, build, job = granted("workflow"), granted("pull_request_build"), granted("job")
    assert workflow["CreateJobs"]["Action"] == ["sagemaker:CreateHyperParameterTuningJob"]
    assert workflow["CreateJobs"]["Resource"] == [jobs]
    assert workflow["FollowJobs"]["Resource"] == [jobs]
    assert workflow["AwaitJobs"]["Resource"] == [
        "arn:aws:events:us-east-1:000000000000:rule/StepFunctionsGetEventsForSageMakerTuningJobsRule"
    ]
    assert build["FollowJobs"]["Action"] == [
        "sagemaker:DescribeHyperParameterTuningJob",
        "sagemaker:ListTrainingJobsForHyperParameterTuningJob",
        "sagemaker:StopHyperParameterTuningJob",
    ]
    assert build["FollowJobs"]["Resource"] == [jobs]
    assert build["FindJobs"]["Action"] == ["sagemaker:ListHyperParameterTuningJobs"]
    streams = f"arn:aws:logs:us-east-1:000000000000:log-group:/aws/sagemaker/TrainingJobs:log-stream:{JOB}*"
    assert build["ReadJobLogs"]["Resource"] == [streams]
    assert job["WriteLogs"]["Resource"] == [streams]
    assert "CreateTrainingJob" not in json.dumps(documents)


def project(folder: Path) -> Project:
    made = Project(folder)
    made.write("flow.yaml", FLOW)
    made.write("train.py", TRAIN)
    made.write("read.py", READ)
    return made


def check_run(made: Project) -> None:
    result = made.result()
    assert result["status"] == "passed", result
    assert {name: step["status"] for name, step in result["steps"].items()} == dict.fromkeys(
        ("tune", "read"), "succeeded"
    )
    values = {rule["metric"]: rule["value"] for rule in result["rules"]}
    assert 0.62 <= values["tune.objective"] <= 0.75
    assert 2 <= values["tune.hyperparameters.max_depth"] <= 8
    log = made.latest("logs/tune.log")
    assert len(re.findall(r"(?m)^trial \d of 4: auc 0\.\d+, best 0\.\d+ \(", log)) == 4
    assert "[004] auc=0.1" in log
    assert "best {" in made.latest("logs/read.log")


@pytest.mark.e2e
@pytest.mark.slow
def test_the_local_cloud_tries_and_keeps_the_best(tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="the extra `tuning` is not installed")
    made = project(tmp_path)
    done = made.mlci("run")
    assert done.returncode == 0, done.stdout + done.stderr
    check_run(made)
    made.write("flow.yaml", FLOW.replace("seed: 7", "strategy: hyperband"))
    refused = made.mlci("run")
    assert refused.returncode == 2
    assert "Hyperband, which the local cloud does not do. Choose bayesian, random or grid" in refused.stderr
    made.write("flow.yaml", FLOW)
    made.write("train.py", "raise SystemExit('no such column')")
    failed = made.mlci("run")
    assert failed.returncode == 3
    assert "No training job succeeded after 4 attempts" in failed.stdout + failed.stderr
    assert "no such column" in failed.stdout + failed.stderr


@pytest.mark.e2e
@pytest.mark.slow
def test_the_aws_cloud_tries_and_keeps_the_best(tmp_path: Path) -> None:
    made = project(tmp_path / "project")
    made.write("flow.yaml", FLOW.replace("seed: 7", "strategy: random"))
    with account(tmp_path / "served", "models") as served:
        done = made.mlci("run", **served.environment)
        assert done.returncode == 0, done.stdout + done.stderr
        check_run(made)
        called = list(calls_of_the_workflow(served, made.result()["execution"]))
    flow = load(made.root.joinpath("flow.yaml").read_bytes(), "flow.yaml")
    created = [call for call in called if call.action == "sagemaker:CreateHyperParameterTuningJob"]
    assert [call.resource.startswith(arn("sagemaker", f"hyper-parameter-tuning-job/{JOB}")) for call in created] == [
        True
    ]
    assert denied(flow, called) == {"iam:PassRole"}  # the account's role is not the stack's
    other = load(FLOW.replace("flow: tuner", "flow: other").encode(), "flow.yaml")
    assert "sagemaker:CreateHyperParameterTuningJob" in denied(other, called)


def denied(flow: Flow, called: list[Call]) -> set[str]:
    """The actions among calls that the flow's policy of the state machine does not allow."""
    scope = AccountScope("aws", "us-east-1", "000000000000", "models", "c", dict.fromkeys(ROLES, "arn:role"))
    document = policies(access_requirements(flow, {}), scope)["workflow"]
    return {call.action for call in called if not decided(document, call)}
