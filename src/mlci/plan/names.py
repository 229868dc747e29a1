"""Names of runs, jobs and objects: unique where AWS wants them unique, and never shared by two runs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime

from mlci.flow.models import Step
from mlci.plan.short_names import base36, decode_run, encode_run, short_digest
from mlci.step_types import STEP_TYPES
from mlci.step_types.base import JobType
from mlci_dataclasses import dataclass

#: Job names are at most 63 of [a-zA-Z0-9-]; the state machine appends `-<attempt>-<retry>`, at most six characters.
#: Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html
JOB_NAME_MAX_CHARS = 63
_ATTEMPT_MAX_CHARS = 6
_FLOW_MAX_CHARS = 18
#: The parts of the names of tuning jobs, beside the run's 11 characters, and `-28-6` at most, which the state machine
#: appends: 28 attempts as the retry rules of jobs count them, and 6 retries of each. That of a cell is two and two.
#: Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateHyperParameterTuningJob.html (at most 32)
_SHORT_FLOW_CHARS, _SHORT_STEP_CHARS = 4, 4
#: The training jobs of a tuning job add this to its name, which the attempt ends.
_TRIAL = re.compile(r"-\d{3,}-[0-9a-f]{8}$")
#: The folder of a step's collected metrics, beside its outputs: no output's name begins like this.
METRICS_FOLDER = "_metrics"
#: The folder of a training job's checkpoints, which its metrics are then below.
CHECKPOINTS_FOLDER = "_checkpoints"
#: The tags of the resources that mlci creates.
FLOW_TAG, REPOSITORY_TAG, VERSION_TAG = "mlci:flow", "mlci:repository", "mlci:version"
#: Those of jobs, beside the flow's.
RUN_TAG, STEP_TAG, CELL_TAG = "mlci:run", "mlci:step", "mlci:cell"


#: The name of a job, which ends in its attempt, or of something else that a run creates, which does not.
_RUN_NAME = re.compile(r"(?P<base>.*-(?P<run>\d{8}-\d{6}-[0-9a-f]{6}))(-\d+-\d+)?")


@dataclass(frozen=True)
class Names:
    """The names of what a flow's runs create.

    Protected runs share no name with the others, so that a role can have the ones and not the others: a pull request
    could otherwise stage code under the hash that the base branch's build will look for, start a version of the base
    branch's state machine with an input of its own, or overwrite metrics before they are read.

    Each name that others follow is one that no other flow's names begin with: a policy may end it in `*`.
    """

    flow: str
    is_protected: bool = False

    @property
    def machine(self) -> str:
        """The state machine. No flow's name has an underscore."""
        return f"mlci-{self.flow}_protected" if self.is_protected else f"mlci-{self.flow}"

    @property
    def prefix(self) -> str:
        """The prefix in the bucket of all that runs stage and write."""
        return f"mlci/{self.flow}/protected" if self.is_protected else f"mlci/{self.flow}"

    @property
    def images(self) -> str:
        """The repository of the images that are built.

        The names of repositories are in lower case; that of a flow which is not ends in its hash.

        Source: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html (repositoryName)

        >>> Names("iris").images, Names("iris", is_protected=True).images
        ('mlci-iris', 'mlci-iris_protected')
        """
        plain = re.sub(r"[^a-z0-9]+", "-", self.flow.lower()).strip("-")
        digits = "" if plain == self.flow else "-" + hashlib.sha256(self.flow.encode()).hexdigest()[:4]
        return f"mlci-{plain}{digits}{'_protected' if self.is_protected else ''}"

    def code(self, digest: str) -> str:
        return f"{self.prefix}/code/{digest}"

    def requests(self, digest: str) -> str:
        """Return the key of a file of steps' requests. It lies beside code, where no job can write."""
        return f"{self.code(digest)}/requests.json"

    def data(self, digest: str) -> str:
        return f"{self.prefix}/data/{digest}"

    def definition(self, digest: str) -> str:
        """Return the key of the compiled definition with this hash of what it was compiled from."""
        return f"{self.prefix}/definitions/{digest}.json"

    def run(self, run: str) -> str:
        return f"{self.prefix}/runs/{run}"

    def reports(self, build: str) -> str:
        """Return the folder of the reports of a build.

        >>> Names("iris").reports("mlci-iris-pull-request:8f2c")
        'mlci/iris/reports/mlci-iris-pull-request:8f2c'
        """
        return f"{self.prefix}/reports/{build}"

    def report_page(self, build: str) -> str:
        """Return the key of the page among the reports of a build.

        >>> Names("iris").report_page("mlci-iris-pull-request:8f2c")
        'mlci/iris/reports/mlci-iris-pull-request:8f2c/report.html'
        """
        return f"{self.reports(build)}/report.html"

    @property
    def records(self) -> str:
        """The prefix of the records of steps."""
        return f"{self.prefix}/records"

    def record(self, key: str, run: str) -> str:
        """Return the key of a run's record of a step that has this key.

        >>> Names("iris").record("5fd1", "20261123-101530-3f9c2a")
        'mlci/iris/records/5fd1/20261123-101530-3f9c2a.json'
        """
        return f"{self.records}/{key}/{run}.json"

    def kept_outputs(self, run: str) -> str:
        """Return the folder of the outputs of a run that records name: they outlive the run's own."""
        return f"{self.records}/outputs/{run}"

    @property
    def tokens(self) -> str:
        """The prefix of task tokens. Whoever can read it can complete the tasks that wait."""
        return f"{self.prefix}/tokens"

    def token(self, step: str, run: str) -> str:
        """Return the key of the token of a step, or of a cell.

        >>> Names("iris").token("approve", "20261123-101530-3f9c2a")
        'mlci/iris/tokens/20261123-101530-3f9c2a/approve.json'
        """
        return f"{self.tokens}/{run}/{step}.json"

    def gate_tokens(self, run: str) -> str:
        """Return the folder of the tokens of the states that ask mlci for the verdict. No step's name begins like this.

        >>> Names("iris").gate_tokens("20261123-101530-3f9c2a")
        'mlci/iris/tokens/20261123-101530-3f9c2a/_gate'
        """
        return f"{self.tokens}/{run}/_gate"

    def build_logs(self, run: str) -> str:
        """Return the folder of the logs of jobs that the build ran itself. No step's name begins like this."""
        return f"{self.run(run)}/_logs"

    def build_log(self, step: str, run: str) -> str:
        """Return the key of the log of a step, or of a cell, whose job the build ran itself.

        >>> Names("iris").build_log("evaluate", "20261123-101530-3f9c2a")
        'mlci/iris/runs/20261123-101530-3f9c2a/_logs/evaluate.log'
        """
        return f"{self.build_logs(run)}/{step}.log"

    def gate_misses(self, run: str) -> str:
        """Return the key of what a run missed of its gate. No step's name begins like this.

        >>> Names("iris").gate_misses("20261123-101530-3f9c2a")
        'mlci/iris/runs/20261123-101530-3f9c2a/_gate.json'
        """
        return f"{self.run(run)}/_gate.json"

    @property
    def jobs(self) -> str:
        """The beginning of the names of all jobs."""
        return f"{'mlcip' if self.is_protected else 'mlci'}-{_fit(self.flow, _FLOW_MAX_CHARS)}--"

    @property
    def short_jobs(self) -> str:
        """The beginning of the names of jobs whose names have few characters, in the place of `jobs`."""
        return f"{'mlcip' if self.is_protected else 'mlci'}-{short_digest(self.flow, _SHORT_FLOW_CHARS)}--"

    def job(self, step: Step, run: str) -> str:
        """Return the beginning of the names of a step's jobs. Long names of flows and steps are cut and end in a hash.

        A cell has its number behind two -, which no step's name has in a row. A type whose jobs have short names gets
        one that begins with `short_jobs`.

        >>> Names("breast-cancer").job(Step("train_model", "training"), "20261123-101530-3f9c2a")
        'mlci-breast-cancer--train-mod-ea41-20261123-101530-3f9c2a'
        >>> Names("breast-cancer").job(Step("tune", "tuning"), "20261123-101530-3f9c2a")
        'mlci-l9ry--eex53ljr5u2hcmi'
        """
        if _has_short_names(step):
            return f"{self.short_jobs}{_short_step(step)}{encode_run(run)}"
        number = f"--{step.cell.index}" if step.cell else ""
        room = JOB_NAME_MAX_CHARS - _ATTEMPT_MAX_CHARS - len(self.jobs) - len(run) - 1 - len(number)
        return f"{self.jobs}{_fit(step.cell.step if step.cell else step.name, room)}{number}-{run}"

    def kept(self, step: Step) -> str:
        """Return the name of what a step keeps across runs, such as an endpoint: no run has it, and no cleaner.

        >>> Names("iris", is_protected=True).kept(Step("deploy", "wait"))
        'mlcip-iris--deploy'
        """
        number = f"--{step.cell.index}" if step.cell else ""
        room = JOB_NAME_MAX_CHARS - len(self.jobs) - len(number)
        return f"{self.jobs}{_fit(step.cell.step if step.cell else step.name, room)}{number}"


