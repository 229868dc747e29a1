"""Lambda functions on this machine: a Python handler in a process of its own, as AWS's Python runtime calls it.

From the API's operations down to what they share:

    service.py         Lambda's Invoke operation
    function_code.py   the code and configuration of functions, and their names and ARNs
    invocation.py      invokes a function in a process, with Lambda's limits and log
    runtime.py         runs as that process: loads and calls the handler

Other runtimes, container images and layers are not implemented, and are rejected. Memory limits have no effect here.
"""

from __future__ import annotations

from mlci_emulator.services.lambda_functions.function_code import (
    FunctionCode,
    FunctionFiles,
    Functions,
    function_option,
)
from mlci_emulator.services.lambda_functions.invocation import (
    FunctionInvoker,
    Invocation,
    InvocationResult,
)
from mlci_emulator.services.lambda_functions.service import LambdaService

__all__ = [
    "FunctionCode",
    "FunctionFiles",
    "FunctionInvoker",
    "Functions",
    "Invocation",
    "InvocationResult",
    "LambdaService",
    "function_option",
]
