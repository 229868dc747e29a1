"""The parts that all types of SageMaker jobs share: keys, a request's common fields, states and rights.

The numbers are those of the SageMaker API model that botocore carries (sagemaker/2017-07-24/service-2.json), which the
API reference repeats: https://docs.aws.amazon.com/sagemaker/latest/APIReference/Welcome.html. Account quotas that are
lower, and that AWS raises on request, are left to AWS.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from mlci.step_types.base import JobType, ResolvedStep
from mlci.step_types.grants import Grant, Grants
from mlci.step_types.keys import Json, Key, NameRule
from mlci.step_types.states import SAGEMAKER_RETRIES, SAGEMAKER_TRANSIENT_ERRORS, StepPaths, TaskState, attempt_counters

DAY_S = 86_400
DEFAULT_INSTANCE = "ml.m5.xlarge"
#: Instance types are many and grow monthly, so only their form is checked.
INSTANCE_TYPE = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9-]+")
#: What a task may take beyond its job's own limit: AWS looks for a machine, pulls the image, moves the data.
PROVISIONING_S = 1_800

_CHANNEL_WORDS = "letters, digits, ., - and _, beginning with a letter or digit"
#: Channel, https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Channel.html; used for every input and output,
#: because each is also a folder's name.
INPUT_NAME = NameRule("an input", re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*"), 64, _CHANNEL_WORDS)
#: The output of mlci's own that holds a step's metrics.
METRICS_OUTPUT = "mlci-metrics"
OUTPUT_NAME = replace(INPUT_NAME, kind="an output", reserved=frozenset([METRICS_OUTPUT]))

IMAGE = Key(
    "image",
    "image",
    "The container image: framework:version (xgboost:1.7-1), a full image URI, or build: <folder of a Dockerfile> for "
    "an image that the run builds.",
    examples=("xgboost:1.7-1", {"build": "docker/train"}),
    in_defaults=True,
    # AppSpecification, https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_AppSpecification.html
    max_chars=255,
)
INSTANCE = Key(
    "instance",
    "text",
    f"The instance type, {DEFAULT_INSTANCE} by default.",
    examples=(DEFAULT_INSTANCE,),
    in_defaults=True,
    default=DEFAULT_INSTANCE,
    pattern=rf"^{INSTANCE_TYPE.pattern}$|\$\{{\{{",
)
INSTANCE_COUNT = Key(
    "instance_count",
    "integer",
    "The number of instances that the job runs on, 1 by default.",
    in_defaults=True,
    default=1,
    minimum=1,
)
VOLUME_GB = Key(
    "volume_gb",
    "integer",
    "The disk of each instance in GB, 30 by default.",
    in_defaults=True,
    default=30,
    # ProcessingClusterConfig, https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingClusterConfig.html
    minimum=1,
    maximum=16_384,
)
TIMEOUT = Key(
    "timeout",
    "duration",
    "The longest time that the job may run, or that an approval waits: 90s, 30m, 2h, 1h30m or 1d; 1h by default.",
    examples=("30m", "1h30m"),
    in_defaults=True,
    default="1h",
    pattern=r"^(?=.)(\d+d)?(\d+h)?(\d+m)?(\d+s)?$|\$\{\{",
)
ENV = Key(
    "env",
    "map of scalars",
    "Environment variables. A step's own are added to those of defaults, and win. The one place for "
    "${{ secrets.<name> }}.",
    in_defaults=True,
    takes_outputs=True,
    max_items=100,
)
INCLUDE = Key(
    "include",
    "texts",
    "Globs of files to send along with the script and what it imports, relative to this file. A file that git ignores "
    "needs its own name.",
    in_defaults=True,
)
#: The value of `requirements` that installs nothing.
NO_REQUIREMENTS = "none"
REQUIREMENTS = Key(
    "requirements",
    "text",
    "The requirements file of pip that the job installs before its script starts, relative to this file; none for "
    "nothing. A training step installs the requirements.txt beside its script by default, as SageMaker does.",
    examples=("requirements.txt", NO_REQUIREMENTS),
    in_defaults=True,
)
RUN = Key(
    "run",
    "text",
    "What starts: a script (.py, .sh, or with a first line #!), relative to this file or to source; -m <module>, as "
    "python -m; or a program of the image, by its name alone. Without it, an image of one's own starts by itself.",
    examples=("src/train.py", "-m package.train"),
)
ARGS = Key(
    "args",
    "scalars",
    "The script's arguments. In a processing step, ${{ inputs.<name> }} and ${{ outputs.<name> }} give paths inside "
    "the container; in a training step, arguments come before those that hyperparameters make.",
    examples=(["--epochs", 3, "model.depth=6"],),
    takes_outputs=True,
)
WORKING_DIR = Key(
    "working_dir",
    "text",
    "The folder that the script starts in, relative to this file; the repository's root by default.",
    examples=(".",),
    in_defaults=True,
)
SOURCE = Key(
    "source",
    "text",
    "A folder that is sent whole, but for files that git ignores. run is relative to it, and it is the working folder.",
    examples=("code",),
    in_defaults=True,
)
INPUTS = Key(
    "inputs",
    "map of sources",
    "What the step reads, by name: a path in the repository, an s3:// URI, or "
    "${{ steps.<step>.outputs.<output> }}. For training, each is a channel. With from and path, it is linked to a path "
    "that the script reads; with content_type, a channel has that type.",
    takes_outputs=True,
    names=INPUT_NAME,
)
METRICS = Key(
    "metrics",
    "text, texts or map of texts",
    "The files with the step's metrics: a path or glob in an output (evaluation/metrics.json), in the script's working "
    "folder, or below /opt/ml. JSON, YAML, or CSV of one row; of several, the top-level names are put together. "
    "{train: a.json} puts a file's metrics under a name.",
    examples=("evaluation/metrics.json", ["reports/a.json", "reports/b.csv"], {"train": "train.json"}),
)
METRIC_DEFINITIONS = Key(
    "metric_definitions",
    "metric definitions",
    "Metrics in the lines that the script prints, by a name and a regular expression; the last match counts.",
    examples=([{"name": "val_loss", "regex": "val_loss=([0-9.]+)"}],),
    # AlgorithmSpecification and MetricDefinition in CreateTrainingJob.
    max_items=40,
    max_chars=500,
)
CASES = Key(
    "cases",
    "text",
    "The table of the cases that the step tested, a .csv or .parquet file in an output: id, label, predicted, and "
    "where there are some score, baseline_predicted, baseline_score, and columns to slice by.",
    examples=("evaluation/cases.csv",),
)
TRAINED_ON = Key(
    "trained_on",
    "text",
    "The ids that the model was trained on, column id of a .csv or .parquet file: in an output of a processing step, "
    "or in an input of a training step. A case that a compared model was trained on is an error of the gate.",
    examples=("split/train-ids.csv", "train/train.parquet"),
)
PLOTS = Key(
    "plots",
    "texts",
    "The files in outputs that the report shows as plots, beside those of the baseline: pictures (.png, .svg), or "
    "columns of numbers (.csv, .json), of which the first, or the one called x, is the horizontal axis.",
    examples=(["evaluation/importance.png", "evaluation/learning.csv"],),
)
REUSE = Key(
    "reuse",
    "reuse",
    "True by default: where nothing that can change the step's result has changed, it takes the result of an earlier "
    "run. false runs it each time, and what reads of it; {max_age: 7d} takes results that are not older.",
    examples=(False, {"max_age": "7d"}),
    in_defaults=True,
)
REQUEST = Key("request", "json", "Merged over the request of the AWS API, for whatever mlci has no key for.")


def env(max_chars: int) -> Key:
    """Return the key `env` with the limit of names and values that one type of job has."""
    # ProcessingEnvironmentKey and TrainingEnvironmentKey.
    pattern, allowed = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*"), "letters, digits and _, beginning with a letter or _"
    names = NameRule("an environment variable", pattern, max_chars, allowed)
    return replace(ENV, max_chars=max_chars, names=names)


def distribution(step: ResolvedStep, name: str) -> str:
    """Return how the objects of an input get to several instances: a part to each, or all to each."""
    return "ShardedByS3Key" if name in step.sharded_inputs else "FullyReplicated"


def cluster(step: ResolvedStep) -> dict[str, Json]:
    """Return a request's machines."""
    return {"InstanceCount": step.instance_count, "InstanceType": step.instance, "VolumeSizeInGB": step.volume_gb}


