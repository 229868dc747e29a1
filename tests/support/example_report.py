"""The report of the example as it is committed in docs/example-report: what `make run` writes in a fresh checkout.

`PYTHONPATH=tests .venv/bin/python -m support.example_report` writes it anew. A report that differs from the committed
one only as two runs do is left as it is.
"""

from __future__ import annotations

import difflib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from support.git_repositories import repository
from support.project import ROOT, clean_environment

COMMITTED = ROOT / "docs" / "example-report"
REPORTS = ("report.md", "report.html")
REWRITE = "PYTHONPATH=tests .venv/bin/python -m support.example_report"
_SOURCES = ("flow.yaml", "pipeline.py", "data", "src/breast_cancer", ".gitignore")

#: What differs from run to run: ids, commits, times, the phases of jobs, and pictures, which show each score.
_OF_A_RUN = {
    re.compile(r"\b\d{8}-\d{6}-[0-9a-f]{4,6}\b"): "RUN",
    re.compile(r"(?<=commit <code>)[0-9a-f]{12}|(?<=<dt>commit</dt><dd><code>)[0-9a-f]{12}"): "COMMIT",
    re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b"): "TIME",
    re.compile(r"\b(?:\d+ h )?(?:\d+ min )?\d+(?:\.\d+)? s\b|\b\d+ h \d+ min\b"): "DURATION",
    re.compile(r'data-sort="[\d.]+"(?= data-label="(?:time|when)")'): 'data-sort="SECONDS"',
    re.compile(r'<div class="lane".*?</div></td>'): "PHASES</td>",
    re.compile(r'<ul class="legend">.*?</ul>'): "PHASES",
    re.compile(r"(?<=data:image/svg\+xml;base64,)[A-Za-z0-9+/=]+"): "PICTURE",
}
#: Lines with numbers that the example measures. They hang on the versions of numpy and xgboost, too.
_MEASURED = re.compile(r'evaluate\.|data-label="value"')
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
#: Two of the 113 test cases that come out differently.
_SHARE, _CASES = 0.05, 2


def write_example_report(folder: Path) -> Path:
    """Run the example in a fresh repository, as `make run` does, and return the folder with its reports.

    Raises: AssertionError, if the run does not pass.
    """
    for name in _SOURCES:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    repository(folder)
    done = subprocess.run(
        [sys.executable, "pipeline.py"],
        cwd=folder,
        env=clean_environment({}),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / ".mlci" / "latest"


def differences(committed: str, written: str) -> list[str]:
    """Return the lines in which two reports differ, but for what differs from run to run.

    Text and structure are compared exactly; numbers that are measured, to within two of the test cases.
    """
    lines, others = _lines(committed), _lines(written)
    agreed = [_agreed(line, other) for line, other in zip(lines, others, strict=False)]
    agreed += others[len(agreed) :]
    return list(difflib.unified_diff(lines, agreed, "committed", "written", lineterm="", n=1))


def _lines(report: str) -> list[str]:
    """Return a report in lines, without what differs from run to run; those of HTML end behind each element."""
    for pattern, placeholder in _OF_A_RUN.items():
        report = pattern.sub(placeholder, report)
    return report.replace("><", ">\n<").splitlines()


def _agreed(line: str, other: str) -> str:
    """Return the first line, if the other one has the same text, and nearly the same numbers; else the other."""
    if not _MEASURED.search(line) or _NUMBER.sub("#", line) != _NUMBER.sub("#", other):
        return other
    pairs = zip(_NUMBER.findall(line), _NUMBER.findall(other), strict=True)
    return line if all(_is_near(*pair) for pair in pairs) else other


def _is_near(number: str, other: str) -> bool:
    most = _SHARE if "." in number + other else _CASES
    return abs(float(number) - float(other)) <= most


def _rewritten() -> Iterator[str]:
    """Write the committed reports that differ from those of a run now, and yield their names."""
    COMMITTED.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        written = write_example_report(Path(folder))
        for name in REPORTS:
            text, file = (written / name).read_text(encoding="utf-8"), COMMITTED / name
            if not file.exists() or differences(file.read_text(encoding="utf-8"), text):
                file.write_text(text, encoding="utf-8")
                yield name


if __name__ == "__main__":
    print("written:", ", ".join(_rewritten()) or "nothing, for the reports are as they are committed")
