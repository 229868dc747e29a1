"""Where a setting of the aws cloud comes from: options, the environment, flow.yaml, SSM parameters, in that order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mlci.errors import CloudError, InputError, MlciError
from mlci.flow.models import Flow

Name = Literal["region", "bucket", "workflow_role", "job_role", "log_group"]
NAMES: tuple[Name, ...] = ("region", "bucket", "workflow_role", "job_role", "log_group")
#: All others have to be set for a run on AWS.
OPTIONAL: frozenset[Name] = frozenset({"log_group"})

#: The values of those SSM parameters that there are.
Ask = Callable[[Sequence[str]], Mapping[str, str]]


@dataclass(frozen=True)
class Setting:
    """A setting, and in a few words where its value is from. `value` is None where there is none."""

    name: Name
    value: str | None
    origin: str


@dataclass(frozen=True)
class Settings:
    """Every setting, in the order of NAMES."""

    found: Mapping[Name, Setting]

    def __getitem__(self, name: Name) -> str:
        value = self.found[name].value
        assert value is not None, "check() comes before"
        return value

    def get(self, name: Name) -> str | None:
        return self.found[name].value

    def check(self, flow: Flow) -> None:
        """Raises InputError, with all that a run on AWS lacks."""
        missing = [name for name in NAMES if name not in OPTIONAL and self.found[name].value is None]
        if not missing:
            return
        first = missing[0]
        why = next((f" ({self.found[name].origin})" for name in missing if self.found[name].origin), "")
        raise InputError(
            f"a run on AWS needs {_listed([name.replace('_', ' ') for name in missing])}, which nothing sets{why}",
            f"Set each with an option ({option(first)}), the environment ({variable(first)}), "
            f"{flow.file} (aws: {{{first}: …}}) or the SSM parameter {parameter(flow.name, first)}; "
            "`mlci config` shows what is set. To run without AWS: --cloud local.",
        )


def settle(
    flow: Flow,
    options: Mapping[Name, str | None],
    environment: Mapping[str, str],
    region_of_aws: tuple[str, str] | None,
    asking: Callable[[str], Ask],
) -> Settings:
    """Each setting from the first place that has it. `region_of_aws` is what the AWS SDK itself would take, and where
    from; `asking(region)` gives what reads SSM parameters there, and is only called where something is not set yet.

    Raises: InputError, where `asking` does. That SSM refuses is no error: whoever sets all elsewhere needs none of it.
    """
    found: dict[Name, Setting] = {}
    for name in NAMES:
        at = flow.position("aws", name)
        places = [
            (options.get(name), option(name)),
            (environment.get(variable(name)), variable(name)),
            region_of_aws if name == "region" and region_of_aws else (None, ""),
            (getattr(flow.aws, name), f"{at.file}:{at.line}"),
        ]
        value, origin = next(((value, origin) for value, origin in places if value), (None, ""))
        found[name] = Setting(name, value, origin)
    region = found["region"].value
    open_names = [name for name in NAMES if found[name].value is None]
    if region and open_names:
        found.update(_from_parameters(flow, open_names, lambda names: asking(region)(names)))
    return Settings(found)


def _from_parameters(flow: Flow, names: Sequence[Name], ask: Ask) -> dict[Name, Setting]:
    """Settings from SSM. Where it can't be asked, they stay open, and tell why."""
    places = {parameter(flow.name, name): name for name in names}
    try:
        told = ask(list(places))
    except CloudError as error:
        return {name: Setting(name, None, f"SSM can't be asked: {_first_line(error)}") for name in names}
    return {name: Setting(name, told[place], f"SSM {place}") for place, name in places.items() if place in told}


def option(name: Name) -> str:
    return f"--{name.replace('_', '-')}"


def variable(name: Name) -> str:
    return f"MLCI_{name.upper()}"


def parameter(flow: str, name: Name) -> str:
    """Where `mlci bootstrap` writes a setting of a flow.

    >>> parameter("breast-cancer", "job_role")
    '/mlci/breast-cancer/job_role'
    """
    return f"/mlci/{flow}/{name}"


def _first_line(error: MlciError) -> str:
    return str(error).splitlines()[0].rstrip(".")


def _listed(words: Sequence[str]) -> str:
    """The words as a sentence has them.

    >>> _listed(["bucket", "job role", "region"])
    'a bucket, a job role and a region'
    """
    each = [f"a {word}" for word in words]
    return each[0] if len(each) == 1 else f"{', '.join(each[:-1])} and {each[-1]}"
