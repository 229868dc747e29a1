"""The figures that a simulation counts with: delays and prices, each with its observations and their sources."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

FILE = Path(__file__).with_name("published_figures.yaml")

Kind = Literal["published", "measured", "assumption"]
#: The fields that an observation of each kind has beside its value and kind.
FIELDS: Mapping[Kind, frozenset[str]] = {
    "published": frozenset({"date", "source", "measured"}),
    "measured": frozenset({"date", "measured"}),
    "assumption": frozenset({"reason"}),
}

Choice = Callable[[list[float]], float]
#: How one number is made of a figure's observations.
CHOICES: Mapping[str, Choice] = {"lowest": min, "median": statistics.median, "highest": max}


@dataclass(frozen=True)
class Observation:
    value: float
    kind: Kind


@dataclass(frozen=True)
class Figures:
    """All figures, by name. `choice` makes one number of the observations of each."""

    observations: Mapping[str, tuple[Observation, ...]]
    choice: Choice = statistics.median

    def __getitem__(self, name: str) -> float:
        return float(self.choice([each.value for each in self.observations[name]]))

    def with_choice(self, name: str) -> Figures:
        return Figures(self.observations, CHOICES[name])

    def with_values(self, values: Mapping[str, float]) -> Figures:
        """These figures, but for some that are given."""
        given = {name: (Observation(value, "assumption"),) for name, value in values.items()}
        return Figures({**self.observations, **given}, self.choice)

    def counts(self) -> dict[Kind, int]:
        """The number of figures whose weakest observation is of each kind."""
        weakest = [
            max((each.kind for each in observations), key=list(FIELDS).index)
            for observations in self.observations.values()
        ]
        return {kind: weakest.count(kind) for kind in FIELDS}


def read_figures(file: Path = FILE) -> Figures:
    """The figures of a file.

    Raises: ValueError, for an observation that does not say where it comes from.
    """
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    return Figures({name: tuple(_observation(name, each) for each in listed) for name, listed in document.items()})


def _observation(name: str, fields: Mapping[str, object]) -> Observation:
    kind, value = fields.get("kind"), fields.get("value")
    if kind not in FIELDS or not isinstance(value, (int, float)):
        raise ValueError(f"{name}: an observation has a value and one of the kinds {', '.join(FIELDS)}")
    if fields.keys() - {"kind", "value"} != FIELDS[kind]:  # type: ignore[index]
        raise ValueError(f"{name}: {kind} needs {', '.join(sorted(FIELDS[kind]))}")  # type: ignore[index]
    return Observation(float(value), kind)  # type: ignore[arg-type]