def common_fields(step: ResolvedStep) -> dict[str, Json]:
    """Return the fields that the requests of all jobs have: the role, the time limit and the tags."""
    return {
        "RoleArn": step.role,
        "StoppingCondition": {"MaxRuntimeInSeconds": step.timeout_s},
        "Tags": [{"Key": key, "Value": value} for key, value in step.tags.items()],
    }


def execution_input(step: ResolvedStep, request: Mapping[str, Json]) -> dict[str, Json]:
    """Return the values that the state of a job reads, beside its request."""
    return {
        "job": step.job,
        "attempt": attempt_counters(SAGEMAKER_RETRIES),
        "timeout_s": time_limit_s(step, request) + PROVISIONING_S,
    }


def time_limit_s(step: ResolvedStep, request: Mapping[str, Json]) -> int:
    """Return the seconds that a job may wait and run, according to its request.

    MaxWaitTimeInSeconds includes the run of a spot job, and MaxPendingTimeInSeconds does not.

    Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StoppingCondition.html
    """
    condition = request.get("StoppingCondition")
    seconds = {
        name: value
        for name, value in (condition.items() if isinstance(condition, dict) else ())
        if isinstance(value, int) and not isinstance(value, bool)
    }
    run_s = max(seconds.get("MaxRuntimeInSeconds", step.timeout_s), seconds.get("MaxWaitTimeInSeconds", 0))
    return run_s + seconds.get("MaxPendingTimeInSeconds", 0)