class JobSteps:
    """The steps of a flow by the names of their jobs. The jobs of a run are found in one table of its steps."""

    def __init__(self, names: Names, steps: Mapping[str, Step]) -> None:
        self._names, self._steps = names, steps
        self._tables: dict[str, dict[str, str]] = {}

    def step_of(self, job: str) -> tuple[str, str]:
        """Return the run and the step that a job belongs to, from its name. One that is no step's goes by its own name.

        >>> steps = {"train": Step("train", "training"), "tune": Step("tune", "tuning")}
        >>> jobs = JobSteps(Names("iris"), steps)
        >>> jobs.step_of("mlci-iris--train-20261123-101530-3f9c2a-0-1")
        ('20261123-101530-3f9c2a', 'train')
        >>> jobs.step_of(Names("iris").job(steps["tune"], "20261123-101530-3f9c2a") + "-0-0-007-0123abcd")
        ('20261123-101530-3f9c2a', 'tune')
        """
        if job.startswith(self._names.short_jobs):
            base = _TRIAL.sub("", job).rsplit("-", 2)[0]
            run = decode_run(base.removeprefix(self._names.short_jobs)[_SHORT_STEP_CHARS:])
            if step := self._table(run).get(base):
                return run, step
        named = _RUN_NAME.fullmatch(job)
        if named is None:
            return "", job
        base, run = named["base"], named["run"]
        return run, self._table(run).get(base, base)

    def _table(self, run: str) -> dict[str, str]:
        """Return the names of steps by the beginning of the names of their jobs in a run."""
        if run not in self._tables:
            self._tables[run] = {self._names.job(step, run): name for name, step in self._steps.items()}
        return self._tables[run]


