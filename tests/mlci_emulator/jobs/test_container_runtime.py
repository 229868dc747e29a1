"""Jobs in their images, by programs that stand for the runtimes."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mlci_emulator.jobs.container_runtime import (
    ContainedCommand,
    ContainerRuntime,
    ContainerUnavailable,
    LocalImage,
    RuntimeName,
    container,
)
from mlci_emulator.jobs.job import JobSettings
from mlci_emulator.jobs.runner import LocalJobs
from mlci_emulator.protocol.operations import ApiError
from support.local_jobs import JobHarness

if TYPE_CHECKING:
    from mlci_asl import Json

#: A runtime that runs a container's command as a process of this machine, with what it was given in `GIVEN`. A program
#: named in `--entrypoint` is started; an image has the entry point `sh -c`.
RUNTIME = """#!{python}
import json, os, sys
words = sys.argv[1:]
with open({given!r}, "a") as file:
    file.write(json.dumps(words) + "\\n")
if words[0] == "image":
    sys.exit(words[-1] == "missing")
if words[0] == "run" and words[-1] == "command -v train":
    sys.exit("without" in words[-3])
if words[0] == "run":
    options, at = {{}}, 1
    while words[at].startswith("--"):
        if words[at] == "--rm":
            at += 1
            continue
        options.setdefault(words[at], []).append(words[at + 1])
        at += 2
    environment = dict(word.split("=", 1) if "=" in word else (word, os.environ[word]) for word in options["--env"])
    folder = next(volume[: -len(":/opt/ml")] for volume in options["--volume"] if volume.endswith(":/opt/ml"))
    command = [*options.get("--entrypoint", ["sh", "-c"]), *words[at + 1:]]
    command = [word.replace("/opt/ml", folder) for word in command]
    os.chdir(options.get("--workdir", ["/"])[0].replace("/opt/ml", folder))
    os.execvpe(command[0], command, {{"PATH": os.environ["PATH"], **environment}})
"""


def runtime(root: Path, name: RuntimeName = "podman") -> ContainerRuntime:
    program = root / name
    program.write_text(RUNTIME.format(python=sys.executable, given=str(root / "given")))
    program.chmod(0o755)
    return ContainerRuntime(name, str(program), {"PATH": os.environ["PATH"], "HOME": "/home/me"})


def given(root: Path) -> list[list[str]]:
    return [json.loads(line) for line in (root / "given").read_text().splitlines()]


def settings(harness: JobHarness) -> JobSettings:
    return JobSettings(
        harness.work,
        harness.log,
        sys.executable,
        {**harness.environment, "HTTPS_PROXY": "http://proxy", "LANG": "C"},
        runtime=lambda: runtime(harness.root),
        is_contained=lambda image: image != "image",
        variables=lambda job: {"TOKEN": "secret\nvalue"},
    )


def test_the_command_of_a_container(tmp_path: Path) -> None:
    image = LocalImage(runtime(tmp_path), "mine:1")
    contained = ContainedCommand(("python3", "x.py"), (), {"A": "1", "HOME": "/root", "PATH": os.environ["PATH"]}, "/w")
    with container(image, "mlci-job-1", tmp_path, contained) as launch:
        program = image.runtime.program
        words = f"{program} run --rm --pull never --name mlci-job-1 --network host --volume {tmp_path}:/opt/ml"
        words += " --security-opt label=disable --env A --env HOME=/root --env PATH --workdir /w --entrypoint python3"
        assert launch.command == (*words.split(), "mine:1", "x.py")
        assert launch.environment == {"A": "1", "HOME": "/home/me", "PATH": os.environ["PATH"]}
        assert launch.removal == (program, "rm", "--force", "mlci-job-1")


def test_no_variable_of_a_job_steers_the_runtime_s_client(tmp_path: Path) -> None:
    image = LocalImage(runtime(tmp_path), "mine:1")
    steering = {"LD_PRELOAD": "/repository/x.so", "DOCKER_HOST": "tcp://elsewhere", "XDG_CONFIG_HOME": "/repository"}
    with container(image, "job", tmp_path, ContainedCommand((), ("train",), {**steering, "LDAP": "a"})) as launch:
        assert set(launch.environment) == {"LDAP", "HOME", "PATH"}
        for name, value in steering.items():
            assert f"{name}={value}" in launch.command
        assert "LDAP" in launch.command


def test_the_image_s_own_entry_point_gets_the_arguments(tmp_path: Path) -> None:
    image = LocalImage(runtime(tmp_path), "mine:1")
    with container(image, "mlci-job-1", tmp_path, ContainedCommand((), ("train",), {})) as launch:
        assert launch.command[-2:] == ("mine:1", "train")
        assert "--entrypoint" not in launch.command


def test_a_job_runs_in_its_image(harness: JobHarness) -> None:
    script = """
