"""The searches of tuning jobs: each chooses the values of the next trial, and learns from the results of others.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-how-it-works.html
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from mlci_emulator.jobs.tuning_request import Categories, Interval, Range, TuningRequest

#: A Bayesian search begins with trials at random: a third of all, within these limits.
_FEWEST_RANDOM, _MOST_RANDOM = 3, 10


class Search(Protocol):
    """Chooses values for trials, which are numbered from 1."""

    def next(self, trial: int) -> Mapping[str, str] | None:
        """Return the values of a trial, as SageMaker sends them; None if nothing is left to try."""
        ...

    def tell(self, trial: int, value: float | None) -> None:
        """Take the objective's value of a trial; None for one that failed, or printed none."""
        ...


def search_of(request: TuningRequest) -> Search:
    """Return the search of a tuning job."""
    match request.strategy:
        case "Grid":
            return GridSearch(request)
        case "Random":
            return RandomSearch(request)
        case "Bayesian":
            return BayesianSearch(request)


def grid_size(ranges: tuple[Range, ...]) -> int:
    """Return the number of combinations of categories."""
    return math.prod(len(each.values) for each in ranges if isinstance(each, Categories))


class GridSearch:
    """Every combination of the categories, once."""

    def __init__(self, request: TuningRequest) -> None:
        categories = [each for each in request.ranges if isinstance(each, Categories)]
        names = [each.name for each in categories]
        combinations = itertools.product(*(each.values for each in categories))
        self._left: Iterator[dict[str, str]] = (dict(zip(names, values, strict=True)) for values in combinations)

    def next(self, trial: int) -> Mapping[str, str] | None:
        return next(self._left, None)

    def tell(self, trial: int, value: float | None) -> None:
        """Learn nothing: a grid is fixed."""


class RandomSearch:
    """Values at random, each drawn on the scale of its range."""

    def __init__(self, request: TuningRequest) -> None:
        self._ranges, self._chance = request.ranges, random.Random(request.seed)

    def next(self, trial: int) -> Mapping[str, str] | None:
        return {each.name: self._value(each) for each in self._ranges}

    def tell(self, trial: int, value: float | None) -> None:
        """Learn nothing: no value depends on another."""

    def _value(self, given: Range) -> str:
        if isinstance(given, Categories):
            return self._chance.choice(given.values)
        low, high = _scaled_ends(given)
        if not _is_logarithmic(given):
            return written(given, self._chance.uniform(low, high))
        return written(given, math.exp(self._chance.uniform(math.log(low), math.log(high))))


class BayesianSearch:
    """The search of optuna: a tree-structured Parzen estimator, which looks near what was good so far.

    SageMaker's own search is another one, so it tries other values.
    """

    def __init__(self, request: TuningRequest) -> None:
        import warnings

        import optuna  # it takes a second, and no other run needs it

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        count = min(_MOST_RANDOM, max(_FEWEST_RANDOM, (request.max_trials or 0) // 3))
        sampler = optuna.samplers.TPESampler(
            seed=request.seed, n_startup_trials=count, multivariate=True, constant_liar=request.max_parallel > 1
        )
        self._study: Any = optuna.create_study(
            direction="maximize" if request.is_maximized else "minimize", sampler=sampler
        )
        self._failed: Any = optuna.trial.TrialState.FAIL
        self._ranges = {each.name: each for each in request.ranges}
        self._distributions: dict[str, Any] = {each.name: _distribution(each) for each in request.ranges}
        self._asked: dict[int, Any] = {}

    def next(self, trial: int) -> Mapping[str, str] | None:
        asked = self._asked[trial] = self._study.ask(self._distributions)
        return {name: written(self._ranges[name], value) for name, value in asked.params.items()}

    def tell(self, trial: int, value: float | None) -> None:
        asked = self._asked.pop(trial)
        if value is None:
            self._study.tell(asked, state=self._failed)
        else:
            self._study.tell(asked, value)


def _distribution(given: Range) -> Any:
    import optuna

    if isinstance(given, Categories):
        return optuna.distributions.CategoricalDistribution(given.values)
    low, high = _scaled_ends(given)
    if given.is_integer:
        return optuna.distributions.IntDistribution(int(low), int(high), log=_is_logarithmic(given))
    return optuna.distributions.FloatDistribution(low, high, log=_is_logarithmic(given))


def _is_logarithmic(given: Interval) -> bool:
    return given.scale in ("Logarithmic", "ReverseLogarithmic")


def _scaled_ends(given: Interval) -> tuple[float, float]:
    """Return the ends between which is drawn: of a reverse scale, those of the distance to 1."""
    if given.scale == "ReverseLogarithmic":
        return 1 - given.high, 1 - given.low
    return given.low, given.high


def written(given: Range, drawn: Any) -> str:
    """Return a drawn value as the text that the training job gets.

    >>> written(Interval("depth", 2, 8, True, "Auto"), 3.7), written(Interval("eta", 0, 1, False, "Auto"), 0.25)
    ('4', '0.25')
    >>> written(Interval("decay", 0.9, 0.999, False, "ReverseLogarithmic"), 0.05)
    '0.95'
    """
    if isinstance(given, Categories):
        return str(drawn)
    value = 1 - drawn if given.scale == "ReverseLogarithmic" else drawn
    value = min(max(value, given.low), given.high)
    return str(round(value)) if given.is_integer else repr(float(value))
