"""Jobs in real subprocesses."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mlci_emulator.errors import ConfigurationError
from mlci_emulator.jobs import isolation
from mlci_emulator.jobs.isolation import Isolation
from mlci_emulator.jobs.job import JobSettings
from mlci_emulator.jobs.process import Supervisors
from mlci_emulator.jobs.runner import LocalJobs
from support.local_jobs import FakeStopSignal, JobHarness, processes_with, sourcedir, training_request

if TYPE_CHECKING:
    from mlci_asl import Json

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can follow a process that left its group")

#: Leaves its group, its session and its parent, and goes on for a minute.
ESCAPE = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open(sys.argv[1], "w").close()
        time.sleep(60)
    os._exit(0)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
"""


def modes(harness: JobHarness) -> list[Isolation]:
    """The modes that work on this machine, by trying."""
    supervisors = Supervisors({})
    try:
        refusals: dict[Isolation, str] = {
            "namespace": isolation.namespace_problem(harness.work, supervisors),
            "link": isolation.link_problem(),
            "paths": "",
        }
    finally:
        supervisors.close()
    return [mode for mode, refusal in refusals.items() if not refusal]


@pytest.fixture(params=["namespace", "link", "paths"])
def mode(request: pytest.FixtureRequest, harness: JobHarness) -> Isolation:
    if request.param not in modes(harness):
        pytest.skip(f"--isolation {request.param} does not work here")
    chosen: Isolation = request.param
    return chosen


def hard_coded(jobs_mode: str) -> str:
    """Return the expression with which a script of this mode finds its folder."""
    return "os.environ['BASE']" if jobs_mode == "paths" else "'/opt/ml'"


def test_variables_of_one_job_stand_in_no_request(harness: JobHarness, mode: Isolation) -> None:
    """Their values reach the job as they are, also where paths are replaced."""
    private = {"one": {"PRIVATE": "/opt/ml/x"}, "two": {"PRIVATE": "/opt/ml/y"}}
    harness.variables = lambda name: private.get(name, {})
    script = "import os; print(os.environ.get('PRIVATE', 'none')[::-1])"
    with harness.jobs(mode) as jobs:
        for name, value in (("one", "x/lm/tpo/"), ("two", "y/lm/tpo/"), ("three", "enon")):
            processed = harness.process(script, jobs, name=name)
            trained = harness.train(f"{script}; open(os.environ['SM_MODEL_DIR'] + '/m', 'w')", jobs, name=name)
            assert harness.log(name).read_text() == f"{value}\n{value}\n"
            assert "PRIVATE" not in json.dumps([processed, trained], default=str)


def test_a_processing_job_from_inputs_to_outputs(harness: JobHarness, jobs: LocalJobs) -> None:
    harness.store.put_bytes(b"1", "s3://b/data/x.csv")
    harness.store.put_bytes(b"2", "s3://b/tree/a/y.csv")
    harness.store.put_bytes(b"3", "s3://b/tree2/z.csv")
    script = """
import json, os, sys
base = os.environ["BASE"]
found = sorted(os.path.relpath(os.path.join(place, name), base + "/processing/input")
               for place, _, names in os.walk(base + "/processing/input") for name in names)
os.makedirs(sys.argv[1] + "/deep/er")
configuration = json.load(open(base + "/config/processingjobconfig.json"))
json.dump([found, configuration["ProcessingJobName"], json.load(open(base + "/config/resourceconfig.json"))],
          open(sys.argv[1] + "/deep/er/found.json", "w"))
open(base + "/output/message", "w").write("well done")
"""
    inputs: Json = [
        {
            "InputName": name,
            "S3Input": {"S3Uri": uri, "LocalPath": f"/opt/ml/processing/input/{name}", "S3DataType": "S3Prefix"},
        }
        for name, uri in (("code", "s3://b/code/"), ("file", "s3://b/data/x.csv"), ("tree", "s3://b/tree"))
    ]
    entry: list[Json] = ["python3", "/opt/ml/processing/input/code/script.py", "/opt/ml/processing/output/out"]
    described = harness.process(
        script,
        jobs,
        ProcessingInputs=inputs,
        AppSpecification={"ImageUri": "image", "ContainerEntrypoint": entry[:2], "ContainerArguments": entry[2:]},
        Environment={"BASE": "/opt/ml"},
    )
    assert described["ProcessingJobStatus"] == "Completed", described
    assert described["ExitMessage"] == "well done"
    assert "FailureReason" not in described
    assert str(described["ProcessingJobArn"]).endswith("processing-job/job")
    assert described["CreationTime"] <= described["ProcessingStartTime"] <= described["ProcessingEndTime"]
    expected = [
        ["code/script.py", "file/x.csv", "tree/a/y.csv", "tree/tree2/z.csv"],
        "job",
        {"current_host": "algo-1", "hosts": ["algo-1"]},
    ]
    assert harness.output("deep/er/found.json") == expected
    assert harness.reports[0].startswith("isolation: ")
    assert len(harness.reports) == 1


