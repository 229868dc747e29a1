"""The integrations of Step Functions' Task states, and their implementation here.

    resource_arns.py       parses a task's Resource
    catalog.py             the integrations of Step Functions, and those that the emulator supports
    sdk_names.py           names of services, actions, members and errors in the AWS SDK for Java 2
    task_states.py         finds the Task states of a definition
    parameters.py          validates a task's parameters
    mocks.py               validates a mocked result for TestState
    task_context.py        the region, account and state machine of a task
    task_values.py         between a task's JSON and an API's values
    response_metadata.py   the members that optimised integrations add to an output
    errors.py              a task's error when an API rejects its request
    aws_sdk.py             `aws-sdk:service:action`
    sagemaker.py           `sagemaker:create…`
    lambda_invoke.py       `lambda:invoke`, and a function's ARN
    glue.py                `glue:startJobRun`
    messaging.py           `sns:publish`, `sqs:sendMessage`, `events:putEvents`
    message_validation.py  rejects the messages that these services reject
    message_records.py     records messages instead of sending them
    handlers.py            all of it, as the interpreter calls it

A local run does not import botocore: PLAIN in aws_sdk.py and sagemaker.py validates the calls of a usual flow.
"""

from __future__ import annotations

from mlci_emulator.integrations.handlers import Integrations
from mlci_emulator.integrations.lambda_invoke import FunctionService
from mlci_emulator.integrations.message_records import MessageRecords
from mlci_emulator.integrations.messaging import MessageService
from mlci_emulator.integrations.sagemaker import JobService

__all__ = ["FunctionService", "Integrations", "JobService", "MessageRecords", "MessageService"]
