"""Step Functions on this machine: state machines, versions, aliases, executions, activities and task tokens.

From the API's operations down to what they share:

    service.py               dispatches operations by name
    arns.py                  parses and builds ARNs, and checks names
    definitions.py           loads and checks definitions
    state_machines.py        operations on state machines, and tags
    versions.py              operations on versions and aliases
    executions.py            operations on executions
    execution_threads.py     runs each execution in a thread
    execution_responses.py   the members of an execution's description
    history.py               stores and returns an execution's events
    activities.py            activities and task tokens
    task_handlers.py         runs activities, task tokens and nested executions
    map_runs.py              operations on Map Runs, of which there are none
    teststate.py             TestState
    pagination.py            pages of lists
    records.py               stores documents and events in SQLite

Source of behaviour that the API's reference does not describe: AWS's responses recorded in LocalStack's tests.
"""

from __future__ import annotations

from mlci_emulator.services.stepfunctions.service import StepFunctions

__all__ = ["StepFunctions"]