def test_a_training_job_from_code_to_model(harness: JobHarness, jobs: LocalJobs) -> None:
    harness.store.put_bytes(b"1,2", "s3://b/train/x.csv")
    script = """
import json, os, sys
json.dump({"args": sys.argv[1:], "cwd": os.getcwd() == os.path.realpath(os.environ["PYTHONPATH"]),
           "depth": os.environ["SM_HP_MAX-DEPTH"], "channel": os.listdir(os.environ["SM_CHANNEL_TRAIN"]),
           "hps": json.load(open(os.environ["SM_INPUT_CONFIG_DIR"] + "/hyperparameters.json"))["max-depth"]},
          open(os.environ["SM_MODEL_DIR"] + "/model.json", "w"))
open(os.environ["SM_OUTPUT_DATA_DIR"] + "/plot.txt", "w").write("plot")
"""
    parameters: dict[str, Json] = {
        "sagemaker_program": '"train.py"',
        "sagemaker_submit_directory": '"s3://b/sourcedir.tar.gz"',
        "max-depth": "4",
        "v": '"x"',
    }
    channel: Json = {
        "ChannelName": "train",
        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/train/"}},
    }
    archives = []
    for name in ("one", "two"):
        described = harness.train(script, jobs, name=name, HyperParameters=dict(parameters), InputDataConfig=[channel])
        assert described["TrainingJobStatus"] == described["SecondaryStatus"] == "Completed", described
        uri = f"s3://b/models/{name}/output/model.tar.gz"
        assert described["ModelArtifacts"] == {"S3ModelArtifacts": uri}
        archives.append(harness.store.read_bytes(uri))
    assert archives[0] == archives[1]
    with tarfile.open(fileobj=BytesIO(archives[0])) as tar:
        assert [(member.name, member.mtime, member.uid) for member in tar.getmembers()] == [("model.json", 0, 0)]
        model = json.load(tar.extractfile("model.json"))  # type: ignore[arg-type]
    expected = {"args": ["--max-depth", "4", "-v", "x"], "cwd": True, "depth": "4", "channel": ["x.csv"], "hps": "4"}
    assert model == expected
    assert harness.store.exists("s3://b/models/one/output/output.tar.gz")


def test_nothing_secret_reaches_a_script_and_its_files_go_away(harness: JobHarness, jobs: LocalJobs) -> None:
    script = """
import json, os, sys, tempfile
tempfile.mkstemp()
json.dump([dict(os.environ), sys.executable], open("/opt/ml/processing/output/out/x.json", "w"))
"""
    if jobs.mode() == "paths":
        pytest.skip("needs /opt/ml")
    harness.process(script, jobs)
    environment, python = harness.output("x.json")
    assert not Path(python).is_relative_to(sys.prefix)  # what its pip installs ends with it
    assert "AWS_SECRET_ACCESS_KEY" not in environment
    assert not [name for name in environment if name.startswith("MLCI_")]
    assert environment["PATH"].split(":")[2:] == os.environ["PATH"].split(":")
    assert environment["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull
    assert not os.path.exists(environment["TMPDIR"])
    assert list(harness.work.iterdir()) == []


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("raise ValueError('boom')", r"AlgorithmError: See job logs .*, exit code: 1\n(.|\n)*ValueError: boom$"),
        ("import sys; sys.exit(3)", "AlgorithmError: See job logs for more information, exit code: 3$"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "exit code: 137$"),
        ("print('x' * 5000); raise SystemExit(1)", "x{500}$"),
    ],
)
def test_a_processing_jobs_reason(harness: JobHarness, jobs: LocalJobs, script: str, reason: str) -> None:
    described = harness.process(script, jobs)
    assert described["ProcessingJobStatus"] == "Failed"
    assert re.search(reason, str(described["FailureReason"]))
    assert len(str(described["FailureReason"])) <= 1024
    assert list(harness.store.list("s3://b/out")) == []


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("raise ValueError('boom')", 'AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage "'),
        ("raise ValueError('boom')", 'ValueError: boom"\nCommand "'),
        (
            "import os; open(os.environ['SM_OUTPUT_DIR'] + '/failure', 'w').write('no data'); raise SystemExit(2)",
            "AlgorithmError: no data, exit code: 2",
        ),
        (
            "import os; open(os.environ['SM_OUTPUT_DIR'] + '/failure', 'w').write('y' * 5000); raise SystemExit(2)",
            "y, exit code: 2",
        ),
    ],
)
def test_a_training_jobs_reason(harness: JobHarness, jobs: LocalJobs, script: str, reason: str) -> None:
    described = harness.train(script, jobs)
    assert described["TrainingJobStatus"] == described["SecondaryStatus"] == "Failed"
    assert reason in str(described["FailureReason"])
    assert len(str(described["FailureReason"])) <= 1024
    assert not harness.store.exists(described["ModelArtifacts"]["S3ModelArtifacts"]), "it made none"
    assert list(harness.store.list("s3://b/models")) == []


