"""Lambda functions on this machine: a Python handler in a process of its own, as AWS's Python runtime calls it.

functions.py    where a function's code is, and how its name is read
service.py      Lambda's Invoke, as the API has it
invoke.py       one invocation: the process, its limits, its log
runtime.py      runs in that process: loads the handler, makes its event and context, tells what came of it

Not done, and refused: other runtimes, container images, layers. Memory limits have no effect here.
"""

from __future__ import annotations

from mlci_emulator.services.lambda_functions.function_code import (
    FunctionCode,
    FunctionFiles,
    Functions,
    function_option,
)
from mlci_emulator.services.lambda_functions.invocation import Invocation, Invoked, Lambdas
from mlci_emulator.services.lambda_functions.service import LambdaService

__all__ = [
    "FunctionCode",
    "FunctionFiles",
    "Functions",
    "Invocation",
    "Invoked",
    "LambdaService",
    "Lambdas",
    "function_option",
]
