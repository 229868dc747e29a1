"""The comment of a flow on a pull request: one, edited in place, with its history in a fold.

Hidden in its body stand a marker, by which it is found again, and its history as JSON. An older commit's report,
however late it comes, takes its place in the history and never that of a newer one.

Source: https://docs.github.com/en/rest/issues/comments
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from mlci.pull_request.models import STATE_WORDS, BuildReport, State
from mlci.pull_request.safe_markdown import safe_markdown
from mlci.report.untrusted_text import markdown_code, markdown_text, one_line
from mlci_dataclasses import dataclass

CommentMode = Literal["always", "on-change", "never"]

#: GitHub's limit of a comment's body.
BODY_MAX_CHARS = 65_536
_ENTRIES_MAX = 12
_HEADLINE_MAX_CHARS = 120
_HISTORY = "<!-- mlci-history -->"
_STATE = re.compile(r"<!-- mlci-state (\{.*\}) -->")
#: The characters by which an HTML comment ends, or text acts: bots read a comment as it is written.
_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>-@&/#"}
_EMOJI: dict[State, str] = {
    "passed": "✅",
    "gate_missed": "❌",
    "failed": "❌",
    "stopped": "⏹️",
    "died": "❌",
    "in_progress": "⏳",
}


def marker(flow: str) -> str:
    """Return the first line of a flow's comment.

    >>> marker("iris")
    '<!-- mlci:iris -->'
    """
    return f"<!-- mlci:{flow} -->"


@dataclass(frozen=True)
class Entry:
    """A commit's report in the history of a comment."""

    commit: str
    build: str
    started: datetime
    state: State
    headline: str

    def supersedes(self, shown: Entry, head: str) -> bool:
        """Return True if this report takes the place of the shown one. `head` is the pull request's newest commit."""
        if self.commit != shown.commit and head in (self.commit, shown.commit):
            return self.commit == head
        return self.started >= shown.started


@dataclass(frozen=True)
class Comment:
    """A flow's comment: the report that it shows, which is that of the first entry, and all entries."""

    main: str
    entries: tuple[Entry, ...]


def read_comment(flow: str, body: str) -> Comment | None:
    """Return the comment of a body; None if it is not the flow's. One that somebody has edited may have no history."""
    first, _, rest = body.replace("\r\n", "\n").partition("\n")
    if first.strip() != marker(flow):
        return None
    state, _, rest = rest.partition("\n")
    main, _, _ = rest.rpartition(_HISTORY)
    match = _STATE.fullmatch(state.strip())
    try:
        entries = tuple(map(_entry, json.loads(match[1])["entries"])) if match else ()
    except (KeyError, TypeError, ValueError, RecursionError):
        entries = ()
    return Comment(main.strip("\n"), entries[:_ENTRIES_MAX])


def is_comment_due(mode: CommentMode, report: BuildReport, has_comment: bool) -> bool:
    """Return True if the report belongs into the comment.

    `on-change` waits with the first one until a gated metric differs from its baseline, or a run does not pass.
    """
    if mode == "never" or report.state == "in_progress":
        return False
    return mode == "always" or has_comment or report.has_changes


def comment_body(report: BuildReport, present: Comment | None, head: str) -> str:
    """Return the body of the comment with this report in it. `present` is the comment as it is."""
    new = Entry(
        report.pull_request.commit,
        report.build,
        report.started,
        report.state,
        one_line(report.headline)[:_HEADLINE_MAX_CHARS],
    )
    before = present.entries if present else ()
    is_shown = not before or new.supersedes(before[0], head) or new.build == before[0].build
    entries = _newest_of_each_commit((new, *before) if is_shown else (before[0], new, *before[1:]))
    first, state, history = marker(report.flow), _state(entries), _history(entries[1:])
    room = BODY_MAX_CHARS - len(first) - len(state) - len(history) - 10
    main = _main(report, room) if is_shown or present is None else present.main[:room]
    return "\n".join([first, state, "", main, "", history])