def test_a_missing_input_fails_the_job_before_it_starts(harness: JobHarness, jobs: LocalJobs) -> None:
    inputs: Json = [
        {
            "InputName": "data",
            "S3Input": {"S3Uri": "s3://b/no/", "LocalPath": "/opt/ml/processing/input/x", "S3DataType": "S3Prefix"},
        }
    ]
    reason = harness.process("", jobs, ProcessingInputs=inputs)["FailureReason"]
    assert str(reason).startswith('ClientError: Data download failed: No S3 objects found under S3 URL "s3://b/no/"')
    assert not harness.log("job").exists()
    entry: Json = {"ImageUri": "image", "ContainerEntrypoint": ["no-such-program"]}
    described = harness.process("", jobs, AppSpecification=entry)
    assert described["ProcessingJobStatus"] == "Failed"
    assert "the entry point can't be started" in str(described["FailureReason"])
    harness.store.put_bytes(sourcedir({"other.py": ""}), "s3://b/sourcedir.tar.gz")
    harness.store.put_bytes(b"no archive", "s3://b/code/script.py")


def test_a_script_that_is_missing_or_no_archive_fails_the_job(harness: JobHarness, jobs: LocalJobs) -> None:
    for data, reason in (
        (None, "no object"),
        (b"no archive", "can't be unpacked"),
        (sourcedir({"other.py": ""}), 'no "train.py"'),
    ):
        if data is not None:
            harness.store.put_bytes(data, "s3://b/sourcedir.tar.gz")
        described = harness.run("CreateTrainingJob", training_request(), jobs)
        assert reason in str(described["FailureReason"])


def test_the_log_grows_while_the_job_runs(harness: JobHarness, jobs: LocalJobs) -> None:
    script = "import os, sys, time\nprint('one'); print('two', file=sys.stderr); time.sleep(30)"
    stop = FakeStopSignal()
    with ThreadPoolExecutor() as pool:
        running = pool.submit(harness.process, script, jobs, stop)
        until = time.monotonic() + 25
        while time.monotonic() < until and (
            not harness.log("job").exists() or harness.log("job").read_text() != "one\ntwo\n"
        ):
            time.sleep(0.01)
        assert harness.log("job").read_text() == "one\ntwo\n"
        stop.set()
        assert running.result()["ProcessingJobStatus"] == "Stopped"


