"""The modules that a script imports from the repository, transitively, read from its source without running it."""

from __future__ import annotations

import ast
import functools
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from mlci_dataclasses import dataclass


@dataclass(frozen=True)
class Imports:
    """`files` are the modules found, without the script itself; `roots` the folders (of those searched beside the
    script's own) at which at least one import starts."""

    files: tuple[Path, ...]
    roots: tuple[Path, ...]


def imports_of(script: Path, roots: Sequence[Path]) -> Imports:
    """Returns the repository's modules that a script needs.

    `roots` are searched in order, after the script's own folder.

    A name that is not found there is left to the environment: the standard library, an installed package, or a module
    that is only known when the script runs.

    Raises: SyntaxError, with the file's name in it, for source that does not parse.
    """
    search = (script.parent, *(root for root in roots if root != script.parent))
    return _needed([script], search, {}, {})


def imports_of_module(name: str, working_dir: Path, roots: Sequence[Path]) -> Imports | None:
    """Returns the repository's modules that `python -m` of this name needs, started in a folder, with the module's own.

    `roots` are searched in order, after the working folder. None if no folder of these has a module of the name's first
    part: the environment may have it.

    Raises: ModuleNotFoundError, with what is there in its arguments, if the repository has the first part alone;
    SyntaxError.
    """
    search = (working_dir, *(root for root in roots if root != working_dir))
    first, *rest = name.split(".")
    root = next((root for root in search if _is_module(root / first)), None)
    if root is None:
        return None
    location = root.joinpath(first, *rest)
    main = location / "__main__.py" if location.is_dir() else location.with_suffix(".py")
    if not main.is_file():
        raise ModuleNotFoundError(*_module_names(location.parent, name))
    packages = [each / "__init__.py" for each in reversed(main.relative_to(root).parents) if each != Path()]
    files = [*(root / each for each in packages if (root / each).is_file()), main]
    return _needed(files, search, dict.fromkeys(files), {root: None})


def _is_module(location: Path) -> bool:
    return location.with_suffix(".py").is_file() or next(location.glob("**/*.py"), None) is not None


def _module_names(folder: Path, name: str) -> Iterator[str]:
    """Yields the names of the modules in a package that `python -m` runs."""
    package = name.rpartition(".")[0]
    found = (path.stem if path.is_file() else path.name for path in sorted(folder.glob("*")) if _is_runnable(path))
    yield from (f"{package}.{each}".lstrip(".") for each in found)


def _is_runnable(path: Path) -> bool:
    return (path.suffix == ".py" and not path.stem.startswith("__")) or (path / "__main__.py").is_file()


def _needed(queue: list[Path], search: Sequence[Path], found: dict[Path, None], used: dict[Path, None]) -> Imports:
    """Returns what the files in `queue` need, and what is `found` and `used` already."""
    script = queue[0] if not found else None
    while queue:
        source = queue.pop()
        for root, file in _modules(source, search):
            used.setdefault(root)  # a package's own folder, for a relative import, is none of those searched
            if file not in found and file != script:
                found[file] = None
                queue.append(file)
    return Imports(tuple(sorted(found)), tuple(root for root in search[1:] if root in used))


def _modules(source: Path, search: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    for node in _import_statements(source.read_bytes(), str(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _resolve(alias.name, search)
        else:
            yield from _from(node, source, search)


@functools.lru_cache(maxsize=1_000)  # the scripts of a flow share modules
def _import_statements(content: bytes, file: str) -> tuple[ast.Import | ast.ImportFrom, ...]:
    return tuple(_imports_below(_parsed(content, file)))


def _imports_below(module: ast.Module) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yields the imports of a module in all of its blocks. Expressions, of which most of it consists, hold none."""
    queue: list[ast.AST] = [module]
    while queue:
        node = queue.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        for block in ("body", "handlers", "cases", "orelse", "finalbody"):
            queue.extend(getattr(node, block, ()))


def _parsed(content: bytes, file: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the script's own warnings are shown when it runs
            return ast.parse(content, filename=file)
    except SyntaxError as error:
        if error.filename is None:  # NUL bytes: Python says no more of them
            raise SyntaxError(error.msg, (file, 1, 1, None)) from error
        raise
    except (ValueError, RecursionError, MemoryError) as error:  # NUL bytes likewise, or an expression nested too deep
        raise SyntaxError(str(error) or "too deeply nested", (file, 1, 1, None)) from error


def _from(node: ast.ImportFrom, source: Path, search: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    name = node.module or ""
    if node.level:  # `from . import x` starts in the module's own package, `from .. import x` in the one above
        package = source.parents[min(node.level, len(source.parents)) - 1]
        if not any(package.is_relative_to(root) for root in search):
            return  # too many dots: Python can't import it either
        for relative in filter(None, (name, *(f"{name}.{alias.name}".lstrip(".") for alias in node.names))):
            yield from ((package, file) for _, file in _resolve(relative, (package,)))
        return
    if name:
        yield from _resolve(name, search)
    for alias in node.names:  # `from package import name`: the name may be a module of the package
        yield from _resolve(f"{name}.{alias.name}" if name else alias.name, search)


def _resolve(name: str, search: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Yields the files that importing `name` runs: each package's `__init__.py` on the way, then the module itself.

    A module of the repository hides one of the standard library beside the script only. Elsewhere it would do so for
    all that the script imports, and with `python SCRIPT` it does not.
    """
    parts = name.split(".")
    for root in search[:1] if parts[0] in sys.stdlib_module_names else search:
        location = root / parts[0]
        if not (location.is_dir() or location.with_suffix(".py").is_file()):
            continue
        files = list(_files(root, parts))
        if files:
            yield from ((root, file) for file in files)
            return


def _files(root: Path, parts: Sequence[str]) -> Iterator[Path]:
    location = root
    for part in parts:
        location = location / part
        if (location / "__init__.py").is_file():
            yield location / "__init__.py"
        elif location.with_suffix(".py").is_file():
            yield location.with_suffix(".py")
            return
        elif not location.is_dir():  # neither package nor module: an attribute of what was found so far
            return