def _main(report: BuildReport, room: int) -> str:
    """Return the report with a line of links, whose targets no pull request chooses."""
    name, commit = markdown_text(report.flow), report.pull_request.commit
    repository = f"{web_url(report.pull_request.api_url)}/{report.pull_request.repository}"
    links = [f"[`{commit[:7]}`]({repository}/commit/{commit})"]
    if report.report_url:
        links.append(f"[report]({report.report_url})")
    if report.details_url:
        links.append(f"[build]({report.details_url})")
    footer = f"Commit {' · '.join(links)}"
    if not report.markdown.strip():
        text = report.headline or STATE_WORDS[report.state]
        return f"## {_EMOJI[report.state]} {name}: {_safe_text(text)}\n\n{footer}"
    notice = "" if len(report.markdown) < room - 1_000 else "\n\nThis report is cut: the linked one has all of it."
    body = safe_markdown(report.markdown, room - len(footer) - len(notice) - 10).rstrip("\n")
    return f"{body}{notice}\n\n{footer}"


def _safe_text(text: str) -> str:
    """Return text from a build in one line of Markdown, in which nothing acts.

    >>> _safe_text("fixes #1 of octo/model#2").replace("\u200b", "_")
    'fixes #_1 of octo/model#_2'
    """
    return safe_markdown(markdown_text(text), 10 * _HEADLINE_MAX_CHARS).rstrip("\n")


def web_url(api_url: str) -> str:
    """Return the address of the GitHub that an API belongs to.

    >>> web_url("https://api.github.com"), web_url("https://ghe.example/api/v3"), web_url("https://api.octo.ghe.com")
    ('https://github.com', 'https://ghe.example', 'https://octo.ghe.com')
    """
    return re.sub(r"^(https?://)api\.", r"\1", api_url.rstrip("/").removesuffix("/api/v3"))


def _newest_of_each_commit(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return the shown entry, and the newest one of each other commit, the newest first."""
    shown, *others = entries
    newest: dict[str, Entry] = {}
    for entry in sorted(others, key=lambda each: each.started):
        if entry.commit != shown.commit:
            newest[entry.commit] = entry
    return (shown, *reversed(newest.values()))[:_ENTRIES_MAX]


def _state(entries: Iterable[Entry]) -> str:
    """Return the hidden line with the history. Nothing in it can end the HTML comment."""
    document = {
        "entries": [
            [entry.commit, entry.build, entry.started.isoformat(), entry.state, entry.headline] for entry in entries
        ]
    }
    text = json.dumps(document, separators=(",", ":"))
    return f"<!-- mlci-state {text.translate(_ESCAPES)} -->"


def _entry(document: object) -> Entry:
    """Raises: TypeError, ValueError."""
    if not isinstance(document, list) or not all(isinstance(part, str) for part in document):
        raise TypeError("an entry is a list of texts")
    commit, build, started, state, headline = document
    if state not in STATE_WORDS or not re.fullmatch(r"[0-9a-f]{7,64}", commit):
        raise ValueError("an entry has a commit and a state")
    at = datetime.fromisoformat(started)
    if at.tzinfo is None:
        raise ValueError("a time has a zone")
    return Entry(commit, build[:200], at, state, headline[:_HEADLINE_MAX_CHARS])


def _history(entries: tuple[Entry, ...]) -> str:
    """Return the fold of the earlier commits, behind its marker."""
    if not entries:
        return _HISTORY
    rows = (
        f"| {markdown_code(entry.commit[:7])} | {_EMOJI[entry.state]} | {_safe_text(entry.headline)} "
        f"| {entry.started:%Y-%m-%d %H:%M} UTC |"
        for entry in entries
    )
    table = "\n".join(["| commit | | verdict | started |", "| --- | --- | --- | --- |", *rows])
    summary = f"Earlier commits ({len(entries)})"
    return f"{_HISTORY}\n<details><summary>{summary}</summary>\n\n{table}\n\n</details>\n"