def task(job: JobType, paths: StepPaths, keeps: Mapping[str, str]) -> TaskState:
    """Return the state that runs a job and waits for its end, each attempt under a fresh name."""
    name = f"States.Format('{{}}-{{}}-{{}}', {paths.input}.job, {paths.input}.attempt.number, $$.State.RetryCount)"
    return TaskState(
        title="",
        resource=f"arn:aws:states:::sagemaker:{job.task_resource}.sync",
        parameters={
            f"{job.name_field}.$": name,
            **paths.request_parameters,
        },
        transient_errors=SAGEMAKER_TRANSIENT_ERRORS,
        failure_title="failed",
        keeps=keeps,
        timeout_path=f"{paths.input}.timeout_s",
        retries=SAGEMAKER_RETRIES,
        attempt_path=f"{paths.input}.attempt",
        name_field=job.name_field,
    )


def summary(kind: str, step: ResolvedStep, request: Mapping[str, Json]) -> str:
    """Return a job in a line: its type, its machines and its time limit."""
    count = f"{step.instance_count} × " if step.instance_count > 1 else ""
    spot = " (spot)" if request.get("EnableManagedSpotTraining") is True else ""
    return f"{kind} on {count}{step.instance}{spot}, at most {time_limit_s(step, request):g} s"


def grants(job: JobType, *workflow: Grant) -> Grants:
    """Return the rights to run a job, to follow it and to be it; `workflow` adds to those of the state machine.

    Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html; `.sync`:
    https://docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html
    """
    # SageMaker writes the names of jobs in lower case where it makes ARNs of them.
    places = ("jobs", "jobs_lower") if job.jobs_placeholder == "jobs" else (job.jobs_placeholder,)
    jobs = tuple(f"sagemaker:{job.arn_resource}/{{{place}}}*" for place in places)
    follow = (f"sagemaker:Describe{job.noun}", f"sagemaker:Stop{job.noun}")
    group, streams = f"logs:log-group:{job.log_group}", f"logs:log-group:{job.log_group}:log-stream:{{{places[0]}}}*"
    return Grants(
        build=(
            Grant("FollowJobs", follow, jobs),
            # The list of the jobs that run can be restricted to no job.
            Grant("FindJobs", (f"sagemaker:List{job.noun}s",), ("*",)),
            Grant("FindJobLogs", ("logs:DescribeLogStreams",), (f"{group}:*",)),
            Grant("ReadJobLogs", ("logs:GetLogEvents",), (streams,)),
        ),
        workflow=(
            Grant("CreateJobs", (f"sagemaker:Create{job.noun}",), jobs, joins_network=True),
            Grant("FollowJobs", ("sagemaker:AddTags", "sagemaker:ListTags", *follow), jobs),
            Grant(
                "AwaitJobs",
                ("events:DescribeRule", "events:PutRule", "events:PutTargets"),
                (f"events:rule/{job.events_rule}",),
            ),
            *workflow,
        ),
        job=(
            Grant("FindLogs", ("logs:CreateLogGroup", "logs:DescribeLogStreams"), (group, f"{group}:*")),
            Grant("WriteLogs", ("logs:CreateLogStream", "logs:PutLogEvents"), (streams,)),
            Grant(
                "MeasureMachines",
                ("cloudwatch:PutMetricData",),
                ("*",),
                {"StringEquals": {"cloudwatch:namespace": (job.log_group,)}},
            ),
        ),
        passes_role_to="sagemaker.amazonaws.com",
    )
