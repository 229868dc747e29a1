"""The rights that a step type needs, of which policies are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from mlci_dataclasses import dataclass


@dataclass(frozen=True)
class Grant:
    """One statement of a policy, `sid`, as far as one type needs it: the grants of all types are merged by it.

    A resource is "*" or `<service>:<resource>`, in which `{jobs}` is the beginning of the flow's job names,
    `{jobs_lower}` the same in lower case, `{short_jobs}` that of jobs whose names have few characters, `{machine}` its
    state machine, `{runs}` the prefix of its runs, `{records}` that of the outputs which records of the
    base branch name, `{tokens}` that of its task tokens, and `{kept}` each name that the
    flow gives to what it keeps; for `s3`, it is a prefix of keys, or empty for the bucket itself. `condition` is the
    statement's Condition, whose values may be such resources. A grant that `joins_network` gets the condition that it
    joins no network but the flow's.
    """

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    condition: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    joins_network: bool = False


@dataclass(frozen=True)
class Grants:
    """The rights that a step type needs in each role: the build's, the state machine's and the job's.

    `passes_role_to` is the service that the state machine passes the job's role to; None for none. `protected` adds to
    the rights of the state machine whose names are protected, which keeps what others leave to their cleaner.
    """

    build: tuple[Grant, ...] = ()
    workflow: tuple[Grant, ...] = ()
    protected: tuple[Grant, ...] = ()
    job: tuple[Grant, ...] = ()
    passes_role_to: str | None = None
