"""The emulator's account, region, bucket and roles."""

from __future__ import annotations

REGION = "us-east-1"
ACCOUNT = "000000000000"
BUCKET = "mlci-local"
JOB_ROLE = f"arn:aws:iam::{ACCOUNT}:role/mlci-job"
WORKFLOW_ROLE = f"arn:aws:iam::{ACCOUNT}:role/mlci-workflow"
