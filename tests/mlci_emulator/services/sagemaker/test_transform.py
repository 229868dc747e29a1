"""Transform jobs: a model's own inference script over real files."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from mlci_emulator.jobs import inference
from mlci_emulator.jobs.isolation import Isolation
from mlci_emulator.protocol.operations import ApiError
from support.local_jobs import JobHarness, sourcedir
from support.sagemaker import SageMakerHarness, sagemaker_harness

#: Adds the numbers of each row of a CSV file up; the model is a number that is added, too.
SUMS = """
import os
def model_fn(model_dir):
    return int(open(os.path.join(model_dir, "offset")).read())
def input_fn(data, content_type):
    assert isinstance(data, str), type(data)
    return [[float(cell) for cell in row.split(",")] for row in data.splitlines()]
def predict_fn(rows, model):
    print("a payload of", len(rows), "rows")
    return [sum(row) + model for row in rows]
def output_fn(sums, accept):
    return "\\n".join(str(value) for value in sums), accept
"""

#: Answers each JSON object with its label.
LABELS = """
import json
def model_fn(model_dir):
    return None
def transform_fn(model, data, content_type, accept):
    return json.dumps({"label": json.loads(data)["x"] > 0}).encode()
"""


def make_model(sagemaker: SageMakerHarness, files: dict[str, str], image: str = "image", **environment: str) -> None:
    sagemaker.harness.store.put_bytes(sourcedir(files), "s3://b/model.tar.gz")
    container = {"Image": image, "ModelDataUrl": "s3://b/model.tar.gz", "Environment": environment}
    sagemaker.call(
        "CreateModel",
        ModelName="model",
        PrimaryContainer=container,
        ExecutionRoleArn="arn:aws:iam::000000000000:role/job",
    )


def request(name: str = "job", **changes: Any) -> dict[str, Any]:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/in"}}
    return {
        "TransformJobName": name,
        "ModelName": "model",
        "TransformInput": {"DataSource": source, "ContentType": "text/csv", "SplitType": "Line"},
        "TransformOutput": {"S3OutputPath": "s3://b/out", "Accept": "text/csv", "AssembleWith": "Line"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        **changes,
    }


def run(sagemaker: SageMakerHarness, **changes: Any) -> dict[str, Any]:
    sagemaker.call("CreateTransformJob", **request(**changes))
    return sagemaker.wait_for_end("TransformJob")


def put(sagemaker: SageMakerHarness, **files: str) -> None:
    for name, text in files.items():
        sagemaker.harness.store.put_bytes(text.encode(), f"s3://b/in/{name.replace('_', '/')}.csv")


def output(sagemaker: SageMakerHarness, name: str) -> str:
    return sagemaker.harness.store.read_bytes(f"s3://b/out/{name}.csv.out").decode()


def as_json(**changes: Any) -> dict[str, Any]:
    """A request whose records are JSON, one to a line."""
    given = request(BatchStrategy="SingleRecord", **changes)
    given["TransformInput"]["ContentType"] = given["TransformOutput"]["Accept"] = "application/json"
    del given["TransformJobName"]
    return given


def test_a_transform_job_from_model_to_outputs(sagemaker: SageMakerHarness) -> None:
    make_model(sagemaker, {"offset": "100", "code/inference.py": SUMS})
    put(sagemaker, one="1,2\n3,4\n", deep_two="5,6")
    described = run(sagemaker)
    assert described["TransformJobStatus"] == "Completed", described
    assert output(sagemaker, "one") == "103.0\n107.0\n"
    assert output(sagemaker, "deep/two") == "111.0\n"
    assert described["TransformStartTime"] <= described["TransformEndTime"]
    assert "LastModifiedTime" not in described
    (log,) = sagemaker.service.log_files()
    assert log.group == "/aws/sagemaker/TransformJobs"
    assert log.path.read_text() == "a payload of 1 rows\na payload of 2 rows\n"
    (summary,) = sagemaker.call("ListTransformJobs")["TransformJobSummaries"]
    assert summary["TransformJobStatus"] == "Completed"
    assert summary["LastModifiedTime"] >= described["TransformEndTime"]


@pytest.mark.parametrize("isolation", ["auto", "paths"])
def test_a_transform_job_in_another_isolation(harness: JobHarness, isolation: Isolation) -> None:
    with harness.jobs(isolation) as jobs:
        sagemaker = sagemaker_harness(harness, jobs, None)
        make_model(sagemaker, {"offset": "1", "code/inference.py": SUMS})
        put(sagemaker, one="1,2\n")
        assert run(sagemaker)["TransformJobStatus"] == "Completed"
        assert output(sagemaker, "one") == "4.0\n"


@pytest.mark.parametrize(
    ("split", "changes", "payloads"),
    [
        ("Line", {"BatchStrategy": "SingleRecord"}, [1, 1, 1]),
        ("Line", {"BatchStrategy": "MultiRecord"}, [3]),
        ("None", {}, [3]),
        ("Line", {"MaxPayloadInMB": 0}, [3]),
    ],
)
def test_how_records_are_batched(
    sagemaker: SageMakerHarness, split: str, changes: dict[str, Any], payloads: list[int]
) -> None:
    make_model(sagemaker, {"offset": "0", "code/inference.py": SUMS})
    put(sagemaker, one="1\n2\n3\n")
    given = request(**changes)
    given["TransformInput"]["SplitType"] = split
    sagemaker.call("CreateTransformJob", **given)
    assert sagemaker.wait_for_end("TransformJob")["TransformJobStatus"] == "Completed"
    assert sagemaker.log_text("job") == "".join(f"a payload of {count} rows\n" for count in payloads)
    assert output(sagemaker, "one") == "1.0\n2.0\n3.0\n"


def test_payloads_stay_below_their_limit() -> None:
    data = b"aaaa\nbbbb\r\ncc\n"
    assert list(inference.payloads(data, "Line", "MultiRecord", 9)) == [[b"aaaa", b"bbbb"], [b"cc"]]
    assert list(inference.payloads(data, "Line", "MultiRecord", 8)) == [[b"aaaa"], [b"bbbb", b"cc"]]
    assert list(inference.payloads(b"", "Line", "MultiRecord", 8)) == []
    assert list(inference.payloads(data, "None", "MultiRecord", 0)) == [[data]]
    with pytest.raises(inference.ClientError, match="MaxPayloadInMB"):
        list(inference.payloads(data, "None", "MultiRecord", 8))


def test_the_script_of_a_submit_directory_and_its_variables(sagemaker: SageMakerHarness) -> None:
    script = "import os, helper\ndef model_fn(model_dir): return os.environ['MINE']\n"
    script += "def transform_fn(model, data, content_type, accept, context): return model + helper.TEXT"
    sagemaker.harness.store.put_bytes(
        sourcedir({"run.py": script, "lib/helper.py": "TEXT = '!'"}), "s3://b/code.tar.gz"
    )
    variables = {"SAGEMAKER_PROGRAM": "run.py", "SAGEMAKER_SUBMIT_DIRECTORY": "s3://b/code.tar.gz", "MINE": "model"}
    make_model(sagemaker, {"weights": ""}, **variables)
    put(sagemaker, one="1\n")
    assert run(sagemaker, Environment={"MINE": "job"})["TransformJobStatus"] == "Completed"
    assert output(sagemaker, "one") == "job!\n"


@pytest.mark.parametrize("image", ["683313688378.dkr/sagemaker-scikit-learn:1.2-1", "my-own"])
def test_default_handlers_use_numpy(sagemaker: SageMakerHarness, image: str) -> None:
    pytest.importorskip("numpy")
    script = "def model_fn(model_dir): return Model()\nclass Model:\n    def predict(self, data): return data * 2\n"
    if image == "my-own":
        script += "def predict_fn(data, model): return model.predict(data)"
    make_model(sagemaker, {"code/inference.py": script}, image)
    put(sagemaker, one="1.5,2.5\n3.5,4.5\n")
    assert run(sagemaker)["TransformJobStatus"] == "Completed", sagemaker.log_text("job")
    assert output(sagemaker, "one") == "3.0,5.0\n7.0,9.0\n"


@pytest.mark.parametrize("kind", [inference.JSON, inference.NPY])
def test_default_handlers_of_other_types(kind: str) -> None:
    numpy = pytest.importorskip("numpy")
    array = numpy.array([[1, 2], [3, 4]])
    data = inference.encode(array, kind)
    assert inference.decode(data, kind).tolist() == array.tolist()
    with pytest.raises(inference.ClientError, match="Content type image/png is not supported"):
        inference.decode(b"", "image/png")


def test_a_file_that_cannot_be_transformed_fails_the_job_and_no_other_file(sagemaker: SageMakerHarness) -> None:
    make_model(sagemaker, {"offset": "0", "code/inference.py": SUMS})
    put(sagemaker, a="1\nx\n", b="2\n")
    described = run(sagemaker)
    assert described["TransformJobStatus"] == "Failed"
    assert described["FailureReason"] == (
        "AlgorithmError: See job logs for more information\na.csv: ValueError: could not convert string to float: 'x'"
    )
    assert "Traceback" in sagemaker.log_text("job")
    assert output(sagemaker, "b") == "2.0\n"
    assert not sagemaker.harness.store.exists("s3://b/out/a.csv.out")


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"code/inference.py": "import nothing_of_this_name"}, "ModuleNotFoundError: No module named"),
        ({"code/inference.py": ""}, "Please provide a model_fn implementation"),
        ({"code/inference.py": "def model_fn(d): pass"}, "Please provide a predict_fn implementation"),
        ({"code/inference.py": "def model_fn(d): pass\ndef transform_fn(*a): pass\ninput_fn = 1"}, "in conjunction"),
        ({"weights": ""}, 'there is no "inference.py" in the folder code of s3://b/model.tar.gz'),
        ({"code/inference.py": "import sys; sys.exit(7)"}, "exit code: 7"),
    ],
)
def test_a_script_that_fails_fails_the_job(sagemaker: SageMakerHarness, files: dict[str, str], reason: str) -> None:
    make_model(sagemaker, files)
    put(sagemaker, one="1\n")
    described = run(sagemaker)
    assert described["TransformJobStatus"] == "Failed"
    assert reason in described["FailureReason"]


def test_a_transform_job_is_stopped(sagemaker: SageMakerHarness) -> None:
    make_model(sagemaker, {"code/inference.py": "import time; time.sleep(60)"})
    put(sagemaker, one="1\n")
    sagemaker.call("CreateTransformJob", **request())
    sagemaker.call("StopTransformJob", TransformJobName="job")
    assert sagemaker.wait_for_end("TransformJob")["TransformJobStatus"] == "Stopped"


def test_a_payload_that_takes_too_long(sagemaker: SageMakerHarness) -> None:
    make_model(
        sagemaker,
        {
            "code/inference.py": SUMS.replace("return [sum", "import time; time.sleep(9); return [sum"),
            "offset": "0",
        },
    )
    put(sagemaker, one="1\n")
    described = run(sagemaker, ModelClientConfig={"InvocationsTimeoutInSeconds": 1})
    assert "ClientError: See job logs" in described["FailureReason"]
    assert "InvocationsTimeoutInSeconds" in described["FailureReason"]


def test_csv_columns_are_left_out_joined_and_chosen(sagemaker: SageMakerHarness) -> None:
    make_model(sagemaker, {"offset": "0", "code/inference.py": SUMS})
    put(sagemaker, one='"id 1",1,2\nid2,3,4\n')
    processing = {"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"}
    assert run(sagemaker, DataProcessing=processing)["TransformJobStatus"] == "Completed", sagemaker.log_text("job")
    assert output(sagemaker, "one") == "id 1,3.0\nid2,7.0\n"


def test_json_records_are_joined(sagemaker: SageMakerHarness) -> None:
    make_model(sagemaker, {"code/inference.py": LABELS})
    put(sagemaker, one='{"id":1,"features":{"x":1}}\n{"id":2,"features":{"x":-1}}\n')
    processing = {"InputFilter": "$.features", "JoinSource": "Input", "OutputFilter": "$['id','SageMakerOutput']"}
    assert run(sagemaker, **as_json(DataProcessing=processing))["TransformJobStatus"] == "Completed"
    lines = [json.loads(line) for line in output(sagemaker, "one").splitlines()]
    assert lines == [{"id": 1, "SageMakerOutput": {"label": True}}, {"id": 2, "SageMakerOutput": {"label": False}}]


def test_a_record_that_is_not_a_object_is_joined_beside_its_result() -> None:
    assert inference.join_record([1, 2], {"y": 1}) == {"SageMakerInput": [1, 2], "SageMakerOutput": {"y": 1}}
    assert inference.join_record(["1", "2"], ["3"]) == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("path", "value", "taken"),
    [
        ("$", {"a": 1}, {"a": 1}),
        ("$.a.b", {"a": {"b": 2}}, 2),
        ("$['a']", {"a": 1}, 1),
        ("$.*", {"a": 1, "b": 2}, [1, 2]),
        ("$[-2:]", [1, 2, 3], [2, 3]),
        ("$[0].a", [{"a": 5}], 5),
        ("$.a['b', 'c']", {"a": {"b": 1, "c": 2, "d": 3}}, {"b": 1, "c": 2}),
    ],
)
def test_a_json_path(path: str, value: Any, taken: Any) -> None:
    assert inference.select(path, value) == taken


@pytest.mark.parametrize("path", ["a", "$..a", "$[1:3]", "$[?(@.a)]", "$[", "$.a[*", "$ "])
def test_a_json_path_that_is_not_known_here(path: str) -> None:
    assert inference.path_steps(path) is None


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"ModelName": "none"}, 'Could not find model "arn:aws:sagemaker:eu-west-1:000000000000:model/none".'),
        ({"MaxPayloadInMB": 60, "MaxConcurrentTransforms": 2}, "more than 100 MB"),
        ({"DataProcessing": {"InputFilter": "$[1:3]"}}, 'the InputFilter "$[1:3]"'),
        ({"DataCaptureConfig": {"DestinationS3Uri": "s3://b/c"}}, "DataCaptureConfig"),
        ({"BatchStrategy": "All"}, "Member must satisfy enum value set: [MultiRecord, SingleRecord]"),
    ],
)
def test_a_transform_job_that_is_rejected(sagemaker: SageMakerHarness, changes: dict[str, Any], text: str) -> None:
    make_model(sagemaker, {"code/inference.py": LABELS})
    put(sagemaker, one="1\n")
    with pytest.raises(ApiError) as caught:
        sagemaker.call("CreateTransformJob", **request(**changes))
    assert caught.value.code == "ValidationException"
    assert text in caught.value.message


def test_a_missing_input_is_rejected(sagemaker: SageMakerHarness) -> None:
    make_model(sagemaker, {"code/inference.py": LABELS})
    with pytest.raises(ApiError, match="No S3 objects found under S3 URL"):
        sagemaker.call("CreateTransformJob", **request())


def test_a_split_that_is_rejected(sagemaker: SageMakerHarness) -> None:
    make_model(sagemaker, {"code/inference.py": LABELS})
    given = request()
    given["TransformInput"]["SplitType"] = "RecordIO"
    with pytest.raises(ApiError, match="SplitType None and Line"):
        sagemaker.call("CreateTransformJob", **given)
    given = request(DataProcessing={"JoinSource": "Input"})
    given["TransformOutput"]["Accept"] = "application/x-npy"
    with pytest.raises(ApiError, match="needs a ContentType and an Accept"):
        sagemaker.call("CreateTransformJob", **given)


def test_the_process_of_a_job_imports_the_standard_library_only() -> None:
    program = (
        "import runpy, sys; sys.argv = ['x', '/nowhere/order.json']; before = set(sys.modules)\n"
        f"try: runpy.run_path({inference.__file__!r}, run_name='__main__')\n"
        "except FileNotFoundError: pass\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "['__main__']\n" or done.stdout == "[]\n"
