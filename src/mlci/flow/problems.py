"""The problems found in one flow, gathered so that all of them are shown at once, each where it is.

Whatever has a problem is *suspect*: later checks leave it alone, so that one mistake is not reported twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from mlci.errors import InputError, Problem
from mlci.flow.models import Position
from mlci.flow.yaml_scalars import printable
from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from mlci.flow.yaml_document import Document, Path

_PARAM = r"""["']?\$\{\{\s*params\.([\w-]+)\s*\}\} ?%?["']?"""
_VARIABLE = r"""["']?\$\{\{\s*env\.\w+\s*\}\}["']?"""
#: A file with more than this is wrong as a whole, and finding a near word for each would take seconds.
MAX_SHOWN = 100
_MAX_CHOICES, _MAX_WORD_CHARS = 200, 64
#: How many choices are looked at for one file's near words; beyond, a problem keeps its other hint.
_MAX_COMPARISONS = 4_000


@dataclass(frozen=True)
class Candidates:
    """A word that does not exist, and the words that exist in its place. All begin with `prefix`."""

    word: str
    choices: tuple[str, ...]
    prefix: str = ""


@dataclass(frozen=True, order=True)
class _Finding:
    file: str
    line: int
    column: int
    what: str
    hint: str
    words: tuple[str, ...]
    prefix: str = ""

    @property
    def comparisons(self) -> int:
        return min(len(self.words), _MAX_CHOICES)

    def problem(self, may_compare: bool) -> Problem:
        word, *choices = (text.removeprefix(self.prefix) for text in self.words or ("",))
        near = nearest(word, choices) if may_compare else None
        hint = f'Did you mean "{self.prefix}{near}"?' if near else self.hint
        return Problem(self.file, self.line, self.column, printable(self.what), printable(hint))


class Problems:
    """Gathers what is wrong with one document."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._findings: list[_Finding] = []
        self._suspects: set[Path] = set()
        self._ancestors: set[Path] = set()
        for flaw in document.flaws:
            self._add(flaw.position, flaw.what, flaw.hint, None)
            if flaw.path is not None:
                self.suspect(flaw.path)

    def position(self, path: Path) -> Position:
        """Returns the position of what is at this path."""
        return self._document.position(path)

    def at(self, path: Path, what: str, hint: str = "", near: Candidates | None = None) -> None:
        """A problem with the value at this path, which becomes suspect."""
        self.suspect(path)
        self._add(self._document.position(path), what, hint, near)

    def at_key(self, path: Path, what: str, hint: str = "", near: Candidates | None = None) -> None:
        """A problem with the key that this path ends in; the value under it may still be right."""
        self._add(self._document.key_position(path), what, hint, near)

    def at_reference(self, path: Path, ordinal: int, what: str, hint: str = "", near: Candidates | None = None) -> None:
        """A problem with the `${{ }}` of this ordinal (from 0) within the text at this path."""
        self.suspect(path)
        self._add(self._document.reference_position(path, ordinal), what, hint, near)

    def outside(self, origin: str, what: str, hint: str = "", near: Candidates | None = None) -> None:
        """A problem with what came from outside the file: an option or a variable."""
        self._add(Position(origin, 0, 0), what, hint, near)

    def reads_variable(self, path: Path) -> bool:
        """Says whether the file has a variable of the environment, and nothing else, at this path."""
        written = self._document.written(path)
        return bool(written and re.fullmatch(_VARIABLE, written))

    def read_param(self, path: Path) -> str:
        """Returns the param that the file has at this path, alone or before a percent sign; "" if it has none."""
        match = re.fullmatch(_PARAM, self._document.written(path) or "")
        return match[1] if match else ""

    def suspect(self, path: Path) -> None:
        """Have later checks leave this value alone."""
        self._suspects.add(path)
        self._ancestors.update(path[:end] for end in range(len(path)))

    def use(self, document: Document) -> None:
        """Take positions from this form of the document from now on."""
        self._document = document

    def copy_suspects(self, inside: Path, other: Path) -> None:
        """Have later checks leave alone below `other` what they leave alone below `inside`."""
        for path in [path for path in self._suspects if path[: len(inside)] == inside]:
            self.suspect((*other, *path[len(inside) :]))

    def is_suspect(self, path: Path) -> bool:
        """Says whether this value, or one around it, has a problem."""
        return any(path[:end] in self._suspects for end in range(1, len(path) + 1))

    def is_partly_suspect(self, path: Path) -> bool:
        """Says whether this value, one around it, or one inside it, has a problem."""
        return path in self._ancestors or self.is_suspect(path)

    def raise_if_any(self) -> None:
        """Raises InputError with the problems found so far, if there are any."""
        if self._findings:
            raise InputError(self._shown())

    def _add(self, position: Position, what: str, hint: str, near: Candidates | None) -> None:
        words, prefix = ((near.word, *near.choices), near.prefix) if near else ((), "")
        self._findings.append(_Finding(position.file, position.line, position.column, what, hint, words, prefix))

    def _shown(self) -> list[Problem]:
        findings = sorted(set(self._findings))
        compared = accumulate(finding.comparisons for finding in findings)
        shown = [
            finding.problem(may_compare=count <= _MAX_COMPARISONS)
            for finding, count in zip(findings[:MAX_SHOWN], compared, strict=False)
        ]
        if len(findings) > MAX_SHOWN:
            last = shown[-1]
            left = len(findings) - MAX_SHOWN
            what = f"and {left} more problems, which are not shown" if left > 1 else "and one more, which is not shown"
            shown.append(Problem(last.file, last.line, last.column + 1, what))
        return shown


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """Returns the choice that was most likely meant; None if none is near enough.

    >>> nearest("trian", ["train", "test"])
    'train'
    """
    if len(word) > _MAX_WORD_CHARS:
        return None
    likely = sorted(choices, key=lambda choice: (abs(len(choice) - len(word)), choice[:1] != word[:1], choice))
    by_lower = {choice.lower(): choice for choice in likely[:_MAX_CHOICES]}
    from difflib import get_close_matches  # only flows with a problem need it

    found = get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def listed(words: Sequence[str], last: str = "and") -> str:
    """Returns the words in quotes, as a sentence lists them; the tail of a long list is only counted.

    >>> listed(["a", "b", "c"])
    '"a", "b" and "c"'
    """
    quoted = [f'"{word}"' for word in words[:12]]
    if len(words) > len(quoted):
        quoted.append(f"{len(words) - len(quoted)} more")
    return f" {last} ".join(filter(None, (", ".join(quoted[:-1]), quoted[-1]))) if quoted else "none"
