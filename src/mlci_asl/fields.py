"""The fields of one JSON object of a definition, and the problems found in them, with their locations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from mlci_asl.errors import INVALID, Problem
from mlci_asl.jsontext import Json, dump, is_number

T = TypeVar("T")

#: The largest number of seconds or attempts that AWS takes.
MAX_COUNT = 99_999_999

#: AWS's words for a path that it refuses, by the field's kind.
#: Source: https://github.com/aws-cloudformation/cfn-lint/issues/4078 and
#: https://github.com/floci-io/floci/issues/3733 (diagnostics that AWS returned)
JSONPATH = "Value must be a valid JSONPath"
REFERENCE_PATH = "Value is not a Reference Path"

_MISSING = object()


def nearest(word: str, words: Iterable[str]) -> str:
    """The word that was probably meant; empty if none is similar."""
    import difflib  # slow to import, and needed only if there is a problem

    return next(iter(difflib.get_close_matches(word, list(words), 1)), "")


class Fields:
    """One object of a definition, with its location. All objects add to one list of problems."""

    def __init__(self, members: Mapping[str, Json], location: str, problems: list[Problem]) -> None:
        self.members, self.location, self.problems = members, location, problems

    def __contains__(self, name: str) -> bool:
        return name in self.members

    def add_problem(self, message: str, name: str = "") -> None:
        """Adds a problem of this object, or of its field `name`."""
        self.add_problem_at(f"{self.location}/{name}" if name else self.location, message)

    def add_problem_at(self, location: str, message: str, code: str = INVALID) -> None:
        self.problems.append(Problem(location, message, code))

    def add_problem_if(self, message: str | None, name: str) -> None:
        """Adds a problem of the field `name` if there is a message."""
        if message is not None:
            self.add_problem(message, name)

    def check_known(self, known: Iterable[str], unsupported: Mapping[str, str] | None = None) -> None:
        """Adds a problem for each field that is not `known`, with the message that `unsupported` has for it, if any."""
        names, unsupported = sorted(known), unsupported or {}
        for name in self.members:
            if name in names:
                continue
            nearest_name = nearest(name, names)
            hint = f'; did you mean "{nearest_name}"?' if nearest_name else ""
            self.add_problem(unsupported.get(name, f"Field '{name}' is not supported{hint}"))

    def require(self, *names: str) -> bool:
        """True if all of these fields are there; adds a problem if not."""
        missing = [name for name in names if name not in self.members]
        if missing:
            self.add_problem(f"These fields are required: [{', '.join(missing)}]")
        return not missing

    def at_most_one(self, *names: str) -> None:
        present = [name for name in names if name in self.members]
        if len(present) > 1:
            self.add_problem(f"only one of {', '.join(present)} can be given")

    def string(self, name: str, default: str = "") -> str:
        value = self.members.get(name, default)
        if isinstance(value, str):
            return value
        self.add_problem(f"Expected value of type [STRING], not {dump(value)[:80]}", name)
        return default

    def boolean(self, name: str) -> bool:
        value = self.members.get(name, False)
        if isinstance(value, bool):
            return value
        self.add_problem(f"Expected value of type [BOOLEAN], not {dump(value)[:80]}", name)
        return False

    def integer(self, name: str, default: int, minimum: int, maximum: int = MAX_COUNT) -> int:
        value = self.members.get(name, default)
        if isinstance(value, int) and not isinstance(value, bool) and minimum <= value <= maximum:
            return value
        self.add_problem(f'"{name}" must be an integer from {minimum} to {maximum}, not {dump(value)[:80]}', name)
        return default

    def number(self, name: str, default: float, minimum: float) -> float:
        value = self.members.get(name, default)
        if isinstance(value, (int, float)) and is_number(value) and value >= minimum:
            return float(value)
        self.add_problem(f'"{name}" must be a number of at least {minimum}, not {dump(value)[:80]}', name)
        return default

    def child(self, name: str) -> Fields | None:
        """The object in a field; None if the field is missing or has another value."""
        return self._child(self.members[name], f"{self.location}/{name}") if name in self.members else None

    def children(self, name: str, *, may_be_empty: bool = False) -> list[Fields]:
        """The objects in the list of a field."""
        value = self.members.get(name, [])
        if not isinstance(value, list):
            self.add_problem("Expected value of type [ARRAY]", name)
            return []
        if name in self.members and not value and not may_be_empty:
            self.add_problem("Value cannot be empty", name)
        present = (self._child(item, f"{self.location}/{name}[{index}]") for index, item in enumerate(value))
        return [item for item in present if item is not None]

    def children_by_name(self, name: str) -> dict[str, Fields]:
        """The objects in the object of a field, by their names."""
        outer = self.child(name)
        if outer is None:
            return {}
        present = {key: outer._child(value, f"{outer.location}/{key}") for key, value in outer.members.items()}
        return {key: value for key, value in present.items() if value is not None}

    def parsed(self, name: str, parse: Callable[[str], T], default: T, expected: str = JSONPATH) -> T:
        """A string field that `parse` understands; its ValueError is a problem, in the words of `expected`."""
        value = self.members.get(name, _MISSING)
        if value is _MISSING:
            return default
        if not isinstance(value, str):
            self.add_problem(f"Expected value of type [STRING], not {dump(value)[:80]}", name)  # type: ignore[arg-type]
            return default
        try:
            return parse(value)
        except ValueError as error:
            self.add_problem(f"{expected}: {error}", name)
            return default

    def parsed_or_null(self, name: str, parse: Callable[[str], T], default: T, expected: str = JSONPATH) -> T | None:
        """The same as `parsed`, but null is allowed, and returns None."""
        if name in self.members and self.members[name] is None:
            return None
        return self.parsed(name, parse, default, expected)

    def _child(self, value: Json, location: str) -> Fields | None:
        if isinstance(value, dict):
            return Fields(value, location, self.problems)
        self.add_problem_at(location, f"Expected value of type [OBJECT], not {dump(value)[:80]}")
        return None
