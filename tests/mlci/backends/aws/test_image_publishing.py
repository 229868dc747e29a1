"""Images in ECR: found by their tag, pushed where they are new, and named by their digest."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from mlci.backends.aws.api_calls import Api
from mlci.backends.aws.ecr_images import ImageAddress, PushedImages, image_address
from mlci.backends.aws.image_publishing import ImagePublisher
from mlci.backends.stop_signal import StopSignal
from mlci.errors import CloudError, InputError
from mlci.flow import load
from mlci.plan import Plan, Target, plan
from mlci.plan.models import PlannedImage
from mlci.stage.models import CodeUnit, ImageContext, Staged, StagedFile
from mlci.step_types.script_start import ScriptStart
from support.fake_programs import program

REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
FLOW = "flow: built\nsteps: {one: {uses: processing, run: a.py, image: {build: docker}}}\n"
TOKEN = base64.b64encode(b"AWS:password").decode()
MANIFEST = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
    "config": {
        "mediaType": "application/vnd.docker.container.image.v1+json",
        "size": 1,
        "digest": "sha256:" + "0" * 64,
    },
    "layers": [],
}


def test_an_image_is_found_by_its_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        client = boto3.client("ecr")
        pushed = PushedImages(Api(client))
        image = ImageAddress(REGISTRY, "mlci-built", "abc")
        with pytest.raises(CloudError, match=r'no repository "mlci-built" in ECR.*mlci bootstrap'):
            pushed.digest(image)
        client.create_repository(repositoryName="mlci-built", imageTagMutability="IMMUTABLE")
        assert (pushed.digest(image), pushed.newest("mlci-built")) == (None, None)
        put = client.put_image(repositoryName="mlci-built", imageManifest=json.dumps(MANIFEST), imageTag="abc")
        digest = put["image"]["imageId"]["imageDigest"]
        assert (pushed.digest(image), pushed.newest("mlci-built")) == (digest, digest)
        assert image.by_digest(digest) == f"{REGISTRY}/mlci-built@{digest}"
        user, _, _ = base64.b64decode(pushed.authorization()).decode().partition(":")
        assert user == "AWS"


class PretendedRegistry:
    """An ECR client whose one image is there once `docker push` has written a file."""

    def __init__(self, folder: Path) -> None:
        self._pushed = folder / "pushed"

    def describe_images(self, repositoryName: str, imageIds: list[dict[str, str]] | None = None) -> Any:  # noqa: N803
        tag = self._pushed.read_text().rpartition(":")[2] if self._pushed.exists() else None
        if imageIds and imageIds[0]["imageTag"] != tag:
            from botocore.exceptions import ClientError

            raise ClientError({"Error": {"Code": "ImageNotFoundException", "Message": "none"}}, "DescribeImages")
        digest = "sha256:" + hashlib.sha256((tag or "").encode()).hexdigest()
        return {"imageDetails": [{"imageDigest": digest, "imagePushedAt": 1}] if tag else []}

    def get_authorization_token(self) -> Any:
        return {"authorizationData": [{"authorizationToken": TOKEN}]}


DOCKER = """
import json
folder = os.path.dirname(os.path.abspath(sys.argv[0]))
with open(folder + "/calls", "a") as calls:
    calls.write(json.dumps(arguments) + chr(10))
if arguments[0] == "image":
    sys.exit(1)
if arguments[0] == "push":
    shutil.copy(os.environ["DOCKER_CONFIG"] + "/config.json", folder + "/login")
    assert os.path.exists(os.environ["DOCKER_CONFIG"] + "/contexts")
    RESULT
