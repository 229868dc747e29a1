"""Graphs → nested series and parallels."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mlci.compile.series_parallel import Cells, Composition, Parallel, Series, ancestors, decompose, leaves

Graph = dict[str, frozenset[str]]


def graph(**before: str) -> Graph:
    return {step: frozenset(names.split()) for step, names in before.items()}


def waits(composition: Composition) -> dict[str, frozenset[str]]:
    """Return the steps that each step waits for, by the composition alone."""
    match composition:
        case str():
            return {composition: frozenset()}
        case Parallel(items):
            return {step: before for item in items for step, before in waits(item).items()}
        case Series(items):
            found: dict[str, frozenset[str]] = {}
            for item in items:
                earlier = frozenset(found)
                found.update({step: before | earlier for step, before in waits(item).items()})
            return found
        case Cells(item):
            return waits(item)


def test_a_chain_is_a_series() -> None:
    assert decompose(graph(a="", b="a", c="b")) == Series(("a", "b", "c"))


def test_independent_steps_run_together() -> None:
    assert decompose(graph(a="", b="", c="a b")) == Series((Parallel(("a", "b")), "c"))


def test_chains_side_by_side_do_not_wait_for_each_other() -> None:
    assert decompose(graph(a="", b="a", c="", d="c")) == Parallel((Series(("a", "b")), Series(("c", "d"))))


def test_an_edge_that_another_path_implies_changes_nothing() -> None:
    assert decompose(graph(a="", b="a", c="a b")) == Series(("a", "b", "c"))


def test_the_n_which_no_nesting_can_express_still_keeps_every_dependency() -> None:
    before = graph(a="", b="", c="a b", d="b")
    assert waits(decompose(before))["c"] >= {"a", "b"}
    assert waits(decompose(before))["d"] >= {"b"}


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    names = [f"s{number}" for number in range(draw(st.integers(1, 9)))]
    return {
        name: frozenset(draw(st.sets(st.sampled_from(names[:place]))) if place else ())
        for place, name in enumerate(names)
    }


@st.composite
def nested(draw: st.DrawFn, depth: int = 3) -> Composition:
    """A composition made of series and parallels, so that its graph is series-parallel."""
    counter = iter(range(1000))

    def make(depth: int) -> Composition:
        kind = draw(st.sampled_from(["leaf", Series, Parallel])) if depth else "leaf"
        if kind == "leaf":
            return f"s{next(counter)}"
        return (Series if kind is Series else Parallel)(tuple(make(depth - 1) for _ in range(draw(st.integers(2, 3)))))

    return make(depth)


@given(graphs())
def test_every_step_stands_once_and_waits_for_all_that_it_depends_on(before: Graph) -> None:
    composition = decompose(before)
    assert sorted(leaves(composition)) == sorted(before)
    real, needed = waits(composition), ancestors(before)
    assert all(real[step] >= needed[step] for step in before)


@given(nested())
def test_a_series_parallel_graph_keeps_all_of_its_parallelism(composition: Composition) -> None:
    before = waits(composition)
    assert waits(decompose(before)) == before