import json, os, sys
names = ["TOKEN", "A", "LANG", "HTTPS_PROXY", "AWS_CONFIG_FILE", "TMPDIR"]
json.dump([os.environ.get(name) for name in names], open(sys.argv[1] + "/found.json", "w"))
"""
    entry: Json = ["python3", "/opt/ml/processing/input/code/script.py"]
    arguments: Json = ["/opt/ml/processing/output/out"]
    application: dict[str, Json] = {"ImageUri": "mine:1", "ContainerEntrypoint": entry, "ContainerArguments": arguments}
    with LocalJobs(harness.store, settings(harness)) as jobs:
        described = harness.process(script, jobs, AppSpecification=application, Environment={"A": "1"})
    assert described["ProcessingJobStatus"] == "Completed", described
    assert harness.output("found.json") == ["secret\nvalue", "1", None, "http://proxy", "/dev/null", None]
    assert [words[0] for words in given(harness.root)] == ["rm", "image", "run", "rm"][-3:]
    assert not any("secret" in word for words in given(harness.root) for word in words)
    assert list(harness.work.iterdir()) == []


def test_a_job_on_an_image_that_is_not_here_fails(harness: JobHarness) -> None:
    entry: Json = ["python3", "/opt/ml/processing/input/code/script.py"]
    application: dict[str, Json] = {"ImageUri": "missing", "ContainerEntrypoint": entry}
    with LocalJobs(harness.store, settings(harness)) as jobs:
        described = harness.process("", jobs, AppSpecification=application)
    assert described["FailureReason"] == "ClientError: the image missing is not on this machine: podman pull missing"


def test_an_entry_point_trains(harness: JobHarness) -> None:
    code = "import sys; open(sys.argv[1] + '/model/m', 'w').write('x'); sys.exit(int(sys.argv[2]))"
    for exit_code, status in (("0", "Completed"), ("3", "Failed")):
        algorithm: dict[str, Json] = {
            "TrainingImage": "mine:1",
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", "-c", code],
            "ContainerArguments": ["/opt/ml", exit_code],
        }
        with LocalJobs(harness.store, settings(harness)) as jobs:
            described = harness.train(
                "", jobs, name=f"job{exit_code}", AlgorithmSpecification=algorithm, HyperParameters={}
            )
        assert described["TrainingJobStatus"] == status, described
        reason = "AlgorithmError: See job logs for more information, exit code: 3" if status == "Failed" else ""
        assert described.get("FailureReason", "").startswith(reason)


def test_buildah_needs_root(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("this is root")
    image = LocalImage(runtime(tmp_path, "buildah"), "mine:1")
    with (
        pytest.raises(ContainerUnavailable, match="root only"),
        container(image, "x", tmp_path, ContainedCommand(("x",), (), {})),
    ):
        pass


def test_an_image_starts_by_itself(harness: JobHarness) -> None:
    """The entry point of the pretended image is `sh -c`."""
    with LocalJobs(harness.store, settings(harness)) as jobs:
        command: Json = ["echo $A > /opt/ml/processing/output/out/found.json"]
        application: dict[str, Json] = {"ImageUri": "mine:1", "ContainerArguments": command}
        described = harness.process("", jobs, AppSpecification=application, Environment={"A": "1"})
        assert described["ProcessingJobStatus"] == "Completed", described
        assert harness.output("found.json") == 1
        algorithm: dict[str, Json] = {"TrainingImage": "mine:1", "TrainingInputMode": "File"}
        described = harness.train("", jobs, name="t", AlgorithmSpecification=algorithm, HyperParameters={})
    assert described["FailureReason"].startswith("AlgorithmError: See job logs for more information, exit code: 127")
    run = next(words for words in given(harness.root) if words[0] == "run" and words[-1] == "train")
    assert run[-2] == "mine:1"


def test_an_image_that_starts_by_itself_is_refused_outside_of_its_container(harness: JobHarness) -> None:
    with LocalJobs(harness.store, settings(harness)) as jobs, pytest.raises(ApiError, match="container runtime"):
        harness.process("", jobs, AppSpecification={"ImageUri": "image"})


@pytest.mark.parametrize(("image", "reason"), [("with:1", ""), ("without:1", "has no program `train`, by which")])
def test_a_script_trains_in_an_image_that_has_the_toolkit(harness: JobHarness, image: str, reason: str) -> None:
    script = "import os; assert os.environ['SM_MODEL_DIR'] == '/opt/ml/model'; open('../model/m', 'w')"
    algorithm: dict[str, Json] = {"TrainingImage": image, "TrainingInputMode": "File"}
    with LocalJobs(harness.store, settings(harness)) as jobs:
        described = harness.train(script, jobs, AlgorithmSpecification=algorithm)
    assert described["TrainingJobStatus"] == ("Failed" if reason else "Completed"), described
    assert reason in described.get("FailureReason", "")
