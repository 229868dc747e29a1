"""Runtimes, and the builds of images, by programs that stand for the runtimes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from mlci.backends.container_runtime import ContainerRuntime, find_runtime
from mlci.backends.image_builds import ImageBuilder, build_command
from mlci.backends.local_images import LocalImages
from mlci.backends.stop_signal import StopSignal
from mlci.errors import CloudError, InputError
from mlci.flow import load
from mlci.plan import Plan, Target, plan
from mlci.plan.models import PlannedImage
from mlci.stage.models import CodeUnit, ImageContext, Staged, StagedFile
from mlci.step_types.script_start import ScriptStart
from support.fake_programs import program

FLOW = """flow: built
defaults: {image: {build: docker}}
steps:
  one: {uses: processing, run: a.py}
  two: {uses: processing, run: a.py, image: "mine.example/two:1"}
"""


def staged_file(folder: Path, path: str, text: str) -> StagedFile:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return StagedFile(path, hashlib.sha256(text.encode()).hexdigest(), len(text), file)


def image(folder: Path) -> PlannedImage:
    files = (staged_file(folder, "Dockerfile", "FROM x\n"), staged_file(folder, "bin/start", "true\n"))
    context = ImageContext("docker", "Dockerfile", {"BASE": "debian"}, files, frozenset(["bin/start"]))
    return PlannedImage("localhost/mlci-built:abc", context, ("one",))


def builder(tmp_path: Path, body: str, messages: list[str]) -> ImageBuilder:
    runtime = ContainerRuntime("podman", str(program(tmp_path, "podman", body)), {})
    return ImageBuilder(runtime, lambda step: tmp_path / f"{step}.log", messages.append)


@pytest.mark.parametrize(
    ("bodies", "found"),
    [
        ({"docker": "", "podman": "", "buildah": ""}, "docker"),
        ({"docker": "sys.exit(1)", "podman": "", "buildah": ""}, "podman"),
        ({"docker": "sys.exit(1)", "buildah": ""}, "buildah"),
    ],
)
def test_the_first_runtime_that_answers_is_used(tmp_path: Path, bodies: dict[str, str], found: str) -> None:
    for name, body in bodies.items():
        program(tmp_path, name, body)
    environment = {"PATH": str(tmp_path), "DOCKER_HOST": "unix:///x", "AWS_SECRET_ACCESS_KEY": "s"}
    runtime = find_runtime(environment)
    assert (runtime.name, runtime.program) == (found, str(tmp_path / found))
    assert runtime.environment == {"PATH": str(tmp_path), "DOCKER_HOST": "unix:///x"}
    chosen = find_runtime({**environment, "MLCI_CONTAINER_RUNTIME": "buildah"})
    assert chosen.name == "buildah"


def test_where_there_is_no_runtime_the_error_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no container runtime.*apt-get install buildah"):
        find_runtime({"PATH": str(tmp_path)})
    program(tmp_path, "docker", "sys.exit(1)")
    with pytest.raises(InputError, match=r"docker is there, but can't be used.*Start its daemon"):
        find_runtime({"PATH": str(tmp_path)})
    with pytest.raises(InputError, match=r'is "dokker".*docker, podman, buildah'):
        find_runtime({"PATH": str(tmp_path), "MLCI_CONTAINER_RUNTIME": "dokker"})


def test_the_commands_of_builds(tmp_path: Path) -> None:
    made, folder = image(tmp_path), Path("/c")
    rest = ["--tag", "localhost/mlci-built:abc", "--file", "/c/Dockerfile", "--build-arg", "BASE=debian", "/c"]
    commands = {
        "docker": ["/bin/x", "build", "--cache-from", "y", *rest],
        "podman": ["/bin/x", "build", "--layers", "--cache-from", "y", *rest],
        "buildah": ["/bin/x", "build", "--isolation", "chroot", "--layers", "--cache-from", "y", *rest],
    }
    for name, command in commands.items():
        runtime = ContainerRuntime(name, "/bin/x", {})  # type: ignore[arg-type]
        assert build_command(runtime, made, folder, ["--cache-from", "y"]) == command


def test_the_builder_gets_what_was_hashed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    made, messages = image(tmp_path / "source"), list[str]()
    (tmp_path / "source/other").write_text("x")
    body = f"shutil.copytree(arguments[-1], {str(tmp_path / 'seen')!r}); print('built')"
    assert builder(tmp_path, body, messages).build(made, StopSignal())
    seen = tmp_path / "seen"
    assert sorted(path.relative_to(seen).as_posix() for path in seen.rglob("*") if path.is_file()) == [
        "Dockerfile",
        "bin/start",
    ]
    assert [os.access(seen / path, os.X_OK) for path in ("Dockerfile", "bin/start")] == [False, True]
    assert (tmp_path / "one.log").read_text() == "built\n"
    assert messages == ["building the image of docker with podman, with its output in one.log"]


def test_a_file_that_changes_meanwhile_is_not_built(tmp_path: Path) -> None:
    made = image(tmp_path)
    (tmp_path / "bin/start").write_text("false\n")
    with pytest.raises(CloudError, match="changed while the run was being prepared"):
        builder(tmp_path, "", []).build(made, StopSignal())


def test_a_build_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(
        CloudError, match=r"(?s)the image of docker can't be built: line 4\n.*no such package"
    ) as raised:
        builder(tmp_path, "[print('line', n) for n in range(9)]; sys.exit('no such package')", []).build(
            image(tmp_path), StopSignal()
        )
    assert "one.log" in raised.value.hint


def test_a_stop_ends_a_build(tmp_path: Path) -> None:
    stop = StopSignal()
    stop.set(error="mlci.Stopped", cause="x")
    assert not builder(tmp_path, "import time; time.sleep(60)", []).build(image(tmp_path), stop)


def planned(tmp_path: Path) -> Plan:
    flow = load(FLOW.encode(), "flow.yaml", {}, {})
    unit = CodeUnit(ScriptStart({"script": "a.py"}), (), ())
    staged = Staged({"one": unit, "two": unit}, {}, {"two": "mine.example/two:1"}, {"one": image(tmp_path).context})
    return plan(flow, staged, Target("bucket", "arn:aws:iam::000000000000:role/r", "20261123-101530-3f9c2a"))


def local_images(tmp_path: Path, isolation: str, messages: list[str]) -> LocalImages:
    environment = {"PATH": str(tmp_path)}
    return LocalImages(isolation, environment, lambda step: tmp_path / f"{step}.log", messages.append)  # type: ignore[arg-type]


def test_a_job_runs_in_the_image_that_the_flow_builds(tmp_path: Path) -> None:
    messages, marker = list[str](), tmp_path / "built"
    program(
        tmp_path,
        "podman",
        f"built = {str(marker)!r}\n"
        "if arguments[0] == 'image': sys.exit(not os.path.exists(built))\n"
        "if arguments[0] == 'build': open(built, 'w')",
    )
    made = planned(tmp_path)
    for expected in (2, 1):  # the second run finds the image
        images = local_images(tmp_path, "auto", messages)
        images.check(made)
        images.publish(made.images, StopSignal())
        assert images.is_contained(made.steps["one"].image)
        assert not images.is_contained(made.steps["two"].image)
        assert len(messages) == expected
        messages.clear()


def test_without_a_runtime_such_a_step_is_refused_and_another_isolation_is_not(tmp_path: Path) -> None:
    made, messages = planned(tmp_path), list[str]()
    with pytest.raises(InputError, match=r'flow.yaml:\d+:\d+: the image of step "one" \(docker\) can\'t be built'):
        local_images(tmp_path, "auto", []).check(made)
    images = local_images(tmp_path, "paths", messages)
    images.check(made)
    images.publish(made.images, StopSignal())
    assert not images.is_contained(made.steps["one"].image)
    assert "warning: with --isolation paths, the image of docker is neither built nor used" in messages[0]


def test_container_isolation_needs_each_image(tmp_path: Path) -> None:
    program(tmp_path, "podman", "sys.exit(arguments[0] == 'image')")
    with pytest.raises(
        InputError, match=r'step "two".*mine.example/two:1 is not on this machine.*podman pull mine'
    ) as raised:
        local_images(tmp_path, "container", []).check(planned(tmp_path))
    assert 'step "one"' not in str(raised.value)  # its image is built
    program(tmp_path, "podman", "")
    local_images(tmp_path, "container", []).check(planned(tmp_path))


def test_what_serves_a_model_does_not_run_in_its_image_here(tmp_path: Path) -> None:
    messages = list[str]()
    text = FLOW.replace('image: "mine.example/two:1"', "outputs: [o]").replace(
        "steps:\n", "steps:\n  serve: {uses: model, model: 's3://bucket/model.tar.gz'}\n"
    )
    flow = load(text.encode(), "flow.yaml", {}, {})
    unit, context = CodeUnit(ScriptStart({"script": "a.py"}), (), ()), image(tmp_path).context
    staged = Staged({"one": unit, "two": unit}, {}, {}, dict.fromkeys(["serve", "one", "two"], context))
    made = plan(flow, staged, Target("bucket", "arn:aws:iam::000000000000:role/r", "20261123-101530-3f9c2a"))
    program(tmp_path, "podman", "")
    images = local_images(tmp_path, "auto", messages)
    images.check(made)
    images.publish(made.images, StopSignal())
    assert messages[0].startswith("warning: the model of serve is served by the project's Python on this machine")
    assert messages[1].startswith("one and two run in the image of docker (podman)")
