"""The rules that hold for the whole tree, so that nobody has to remember them; CONTRIBUTING.md explains each."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

SOURCE = Path(__file__).parents[1] / "src"
PACKAGES = ("mlci", "mlci_emulator", "mlci_asl", "mlci_dataclasses")
#: Files that `mlci init` writes into another repository are no modules of ours.
SCAFFOLD_FILES = SOURCE / "mlci" / "scaffold" / "files"
#: Clauses, where the first line of a docstring says what the function returns or does.
CLAUSES = ("What", "Which", "Whether", "Where", "Why", "How", "Who")

#: A line of a package's map: a module or a folder, then what it knows.
_ENTRY = re.compile(r"^ *(\w+\.py|\w+/) {2,}\S.*$", re.MULTILINE)


def sources(*roots: str) -> list[Path]:
    return sorted(
        path for root in roots for path in (SOURCE / root).rglob("*.py") if not path.is_relative_to(SCAFFOLD_FILES)
    )


def packages() -> list[Path]:
    return [path.parent for path in sources(*PACKAGES) if path.name == "__init__.py"]


def contents(package: Path) -> set[str]:
    modules = {path.name for path in package.glob("*.py") if path.name != "__init__.py"}
    return modules | {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}


@pytest.mark.parametrize("package", packages(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_the_docstring_of_a_package_is_its_map(package: Path) -> None:
    docstring = ast.get_docstring(ast.parse((package / "__init__.py").read_text()), clean=True) or ""
    entries = _ENTRY.findall(docstring)
    assert len(entries) == len(set(entries)), "a module is listed twice"
    assert set(entries) == contents(package)


@pytest.mark.parametrize("package", PACKAGES)
def test_class_names_are_unique_within_a_package(package: str) -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in sources(package):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{path.relative_to(SOURCE)}:{node.lineno}")
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_do_not_import_each_other_in_a_circle(package: str) -> None:
    graph = grimp.build_graph(package, cache_dir=None)
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("path", sources(*PACKAGES, "breast_cancer"), ids=lambda path: str(path.relative_to(SOURCE)))
def test_docstrings_begin_with_what_is_returned_or_done(path: Path) -> None:
    assert [f"{path.name}:{line}: {first}" for line, first in _first_lines(path) if first.startswith(_CLAUSES)] == []


_CLAUSES = tuple(f"{clause} " for clause in CLAUSES)


def _first_lines(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            docstring = ast.get_docstring(node)
            if docstring:
                yield getattr(node, "lineno", 1), docstring.splitlines()[0]


@pytest.mark.parametrize("path", sources(*PACKAGES), ids=lambda path: str(path.relative_to(SOURCE)))
def test_dataclasses_are_those_that_are_quick_to_make(path: Path) -> None:
    imports = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom))
    names = {alias.name for node in imports if node.module == "dataclasses" for alias in node.names}
    assert "dataclass" not in names or path.parent.name == "mlci_dataclasses", (
        "write `from mlci_dataclasses import dataclass`: each command makes 200 such classes as it starts"
    )
