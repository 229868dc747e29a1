"""Jobs with several instances: their names and addresses, their shares of inputs, their outputs, logs and failures."""

from __future__ import annotations

import io
import json
import socket
import tarfile
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from mlci_emulator.jobs.hosts import hosts_of
from mlci_emulator.jobs.instances import Instance, run_together
from mlci_emulator.jobs.process import StopSignal
from mlci_emulator.jobs.runner import LocalJobs
from mlci_emulator.jobs.workspace import Workspace
from mlci_emulator.protocol.operations import ApiError
from support.local_jobs import FakeStopSignal, JobHarness

if TYPE_CHECKING:
    from mlci_asl import Json

CLUSTER: dict[str, Any] = {"InstanceCount": 2, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
TWO: dict[str, Any] = {"ResourceConfig": {**CLUSTER}}
TWO_PROCESSORS: dict[str, Any] = {"ProcessingResources": {"ClusterConfig": {**CLUSTER}}}
#: Each host listens on its own name, and the other says hello to it, on one port for all.
TALK = """
import json, os, socket, sys, time
def talk(me, hosts, port=29500):
    server = socket.create_server((me, port))
    for other in hosts:
        if other != me:
            for _ in range(500):
                try:
                    with socket.create_connection((other, port), timeout=20) as client:
                        client.sendall(me.encode())
                    break
                except OSError:
                    time.sleep(0.02)
    heard = []
    for _ in hosts[1:]:
        connection, address = server.accept()
        heard.append([connection.recv(99).decode(), address[0], server.getsockname()[0]])
    return heard
"""


@pytest.fixture
def several(harness: JobHarness) -> Any:
    with harness.jobs() as jobs:
        if jobs.problem(2):
            pytest.skip("no private namespaces here")
        yield jobs


def model(harness: JobHarness, name: str = "job") -> dict[str, str]:
    """Return the files of a model, with their content."""
    data = harness.store.read_bytes(f"s3://b/models/{name}/output/model.tar.gz")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {member.name: archive.extractfile(member).read().decode() for member in archive}  # type: ignore[union-attr]


def test_the_instances_of_a_training_job_talk_by_their_names(harness: JobHarness, several: LocalJobs) -> None:
    script = f"""{TALK}
hosts, me = json.loads(os.environ["SM_HOSTS"]), os.environ["SM_CURRENT_HOST"]
config = json.load(open("/opt/ml/input/config/resourceconfig.json"))
assert config["hosts"] == hosts and config["current_host"] == me, config
assert os.environ["SM_NETWORK_INTERFACE_NAME"] == config["network_interface_name"]
assert json.loads(os.environ["SM_TRAINING_ENV"])["is_master"] == (me == hosts[0])
print("hello from", me, flush=True)
json.dump(talk(me, hosts), open(f"/opt/ml/model/{{me}}.json", "w"))
"""
    described = harness.train(script, several, **TWO)
    assert described["TrainingJobStatus"] == "Completed", harness.log("job").read_text()
    phases = [each["Status"] for each in described["SecondaryStatusTransitions"]]
    assert phases == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    [[[first, from_address, _]], [[second, _, to_address]]] = [
        json.loads(model(harness)[f"{host}.json"]) for host in ("algo-1", "algo-2")
    ]
    assert (first, second) == ("algo-2", "algo-1")
    assert to_address.startswith("127.")
    assert to_address.endswith(".2")
    assert from_address.startswith("127.")
    assert sorted(harness.log("job").read_text().splitlines()) == [
        "[algo-1] hello from algo-1",
        "[algo-2] hello from algo-2",
    ]


def test_one_instance_finds_itself_by_its_name(harness: JobHarness, several: LocalJobs) -> None:
    """Scripts take the first host as the master, however many there are."""
    script = f"{TALK}\nhosts = json.loads(os.environ['SM_HOSTS'])\nprint(hosts, talk(hosts[0], hosts))"
    assert harness.train(script, several)["TrainingJobStatus"] == "Completed"
    assert harness.log("job").read_text() == "['algo-1'] []\n"


def test_two_jobs_at_once_listen_on_one_port(harness: JobHarness, several: LocalJobs) -> None:
    script = f"{TALK}\nprint(talk(os.environ['SM_CURRENT_HOST'], json.loads(os.environ['SM_HOSTS'])))"
    ends: list[str] = []

    def train(name: str) -> None:
        ends.append(harness.train(script, several, name=name, **TWO)["TrainingJobStatus"])

    threads = [threading.Thread(target=train, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ends == ["Completed", "Completed"]


def test_the_instances_of_a_processing_job_share_inputs_and_outputs(harness: JobHarness, several: LocalJobs) -> None:
    for name in "abcde":
        harness.store.put_bytes(name.encode(), f"s3://b/data/{name}.csv")
    script = """
import json, os
config = json.load(open("/opt/ml/config/resourceconfig.json"))
me = config["current_host"]
seen = {name: sorted(os.listdir(f"/opt/ml/processing/input/{name}")) for name in ("shared", "whole")}
json.dump([config, seen], open(f"/opt/ml/processing/output/out/{me}.json", "w"))
open("/opt/ml/processing/output/out/same", "w").write(me)
"""
    inputs: Json = [
        {
            "InputName": name,
            "S3Input": {
                "S3Uri": uri,
                "LocalPath": f"/opt/ml/processing/input/{name}",
                "S3DataType": "S3Prefix",
                "S3DataDistributionType": distribution,
            },
        }
        for name, uri, distribution in (
            ("code", "s3://b/code/", "FullyReplicated"),
            ("shared", "s3://b/data", "ShardedByS3Key"),
            ("whole", "s3://b/data", "FullyReplicated"),
        )
    ]
    described = harness.process(script, several, ProcessingInputs=inputs, **TWO_PROCESSORS)
    assert described["ProcessingJobStatus"] == "Completed", described
    names = [f"{name}.csv" for name in "abcde"]
    hosts = ["algo-1", "algo-2"]
    assert harness.output("algo-1.json") == [
        {"current_host": "algo-1", "hosts": hosts},
        {"shared": names[::2], "whole": names},
    ]
    assert harness.output("algo-2.json") == [
        {"current_host": "algo-2", "hosts": hosts},
        {"shared": names[1::2], "whole": names},
    ]
    assert harness.store.read_bytes("s3://b/out/same") == b"algo-1"
    note = (
        "mlci: several instances wrote /opt/ml/processing/output/out/same. Here algo-1's is kept; SageMaker does not "
    )
    assert f"[algo-1] {note}say whose.\n" in harness.log("job").read_text()


def test_a_model_has_one_of_each_file_and_the_log_says_so(harness: JobHarness, several: LocalJobs) -> None:
    script = """
import os
for name in ("a", "b", os.environ["SM_CURRENT_HOST"]):
    open(os.environ["SM_MODEL_DIR"] + "/" + name, "w").write(os.environ["SM_CURRENT_HOST"])
"""
    assert harness.train(script, several, **TWO)["TrainingJobStatus"] == "Completed"
    assert model(harness) == {"a": "algo-1", "b": "algo-1", "algo-1": "algo-1", "algo-2": "algo-2"}
    assert "[algo-1] mlci: several instances wrote /opt/ml/model/a and 1 more." in harness.log("job").read_text()


def test_isolated_instances_reach_each_other_and_nothing_else(harness: JobHarness, several: LocalJobs) -> None:
    script = f"""{TALK}
try:
    socket.create_connection(("127.0.0.1", int(os.environ["PORT"])), timeout=5)
    print("reached")
except OSError as error:
    print(type(error).__name__)
config = json.load(open("/opt/ml/config/resourceconfig.json"))
print([name for name, _, _ in talk(config["current_host"], config["hosts"])])
"""
    network: Json = {"EnableNetworkIsolation": True}
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: Json = {"PORT": str(server.getsockname()[1])}
        described = harness.process(script, several, Environment=port, NetworkConfig=network, **TWO_PROCESSORS)
    assert described["ProcessingJobStatus"] == "Completed"
    assert sorted(harness.log("job").read_text().splitlines()) == [
        "[algo-1] ConnectionRefusedError",
        "[algo-1] ['algo-2']",
        "[algo-2] ConnectionRefusedError",
        "[algo-2] ['algo-1']",
    ]


def test_one_failure_fails_the_job_and_stops_the_others(harness: JobHarness, several: LocalJobs) -> None:
    script = """
import os, sys, time
if os.environ["SM_CURRENT_HOST"] == "algo-2":
    sys.exit("no data for algo-2")
time.sleep(60)
"""
    started = time.monotonic()
    described = harness.train(script, several, **TWO)
    assert time.monotonic() - started < 20
    assert described["TrainingJobStatus"] == "Failed"
    assert "no data for algo-2" in described["FailureReason"]
    log = harness.log("job").read_text()
    assert "[algo-2] no data for algo-2" in log
    assert "[algo-2] mlci: this instance failed, so the others are stopped." in log
    assert not list(harness.work.glob("mlci-job-*"))


def test_a_stop_ends_all_instances(harness: JobHarness, several: LocalJobs) -> None:
    stop = FakeStopSignal()
    threading.Timer(1.0, stop.set).start()
    described = harness.train("import time; time.sleep(60)", several, stop, **TWO)
    assert described["TrainingJobStatus"] == "Stopped"


@pytest.mark.parametrize("isolation", ["paths"])
def test_several_instances_need_namespaces(harness: JobHarness, isolation: Any) -> None:
    with harness.jobs(isolation) as jobs:
        with pytest.raises(ApiError, match="2 instances each need an /opt/ml"):
            harness.train("pass", jobs, **TWO)
        assert harness.train("pass", jobs)["TrainingJobStatus"] == "Completed"


def test_an_error_of_one_instance_is_raised_when_all_have_ended(tmp_path: Any) -> None:
    ended = []

    def run(instance: Instance, stop: StopSignal) -> str:
        if instance.host.name == "algo-2":
            raise ValueError("broken")
        assert stop.wait(20)
        ended.append(instance.host.name)
        return "stopped"

    instances = [Instance(host, Workspace(tmp_path), tmp_path) for host in hosts_of(3)]
    with pytest.raises(ValueError, match="broken"):
        run_together(instances, run, lambda result: result == "done", FakeStopSignal())
    assert sorted(ended) == ["algo-1", "algo-3"]
