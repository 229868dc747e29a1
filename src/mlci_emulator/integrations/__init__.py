"""The integrations of Step Functions: which there are, what they take, and what they do here.

    catalog, resources          which integrations AWS has and with which patterns; which of them are done here
    models                      AWS's models of its APIs, from botocore, when one is needed
    parameters, definitions     what is wrong with parameters, when a machine is created and when a task starts
    values, metadata, errors    between an API's answers and what a task's output, error and cause are on AWS
    sdk, sagemaker, functions, messages    doing them
    refusals, records           which messages are refused, and where the others go
    mocks                       results that stand for a task's own
    handlers                    all of it, as the interpreter calls it

`mlci run` needs none of botocore: the calls of a usual flow are known by hand (PLAIN in sdk.py and sagemaker.py).
"""

from __future__ import annotations

from mlci_emulator.integrations.handlers import Integrations
from mlci_emulator.integrations.lambda_invoke import FunctionService
from mlci_emulator.integrations.message_records import Records
from mlci_emulator.integrations.messaging import Messages
from mlci_emulator.integrations.sagemaker import JobService

__all__ = ["FunctionService", "Integrations", "JobService", "Messages", "Records"]
