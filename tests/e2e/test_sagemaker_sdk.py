"""The SageMaker Python SDK, a client that we did not write, goes from raw data to predictions on `mlci serve`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.project import clean_environment
from support.serving import serving

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PREPARE = """
import os, shutil
os.makedirs("/opt/ml/processing/train", exist_ok=True)
shutil.copy("/opt/ml/processing/input/x.csv", "/opt/ml/processing/train/x.csv")
print("prepared")
"""

TRAIN = """
import argparse, json, os
parser = argparse.ArgumentParser()
parser.add_argument("--alpha", type=float)
alpha = parser.parse_args().alpha
rows = open(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "x.csv")).read().split()
print(f"loss=0.5; {len(rows)} rows")
json.dump(alpha, open(os.path.join(os.environ["SM_MODEL_DIR"], "alpha.json"), "w"))
"""

INFERENCE = """
import json, os
class Model:
    def __init__(self, alpha): self.alpha = alpha
    def predict(self, data): return data.sum(axis=1) * self.alpha
def model_fn(model_dir): return Model(json.load(open(os.path.join(model_dir, "alpha.json"))))
"""

PROGRAM = """
import json, logging, sys, time
logging.disable(logging.WARNING)
sleep = time.sleep
time.sleep = lambda seconds: sleep(min(seconds, 0.2))  # the SDK waits for ten to thirty seconds between two looks
import boto3, numpy, sagemaker
from sagemaker.processing import ProcessingInput, ProcessingOutput
from sagemaker.sklearn import SKLearn, SKLearnModel, SKLearnProcessor

session = sagemaker.Session()
bucket = session.default_bucket()
s3 = boto3.client("s3")
common = dict(role=sagemaker.get_execution_role(), framework_version="1.2-1", sagemaker_session=session)
machine = dict(instance_type="ml.m5.large")

processor = SKLearnProcessor(**common, **machine, instance_count=1)
raw = session.upload_data("x.csv", key_prefix="raw")
processor.run(
    code="prepare.py",
    inputs=[ProcessingInput(source=raw, destination="/opt/ml/processing/input")],
    outputs=[ProcessingOutput(output_name="train", source="/opt/ml/processing/train")],
)
data = processor.jobs[-1].outputs[0].destination

loss = {"Name": "loss", "Regex": "loss=(.*?);"}
script = dict(entry_point="train.py", source_dir="source", hyperparameters={"alpha": 2.0})
estimator = SKLearn(**script, metric_definitions=[loss], **common, **machine)
estimator.fit({"train": data})

model = SKLearnModel(model_data=estimator.model_data, entry_point="inference.py", source_dir="source", **common)
batches = dict(accept="text/csv", assemble_with="Line", strategy="MultiRecord", output_path=f"s3://{bucket}/out")
transformer = model.transformer(instance_count=1, **batches, **machine)
transformer.transform(data, content_type="text/csv", split_type="Line")

predictor = model.deploy(initial_instance_count=1, **machine)
predicted = predictor.predict(numpy.array([[1.0, 2.0], [3.0, 4.0]])).tolist()
predictor.delete_endpoint()

package = model.register(
    content_types=["text/csv"], response_types=["text/csv"], inference_instances=["ml.m5.large"],
    transform_instances=["ml.m5.large"], model_package_group_name="group", approval_status="PendingManualApproval",
)
found = {
    "bucket": bucket,
    "roles": [common["role"], sagemaker.get_execution_role(use_default=True)],
    "metrics": [item["Value"] for item in estimator.latest_training_job.describe()["FinalMetricDataList"]],
    "transformed": s3.get_object(Bucket=bucket, Key="out/x.csv.out")["Body"].read().decode(),
    "predicted": predicted,
    "package": package.model_package_arn,
    "endpoints": boto3.client("sagemaker").list_endpoints()["Endpoints"],
}
sys.stdout.write("\\n" + json.dumps(found))
"""

#: A request that would leave this machine fails at once.
NOWHERE = {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}


def test_the_sdk_goes_from_raw_data_to_predictions(tmp_path: Path) -> None:
    pytest.importorskip("numpy")
    (tmp_path / "source").mkdir()
    files = {"prepare.py": PREPARE, "source/train.py": TRAIN, "source/inference.py": INFERENCE, "x.csv": "1,2\n3,4\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with serving(tmp_path / "data") as server:
        environment = clean_environment({**server.exports, **NOWHERE, "HOME": str(tmp_path)})
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", PROGRAM],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    *printed, last = done.stdout.splitlines()
    assert json.loads(last) == {
        "bucket": "sagemaker-us-east-1-000000000000",
        "roles": ["arn:aws:iam::000000000000:role/mlci"] * 2,
        "metrics": [0.5],
        "transformed": "6.0\n14.0\n",
        "predicted": [6.0, 14.0],
        "package": "arn:aws:sagemaker:us-east-1:000000000000:model-package/group/1",
        "endpoints": [],
    }
    logs = "\n".join(printed)
    assert "prepared" in logs, "the SDK follows the job's log in CloudWatch Logs"
    assert "loss=0.5; 2 rows" in logs
    assert "Training job completed" in logs
