"""Step Functions on this machine: state machines, versions, aliases, executions, activities and task tokens.

service.py      StepFunctions: which operation is done by what
arns.py         the ARNs that requests name, and what names may hold
records.py      what is kept, in one SQLite file
pages.py        lists in pages
definitions.py  definitions, checked as at creation
registry.py     state machines: create, update, describe, delete, list, tags
versions.py     versions and aliases
executions.py   executions: start, describe, list, stop, redrive
running.py      one execution's thread
history.py      an execution's events
activities.py   activities, and the tokens that tasks are answered with
mapruns.py      Map Runs, of which there are none
trials.py       TestState
tasks.py        what tasks do that only Step Functions itself can do: activities, tokens, nested executions

Source of what is not in the API's reference: LocalStack's tests with AWS's recorded answers.
"""

from __future__ import annotations

from mlci_emulator.services.stepfunctions.service import StepFunctions

__all__ = ["StepFunctions"]