def run_id(now: datetime, random: str) -> str:
    """A run's id, which sorts by time: `20261123-101530-3f9c2a`. `random` holds four hexadecimal digits.

    Two digits stand before them, the 256th of the second: runs with nothing to do end within one.
    """
    return f"{now:%Y%m%d-%H%M%S}-{now.microsecond * 256 // 1_000_000:02x}{random}"


def run_in_names(job: JobType, run: str) -> str:
    """Return the part of the names of a run's jobs that is the run."""
    return encode_run(run) if job.name_max_chars < JOB_NAME_MAX_CHARS else run


def _has_short_names(step: Step) -> bool:
    job = STEP_TYPES[step.uses].job
    return job is not None and job.name_max_chars < JOB_NAME_MAX_CHARS


def _short_step(step: Step) -> str:
    """Return a step in four characters, of which the cells of a matrix have two for their numbers."""
    number = _SHORT_STEP_CHARS // 2
    if step.cell and step.cell.index < 36**number:
        return short_digest(step.cell.step, _SHORT_STEP_CHARS - number) + base36(step.cell.index, number)
    return short_digest(step.name, _SHORT_STEP_CHARS)


def _fit(name: str, room: int) -> str:
    """The name itself where it is short enough and of [a-zA-Z0-9-], with no two - in a row and none at its ends; else
    its beginning and four digits of its hash, or the hash alone where there is no room for more."""
    plain = re.sub(r"[^a-zA-Z0-9]+", "-", name).strip("-")
    if plain == name and len(name) <= room:
        return name
    if room < len("a-1234"):
        return short_digest(name, room)
    digits = hashlib.sha256(name.encode()).hexdigest()[:4]
    return f"{plain[: room - 5].rstrip('-')}-{digits}"


#: The folders of the outputs that baselines name, and of acceptances, which are no branch's.
_OUTPUTS, _ACCEPTANCES = "outputs", "acceptances"


def baselines(flow: str) -> str:
    """Return the prefix of the baselines of a flow's branches."""
    return f"mlci/{flow}/baselines"


def baseline_key(flow: str, branch: str) -> str:
    """The baseline of a branch, for every run to read; its name is escaped, because a branch may be called anything."""
    return f"{baselines(flow)}/{_branch(branch)}.json"


def acceptance_folder(flow: str, branch: str) -> str:
    """Return the folder of the acceptances for runs that go to a branch."""
    return f"{baselines(flow)}/{_ACCEPTANCES}/{_branch(branch)}"


def acceptances(flow: str) -> str:
    """Return the prefix of the acceptances of a flow."""
    return f"{baselines(flow)}/{_ACCEPTANCES}"


def _branch(branch: str) -> str:
    """Return a branch as a part of a key."""
    plain = re.sub(r"[^a-zA-Z0-9._-]+", "-", branch)
    is_free = plain == branch and branch not in (_OUTPUTS, _ACCEPTANCES)
    return plain if is_free else f"{plain}-{hashlib.sha256(branch.encode()).hexdigest()[:8]}"


def baseline_outputs(flow: str, run: str = "") -> str:
    """Return the folder of the outputs of a run that its baseline names, or that of all runs."""
    return f"{baselines(flow)}/{_OUTPUTS}/{run}".rstrip("/")


def baseline_keys(flow: str, run: str) -> str:
    """Return the key of the document with the keys of a baseline's steps. No step's name has a dot."""
    return f"{baseline_outputs(flow, run)}/keys.json"


def install_prefix(flow: str) -> str:
    """Return the prefix of the files that a flow's builds install mlci from."""
    return f"mlci/{flow}/install"