def test_a_timeout_stops_the_job_as_sagemaker_does(harness: JobHarness, jobs: LocalJobs) -> None:
    started = time.monotonic()
    described = harness.train("import time; time.sleep(60)", jobs, StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert 1 <= time.monotonic() - started < 30
    assert (described["TrainingJobStatus"], described["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert "MaxRuntimeInSeconds" in str(described["FailureReason"])


def test_a_stop_before_the_start_runs_nothing(harness: JobHarness, jobs: LocalJobs) -> None:
    stop = FakeStopSignal()
    stop.set()
    assert harness.process("print('ran')", jobs, stop)["ProcessingJobStatus"] == "Stopped"
    assert not harness.log("job").exists() or harness.log("job").read_text() == ""


@LINUX
@pytest.mark.parametrize("is_deaf", [False, True])
def test_a_stop_ends_every_process_at_once(harness: JobHarness, mode: Isolation, is_deaf: bool) -> None:
    marker = f"marker-{uuid.uuid4()}"
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" if is_deaf else ""
    script = f"{deaf}import os, sys; sys.argv[1] = os.environ['SIGN']\n{ESCAPE}\ntime.sleep(60)"
    sign = harness.root / "sign"
    stop = FakeStopSignal()
    with harness.jobs(mode) as jobs, ThreadPoolExecutor() as pool:
        changes: dict[str, Json] = {
            "Environment": {"MARKER": marker, "SIGN": str(sign)},
            "AppSpecification": {
                "ImageUri": "image",
                "ContainerEntrypoint": ["python3", "/opt/ml/processing/input/code/script.py", "x"],
            },
        }
        running = pool.submit(harness.process, script, jobs, stop, "job", **changes)
        until = time.monotonic() + 50
        while not sign.exists() and time.monotonic() < until:
            time.sleep(0.01)
        assert len(processes_with(marker)) >= 2
        started = time.monotonic()
        stop.set()
        described = running.result()
        assert time.monotonic() - started < 30
        assert processes_with(marker) == []
        assert described["ProcessingJobStatus"] == "Stopped"


@LINUX
def test_what_a_script_leaves_running_ends_with_it(harness: JobHarness, mode: Isolation) -> None:
    marker = f"marker-{uuid.uuid4()}"
    script = f"import os, sys; sys.argv.append(os.environ['SIGN'])\n{ESCAPE}"
    with harness.jobs(mode) as jobs:
        described = harness.process(script, jobs, Environment={"MARKER": marker, "SIGN": str(harness.root / "sign")})
        assert described["ProcessingJobStatus"] == "Completed", described
    assert (harness.root / "sign").exists()
    assert processes_with(marker) == []


DRIVER = """
import os, sys
sys.path[:0] = [{source!r}, {tests!r}]
from pathlib import Path
from support.local_jobs import JobHarness
harness = JobHarness(Path({root!r}))
with harness.jobs({mode!r}) as jobs:
    {body}
"""


def driver(root: Path, mode: str, body: str) -> str:
    here = Path(__file__)
    source = str(here.parents[3] / "src")
    return DRIVER.format(source=source, tests=str(here.parents[2]), root=str(root), mode=mode, body=body)


@LINUX
def test_killing_mlci_leaves_no_process_and_no_folder(harness: JobHarness, mode: Isolation) -> None:
    marker = f"marker-{uuid.uuid4()}"
    sign = harness.root / "sign"
    script = f"import os, sys; sys.argv.append(os.environ['SIGN'])\n{ESCAPE}\ntime.sleep(60)"
    body = f"harness.process({script!r}, jobs, Environment={{'MARKER': {marker!r}, 'SIGN': {str(sign)!r}}})"
    # Started with another marker-free command line: only what the job starts carries the marker in its environment.
    program = harness.root / "driver.py"
    program.write_text(driver(harness.root, mode, body))
    with subprocess.Popen([sys.executable, str(program)]) as process:
        until = time.monotonic() + 50
        while not sign.exists() and time.monotonic() < until:
            time.sleep(0.01)
        assert len(processes_with(marker)) >= 2
        process.send_signal(signal.SIGKILL)
    until = time.monotonic() + 1
    while processes_with(marker) and time.monotonic() < until:
        time.sleep(0.01)
    assert processes_with(marker) == []
    assert len(list(harness.work.iterdir())) == 1
    with harness.jobs(mode) as jobs:
        assert harness.process("", jobs)["ProcessingJobStatus"] == "Completed"
    assert list(harness.work.iterdir()) == []


#: Two of these run at once: each writes to the same hard-coded path, waits for the other, and reads its own again.
MEETING = """
import os, time
os.makedirs("/opt/ml/processing/output/out", exist_ok=True)
open("/opt/ml/mine", "w").write(os.environ["ME"])
open(os.environ["SIGNS"] + "/" + os.environ["ME"], "w").close()
while len(os.listdir(os.environ["SIGNS"])) < 2:
    time.sleep(0.01)
open("/opt/ml/processing/output/out/" + os.environ["ME"], "w").write(open("/opt/ml/mine").read())
"""


def meeting_body(signs: Path) -> str:
    return (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "    harness.store.put_bytes(b'', 's3://b/code/first')\n"
        "    with ThreadPoolExecutor() as pool:\n"
        f"        run = lambda me: harness.process({MEETING!r}, jobs, name=me,\n"
        f"            Environment={{'ME': me, 'SIGNS': {str(signs)!r}}},\n"
        "            StoppingCondition={'MaxRuntimeInSeconds': 20})\n"
        "        for done in pool.map(run, ['a', 'b']):\n"
        "            assert done['ProcessingJobStatus'] == 'Completed', done\n"
        "    print([harness.store.read_bytes('s3://b/out/' + me).decode() for me in 'ab'], os.getuid())"
    )


@pytest.mark.slow
@pytest.mark.parametrize("is_root", [True, False])
def test_two_jobs_at_once_with_hard_coded_paths(harness: JobHarness, is_root: bool, tmp_path_factory: object) -> None:
    if "namespace" not in modes(harness):
        pytest.skip("namespaces do not work here")
    root = Path(subprocess.run(["mktemp", "-d"], check=True, capture_output=True, text=True).stdout.strip())
    try:
        (root / "signs").mkdir()
        program = root / "driver.py"
        # As another user nothing of this checkout or interpreter may be readable, so a copy is.
        source, tests = root / "src", root / "tests"
        for folder, of in ((source, Path(__file__).parents[3] / "src"), (tests, Path(__file__).parents[2])):
            subprocess.run(["cp", "-r", str(of), str(folder)], check=True)
        text = driver(root, "namespace", meeting_body(root / "signs"))
        text = text.replace(str(Path(__file__).parents[3] / "src"), str(source))
        program.write_text(text.replace(str(Path(__file__).parents[2]), str(tests)))
        python, user = sys.executable, None
        if is_root and os.geteuid() != 0:
            pytest.skip("only root can run jobs as root")
        if not is_root and os.geteuid() == 0:
            user = 65534
            python = reachable_python(user)
            subprocess.run(["chown", "-R", f"{user}:{user}", str(root)], check=True)
        done = subprocess.run(
            [python, "-B", str(program)],
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            capture_output=True,
            text=True,
            timeout=40,
            check=False,
        )
        assert done.stdout.startswith("['a', 'b'] "), done.stderr
        assert is_root == done.stdout.endswith(" 0\n")
        assert list((root / "work").iterdir()) == []
    finally:
        subprocess.run(["rm", "-rf", str(root)], check=True)


def reachable_python(user: int) -> str:
    """An interpreter that another user can start, too."""
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        command = [python, "-c", "import sys; sys.exit(sys.version_info < (3, 10))"]
        try:
            if (
                subprocess.run(
                    command, user=user, group=user, extra_groups=[], capture_output=True, check=False
                ).returncode
                == 0
            ):
                return python
        except OSError:
            continue
    pytest.skip("no Python here that another user can start")


def test_the_same_script_runs_in_each_mode(harness: JobHarness, mode: Isolation) -> None:
    script = "import sys; open(sys.argv[1] + '/x', 'w').write(open(__file__).read()[:6])"
    entry: Json = {
        "ImageUri": "image",
        "ContainerEntrypoint": ["python3", "/opt/ml/processing/input/code/script.py"],
        "ContainerArguments": ["/opt/ml/processing/output/out"],
    }
    with harness.jobs(mode) as jobs:
        assert jobs.mode() == mode
        assert harness.process(script, jobs, AppSpecification=entry)["ProcessingJobStatus"] == "Completed"
        described = harness.train("import os; open(os.environ['SM_MODEL_DIR'] + '/m', 'w')", jobs)
        assert described["TrainingJobStatus"] == "Completed"
    assert harness.store.read_bytes("s3://b/out/x") == b"import"
    assert not os.path.islink("/opt/ml")
    assert list(harness.work.iterdir()) == []


def test_a_python_path_of_the_request_is_preserved(harness: JobHarness, mode: Isolation) -> None:
    harness.store.put_bytes(sourcedir({"train.py": "import inner", "lib/inner.py": ""}), "s3://b/sourcedir.tar.gz")
    request = training_request(Environment={"PYTHONPATH": "/nowhere:/opt/ml/code/lib"})
    with harness.jobs(mode) as jobs:
        described = harness.run("CreateTrainingJob", request, jobs)
    assert described["TrainingJobStatus"] == "Completed", described


def test_link_jobs_take_turns(harness: JobHarness) -> None:
    if "link" not in modes(harness):
        pytest.skip("--isolation link does not work here")
    os.symlink("/nowhere/mlci-job-gone/ml", "/opt/ml")  # as a crash leaves it
    script = "import os, time; open('/opt/ml/x', 'x'); time.sleep(0.2); assert os.listdir('/opt/ml').count('x') == 1"
    with harness.jobs("link") as jobs, ThreadPoolExecutor() as pool:
        started = time.monotonic()
        running = [pool.submit(harness.process, script, jobs, name=name) for name in "abc"]
        assert [done.result()["ProcessingJobStatus"] for done in running] == ["Completed"] * 3
        assert time.monotonic() - started > 0.6
    assert not os.path.lexists("/opt/ml")


def test_a_waiting_link_job_can_be_stopped(harness: JobHarness) -> None:
    if "link" not in modes(harness):
        pytest.skip("--isolation link does not work here")
    first, second = FakeStopSignal(), FakeStopSignal()
    with harness.jobs("link") as jobs, ThreadPoolExecutor() as pool:
        running = pool.submit(harness.process, "import time; time.sleep(60)", jobs, first, name="a")
        while not os.path.lexists("/opt/ml"):
            time.sleep(0.01)
        waiting = pool.submit(harness.process, "", jobs, second, name="b")
        time.sleep(0.1)
        second.set()
        assert waiting.result(1)["ProcessingJobStatus"] == "Stopped"
        first.set()
        assert running.result(1)["ProcessingJobStatus"] == "Stopped"


def test_a_hard_coded_path_without_opt_ml_is_explained(harness: JobHarness) -> None:
    if os.path.lexists("/opt/ml"):
        pytest.skip("there is an /opt/ml here")
    with harness.jobs("paths") as jobs:
        described = harness.process("open('/opt/ml/processing/input/x')", jobs)
        assert "has a path under /opt/ml hard-coded" in str(described["FailureReason"])
        described = harness.train("open('/opt/ml/model/x', 'w')", jobs)
        assert "has a path under /opt/ml hard-coded" in str(described["FailureReason"])
        described = harness.process("open('/no/such/file')", jobs)
        assert "hard-coded" not in str(described["FailureReason"])


def test_a_mode_that_does_not_work_here_is_an_error_of_the_input(harness: JobHarness) -> None:
    if "link" in modes(harness):
        os.mkdir("/opt/ml")
    try:
        with (
            harness.jobs("link") as jobs,
            pytest.raises(ConfigurationError, match="--isolation link does not work here"),
        ):
            jobs.mode()
    finally:
        if os.path.isdir("/opt/ml") and not os.path.islink("/opt/ml") and not os.listdir("/opt/ml"):
            os.rmdir("/opt/ml")


def test_fifty_jobs_leave_nothing_behind(harness: JobHarness, jobs: LocalJobs) -> None:
    script = "import os, tempfile; tempfile.mkstemp(); os.mkdir('closed'); os.chmod('closed', 0)"
    harness.store.put_bytes(script.encode(), "s3://b/code/script.py")
    jobs.mode()  # the thread that finds it ends then
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda number: harness.process(script, jobs, name=f"job-{number}"), range(50)))
    assert {described["ProcessingJobStatus"] for described in done} == {"Completed"}
    assert list(harness.work.iterdir()) == []
    assert sorted(path.name for path in harness.root.iterdir()) == ["logs", "store", "work"]
    assert [path.name for path in (harness.root / "store").rglob("*") if path.is_file()] == ["script.py"]
    assert threading.active_count() <= threads
    if sys.platform == "linux":
        assert len(os.listdir("/proc/self/fd")) <= files + 2


@pytest.mark.parametrize("link", ["/opt/ml/processing/output/out/a", "a", "/etc/passwd", "gone"])
def test_links_in_outputs_are_left_out(harness: JobHarness, jobs: LocalJobs, link: str) -> None:
    if jobs.mode() == "paths":
        pytest.skip("needs /opt/ml")
    script = (
        "import os; os.chdir('/opt/ml/processing/output/out'); open('a', 'w').write('x'); "
        f"os.symlink({link!r}, 'b'); os.mkdir('f'); os.symlink('..', 'f/up'); os.mkfifo('pipe')"
    )
    described = harness.process(script, jobs)
    assert described["ProcessingJobStatus"] == "Completed", described
    assert list(harness.store.list("s3://b/out/")) == ["s3://b/out/a"]


@pytest.mark.parametrize(("link", "is_kept"), [("/opt/ml/model/a", True), ("a", True), ("/etc/passwd", False)])
def test_links_in_models_are_followed_below_the_jobs_folder(
    harness: JobHarness, jobs: LocalJobs, link: str, is_kept: bool
) -> None:
    if jobs.mode() == "paths":
        pytest.skip("needs /opt/ml")
    script = f"import os; os.chdir('/opt/ml/model'); open('a', 'w').write('x'); os.symlink({link!r}, 'b')"
    described = harness.train(script, jobs)
    if is_kept:
        assert described["TrainingJobStatus"] == "Completed", described
        with tarfile.open(fileobj=BytesIO(harness.store.read_bytes("s3://b/models/job/output/model.tar.gz"))) as tar:
            assert tar.getnames() == ["a", "b"]
            assert tar.extractfile("b").read() == b"x"  # type: ignore[union-attr]
    else:
        assert described["TrainingJobStatus"] == "Failed"
        assert "Data upload failed: /opt/ml/model/b is a link" in str(described["FailureReason"])


@pytest.mark.parametrize("kind", ["processing", "training"])
def test_a_link_in_place_of_a_folder_moves_no_file_of_the_user(harness: JobHarness, mode: Isolation, kind: str) -> None:
    precious = harness.root / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("mine")
    (precious / "message").write_text("secret")
    (precious / "failure").write_text("secret")
    folder = "os.environ['OUT']" if kind == "processing" else "os.environ['SM_MODEL_DIR']"
    script = f"""
import os
base = {folder}
os.rmdir(base)
os.symlink({str(precious)!r}, base)
output = os.path.join(base.split("/processing")[0].removesuffix("/model"), "output")
os.rename(output, output + "-old")
os.symlink({str(precious)!r}, output)
"""
    with harness.jobs(mode) as jobs:
        if kind == "processing":
            described = harness.process(script, jobs, Environment={"OUT": "/opt/ml/processing/output/out"})
        else:
            described = harness.train(script, jobs)
    assert described[f"{kind.title()}JobStatus"] == "Failed"
    assert "took its place" in described["FailureReason"]
    assert "secret" not in str(described)
    assert sorted(os.listdir(precious)) == ["failure", "message", "thesis.txt"]
    assert not [path for path in harness.store.root.rglob("*") if path.name == "thesis.txt"]


def test_nothing_is_swept_before_a_job_runs(harness: JobHarness) -> None:
    (harness.work / "mlci-job-0123").mkdir(parents=True)
    with harness.jobs("paths") as jobs:
        assert jobs.mode() == "paths"
        assert os.listdir(harness.work) == ["mlci-job-0123"]
        assert harness.process("", jobs)["ProcessingJobStatus"] == "Completed"
    assert os.listdir(harness.work) == []


def test_a_model_in_a_thousand_folders_is_a_failure_of_its_job(harness: JobHarness, jobs: LocalJobs) -> None:
    script = """
import os
os.chdir(os.environ["SM_MODEL_DIR"])
for _ in range(1100):
    os.mkdir("d"); os.chdir("d")
"""
    reason = harness.train(script, jobs)["FailureReason"]
    assert reason == "ClientError: Data upload failed: /opt/ml/model/d/d/d/… is nested more than 200 folders deep"
    assert os.listdir(harness.work) == []


CHECKPOINTS = """
import json, os
folder = os.environ["FOLDER"]
print(sorted(os.listdir(folder)), json.load(open(os.environ["SM_INPUT_CONFIG_DIR"] + "/checkpointconfig.json")))
os.remove(folder + "/old")
os.makedirs(folder + "/sub")
open(folder + "/sub/new", "w").write("1")
raise SystemExit(int(os.environ["CODE"]))
"""


@pytest.mark.parametrize("code", ["0", "1"])
def test_checkpoints_are_those_of_s3_at_the_start_and_those_of_the_folder_at_the_end(
    harness: JobHarness, jobs: LocalJobs, code: str
) -> None:
    for name in ("old", "kept"):
        harness.store.put_bytes(name.encode(), f"s3://b/checkpoints/{name}")
    described = harness.train(
        CHECKPOINTS,
        jobs,
        Environment={"FOLDER": "/opt/ml/own", "CODE": code},
        CheckpointConfig={"S3Uri": "s3://b/checkpoints/", "LocalPath": "/opt/ml/own"},
    )
    assert described["TrainingJobStatus"] == ("Completed" if code == "0" else "Failed"), described
    log = harness.log("job").read_text()
    assert log.startswith("['kept', 'old'] {'S3Uri': 's3://b/checkpoints/', 'LocalPath': '/opt/ml/own'}"), log
    assert list(harness.store.list("s3://b/checkpoints/")) == ["s3://b/checkpoints/kept", "s3://b/checkpoints/sub/new"]


def test_checkpoints_begin_empty(harness: JobHarness, jobs: LocalJobs) -> None:
    script = "import os; print(os.listdir(os.environ['FOLDER']))"
    config: Json = {"S3Uri": "s3://b/none"}
    described = harness.train(script, jobs, Environment={"FOLDER": "/opt/ml/checkpoints"}, CheckpointConfig=config)
    assert described["TrainingJobStatus"] == "Completed"
    assert harness.log("job").read_text().startswith("[]")
    assert list(harness.store.list("s3://b/none")) == []


def continuous_output() -> Json:
    target: Json = {
        "S3Uri": "https://s3.amazonaws.com/b/out",
        "LocalPath": "/opt/ml/processing/output/out",
        "S3UploadMode": "Continuous",
    }
    return {"Outputs": [{"OutputName": "out", "S3Output": target}]}


def test_a_continuous_output_is_uploaded_while_the_script_runs(harness: JobHarness, jobs: LocalJobs) -> None:
    script = """
import os, sys, time
folder = os.environ["OUT"]
open(folder + "/first", "w").write("1")
while not os.path.exists(os.environ["SIGN"]):
    time.sleep(0.01)
open(folder + "/first", "w").write("12")
os.symlink("first", folder + "/link")
open(folder + "/last", "w").close()
sys.exit(1)
"""
    environment: Json = {"OUT": "/opt/ml/processing/output/out", "SIGN": str(harness.root / "sign")}
    with ThreadPoolExecutor() as pool:
        running = pool.submit(
            lambda: harness.process(script, jobs, Environment=environment, ProcessingOutputConfig=continuous_output())
        )
        until = time.monotonic() + 20
        while not harness.store.exists("s3://b/out/first") and time.monotonic() < until:
            time.sleep(0.05)
        assert not running.done()
        assert harness.store.exists("s3://b/out/first")
        (harness.root / "sign").touch()
        assert running.result()["ProcessingJobStatus"] == "Failed"
    assert list(harness.store.list("s3://b/out/")) == ["s3://b/out/first", "s3://b/out/last"]
    assert harness.store.read_bytes("s3://b/out/first") == b"12"


def test_urls_of_s3_are_inputs_and_outputs_of_all_jobs(harness: JobHarness, jobs: LocalJobs) -> None:
    harness.store.put_bytes(b"1", "s3://b/train/x.csv")
    channel: Json = {
        "ChannelName": "train",
        "DataSource": {
            "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "https://b.s3.eu-west-1.amazonaws.com/train"}
        },
    }
    script = "import os, shutil; shutil.copy(os.environ['SM_CHANNEL_TRAIN'] + '/x.csv', os.environ['SM_MODEL_DIR'])"
    described = harness.train(
        script,
        jobs,
        InputDataConfig=[channel],
        OutputDataConfig={"S3OutputPath": "https://s3.eu-west-1.amazonaws.com/b/models"},
    )
    assert described["TrainingJobStatus"] == "Completed", described
    assert harness.store.exists("s3://b/models/job/output/model.tar.gz")


@LINUX
def test_jobs_run_below_a_folder_whose_name_is_not_utf_8(harness: JobHarness, mode: Isolation) -> None:
    odd = JobHarness(harness.root / os.fsdecode(b"caf\xe9"))
    odd.root.mkdir()
    with odd.jobs(mode) as jobs:
        described = odd.process("import os; open(os.environ['OUT'] + '/x', 'w')", jobs, Environment=OUT)
        assert described["ProcessingJobStatus"] == "Completed", described
        trained = odd.train("import os; print(os.environ['SM_TRAINING_ENV']); raise SystemExit(2)", jobs)
        assert "exit code: 2" in trained["FailureReason"]
    assert odd.store.exists("s3://b/out/x")


#: The output's folder, as a variable that `paths` replaces.
OUT: Json = {"OUT": "/opt/ml/processing/output/out"}


@LINUX
def test_a_script_that_kills_its_supervisor_leaves_nothing_running(harness: JobHarness, mode: Isolation) -> None:
    marker = f"marker-{uuid.uuid4()}"
    script = f"""
import os, signal, sys, time
sys.argv.append(os.environ["SIGN"])
{ESCAPE}
os.kill(os.getppid(), signal.SIGKILL)
time.sleep(1)
"""
    with harness.jobs(mode) as jobs:
        described = harness.process(script, jobs, Environment={"MARKER": marker, "SIGN": str(harness.root / "sign")})
        assert processes_with(marker) == []
        assert described["ProcessingJobStatus"] == ("Completed" if mode == "namespace" else "Failed")


@LINUX
def test_what_a_job_of_a_killed_mlci_left_ends_when_its_folder_is_swept(harness: JobHarness) -> None:
    folder = harness.work / "mlci-job-0123" / "tmp"
    folder.mkdir(parents=True)
    with (
        subprocess.Popen(["sleep", "60"], env={"TMPDIR": str(folder)}) as left,
        subprocess.Popen(["sleep", "60"], env={"PWD": str(folder)}) as other,
    ):
        with harness.jobs("paths") as jobs:
            harness.process("", jobs)
        assert left.wait(5) == -signal.SIGKILL
        assert other.poll() is None, "it only was there"
        other.kill()


@LINUX
def test_a_job_in_a_namespace_has_its_own_temporary_folders(harness: JobHarness) -> None:
    if "namespace" not in modes(harness):
        pytest.skip("namespaces do not work here")
    name = f"mlci-{uuid.uuid4()}"
    script = f"""
import os, tempfile
for folder in ("/tmp", "/dev/shm", tempfile.gettempdir()):
    open(folder + "/{name}", "w").close()
assert os.path.exists("{harness.root}"), "the checkout is there, wherever it is"
print("LISTS", os.listdir("/dev/shm"))
"""
    with harness.jobs("namespace") as jobs:
        described = harness.process(script, jobs)
        assert described["ProcessingJobStatus"] == "Completed", described
    assert f"LISTS ['{name}']" in harness.log("job").read_text()
    assert not os.path.lexists(f"/tmp/{name}")
    assert not os.path.lexists(f"/dev/shm/{name}")
    assert list(harness.work.iterdir()) == []


def test_a_default_variable_gives_way_to_the_machine_s_and_to_the_request_s(harness: JobHarness) -> None:
    defaults = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    settings = JobSettings(
        harness.work, harness.log, sys.executable, harness.environment, defaults=lambda job: {**defaults, "JOB": job}
    )
    script = """
import json, os
os.makedirs("/opt/ml/processing/output/out/deep/er")
names = ["JOB", "MKL_NUM_THREADS", "OMP_NUM_THREADS"]
json.dump([os.environ.get(n) for n in names], open("/opt/ml/processing/output/out/deep/er/found.json", "w"))
"""
    with LocalJobs(harness.store, settings) as jobs:
        described = harness.process(script, jobs, Environment={"OMP_NUM_THREADS": "3"})
    assert described["ProcessingJobStatus"] == "Completed", described
    assert harness.output("deep/er/found.json") == ["job", "1", "3"]


#: Tries to reach this machine, and itself.
REACH = """
import os, socket
def reach(address):
    try:
        socket.create_connection(address, timeout=5).close()
        return "reached"
    except OSError as error:
        return type(error).__name__
own = socket.create_server(("127.0.0.1", 0))
print(reach(("127.0.0.1", int(os.environ["PORT"]))), reach(own.getsockname()))
"""


@pytest.mark.parametrize("kind", ["train", "process"])
@pytest.mark.parametrize("is_isolated", [True, False])
def test_an_isolated_job_has_no_network_but_its_own(harness: JobHarness, kind: str, is_isolated: bool) -> None:
    if "namespace" not in modes(harness):
        pytest.skip("--isolation namespace does not work here")
    with socket.create_server(("127.0.0.1", 0)) as server, harness.jobs("namespace") as jobs:
        variables: Json = {"PORT": str(server.getsockname()[1])}
        if kind == "train":
            harness.train(REACH, jobs, Environment=variables, EnableNetworkIsolation=is_isolated, **_code_channel())
        else:
            network: Json = {"EnableNetworkIsolation": is_isolated}
            harness.process(REACH, jobs, Environment=variables, NetworkConfig=network)
    expected = "ConnectionRefusedError" if is_isolated else "reached"
    assert harness.log("job").read_text() == f"{expected} reached\n"


def test_a_network_that_cannot_be_cut_off_is_said_in_the_log(harness: JobHarness) -> None:
    with harness.jobs("paths") as jobs:
        described = harness.process("print('here')", jobs, NetworkConfig={"EnableNetworkIsolation": True})
    assert described["ProcessingJobStatus"] == "Completed"
    note = "mlci: EnableNetworkIsolation is not enforced here, since the isolation is paths."
    assert harness.log("job").read_text() == f"{note}\nhere\n"


def _code_channel() -> dict[str, Any]:
    """Return the fields by which a job without a network gets its code."""
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://b/sourcedir.tar.gz"}
    values: dict[str, str] = {"sagemaker_program": '"train.py"'}
    values["sagemaker_submit_directory"] = '"/opt/ml/input/data/code/sourcedir.tar.gz"'
    return {
        "HyperParameters": values,
        "InputDataConfig": [{"ChannelName": "code", "DataSource": {"S3DataSource": source}}],
    }