"""
PUSHED = "open(folder + '/pushed', 'w').write(arguments[-1])"


def planned(folder: Path) -> Plan:
    file = folder / "Dockerfile"
    file.write_text("FROM x\n")
    files = (StagedFile("Dockerfile", hashlib.sha256(b"FROM x\n").hexdigest(), 7, file),)
    unit = CodeUnit(ScriptStart({"script": "a.py"}), (), ())
    staged = Staged({"one": unit}, {}, {}, {"one": ImageContext("docker", "Dockerfile", {}, files)})
    target = Target("bucket", "arn:aws:iam::123456789012:role/r", "20261123-101530-3f9c2a", registry=REGISTRY)
    return plan(load(FLOW.encode(), "flow.yaml", {}, {}), staged, target)


def publisher(folder: Path, messages: list[str], result: str = PUSHED) -> ImagePublisher:
    program(folder, "docker", DOCKER.replace("RESULT", result))
    (folder / "home/.docker/contexts").mkdir(parents=True, exist_ok=True)
    helpers = {"credsStore": "desktop", "auths": {"other.example": {"auth": "x"}}, "currentContext": "mine"}
    (folder / "home/.docker/config.json").write_text(json.dumps(helpers))
    environment = {"PATH": str(folder), "HOME": str(folder / "home")}
    pushed = PushedImages(Api(PretendedRegistry(folder)))
    return ImagePublisher(pushed, environment, lambda step: folder / f"{step}.log", messages.append)


def calls(folder: Path) -> list[list[str]]:
    return [json.loads(line) for line in (folder / "calls").read_text().splitlines()]


def test_a_new_image_is_built_pushed_and_named_by_its_digest(tmp_path: Path) -> None:
    made, messages = planned(tmp_path), list[str]()
    [image] = made.images
    assert image.uri.startswith(f"{REGISTRY}/mlci-built:")
    publishing = publisher(tmp_path, messages)
    publishing.check(made)
    assert publishing.published(made.images) == {}
    uris = publishing.publish(made.images, StopSignal())
    digest = "sha256:" + hashlib.sha256(image_address(image.uri).tag.encode()).hexdigest()
    assert uris == {image.uri: f"{REGISTRY}/mlci-built@{digest}"} == publishing.published(made.images)
    build = next(call for call in calls(tmp_path) if call[0] == "build")
    assert build[1:5] == ["--platform", "linux/amd64", "--build-arg", "BUILDKIT_INLINE_CACHE=1"]
    assert "--cache-from" not in build  # there is no image yet
    login = json.loads((tmp_path / "login").read_text())
    assert login == {
        "auths": {"other.example": {"auth": "x"}, REGISTRY: {"auth": TOKEN}},
        "currentContext": "mine",
    }
    assert not any(TOKEN in word or "password" in word for call in calls(tmp_path) for word in call)
    assert json.loads((tmp_path / "home/.docker/config.json").read_text())["credsStore"] == "desktop"

    (tmp_path / "calls").unlink()
    messages.clear()
    assert publishing.publish(made.images, StopSignal()) == uris
    assert not (tmp_path / "calls").exists()
    assert messages == [f"the image of docker is in ECR: {uris[image.uri]}"]


def test_a_build_takes_the_layers_of_the_newest_image(tmp_path: Path) -> None:
    made = planned(tmp_path)
    (tmp_path / "pushed").write_text("other:1")
    publisher(tmp_path, []).publish(made.images, StopSignal())
    build = next(call for call in calls(tmp_path) if call[0] == "build")
    newest = hashlib.sha256(b"1").hexdigest()
    assert build[build.index("--cache-from") + 1] == f"{REGISTRY}/mlci-built@sha256:{newest}"


def test_a_push_that_another_build_was_before_is_none_that_failed(tmp_path: Path) -> None:
    made = planned(tmp_path)
    uris = publisher(tmp_path, [], f"{PUSHED}; sys.exit('the tag is immutable')").publish(made.images, StopSignal())
    assert list(uris) == [made.images[0].uri]


def test_a_push_that_fails_fails_the_run(tmp_path: Path) -> None:
    made = planned(tmp_path)
    with pytest.raises(CloudError, match="the image of docker can't be pushed: docker ended with exit code 1"):
        publisher(tmp_path, [], "sys.exit('denied')").publish(made.images, StopSignal())
    assert "denied" in (tmp_path / "one.log").read_text()


def test_a_run_that_must_build_needs_a_runtime_and_another_does_not(tmp_path: Path) -> None:
    made = planned(tmp_path)
    publishing = publisher(tmp_path, [])
    (tmp_path / "docker").unlink()
    with pytest.raises(InputError, match=r'flow.yaml:2:\d+: the image of step "one" \(docker\) can\'t be built'):
        publishing.check(made)
    (tmp_path / "pushed").write_text(made.images[0].uri)
    publishing.check(made)


def test_a_stopped_run_pushes_nothing(tmp_path: Path) -> None:
    stop = StopSignal()
    stop.set(error="mlci.Stopped", cause="x")
    made: tuple[PlannedImage, ...] = planned(tmp_path).images
    assert publisher(tmp_path, []).publish(made, stop) == {}
    assert not (tmp_path / "calls").exists()
