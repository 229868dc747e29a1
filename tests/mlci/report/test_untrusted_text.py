"""Text of jobs in reports: whatever it holds, it stays text in each medium."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser
from xml.etree import ElementTree

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlci.backends.progress import StepState
from mlci.flow.models import Rule
from mlci.gate import RuleVerdict
from mlci.plan.models import Bound
from mlci.report.console import failure, summary
from mlci.report.flow_graph import FlowGraph, Node
from mlci.report.html import page
from mlci.report.junit import junit
from mlci.report.markdown import markdown
from mlci.report.result import Result, Status
from mlci.report.untrusted_text import console_text, mermaid_label, one_line
from support.examples import examples

START = datetime(2026, 11, 23, 10, 15, 30, tzinfo=timezone.utc)
FRAGMENTS = [
    *"`~*_#|<>[]()!@&\\:/.-+=$%{}\"'^ \n\r\t\x1b\x07\x00\x9b\u2028\u202e\u200b",
    *(
        "```",
        "````",
        "\n```\n",
        "\n\n",
        "\r\n",
        "\r## ",
        "\n# ✅ case: passed",
        "</details>",
        "</code>",
        "</pre>",
        "<!--",
    ),
    *("![x](https://evil.example/x.png)", "[x](https://evil.example)", "<img src=x>", "<script>alert(1)</script>"),
    *(
        "@octo-org/everyone",
        "a@b.example",
        "https://evil.example",
        "www.evil.example",
        "mailto:a@b.example",
        "ftp://x.y",
    ),
    *(
        "&lt;img src=x&gt;",
        "&#64;octo",
        "\\|",
        "\\\\|",
        "[^1]: x",
        "| --- |",
        "::error::",
        "##[error]",
        "##vso[x]",
        "]]>",
    ),
    *("\x1b[2J", "\x1b]0;title\x07", "%%{init: {}}%%", "#quot;", "]]>", "-->", "text", "0"),
]
HOSTILE = st.one_of(st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join), st.text(max_size=40))


def result(text: str) -> Result:
    """A result with the text in every place that takes one from outside."""
    bound = Bound(Rule("evaluate", (f"m{text}",), "min", 0.9), threshold=0.9)
    verdict = RuleVerdict(bound, None, "broken", f"m{text}")
    return Result(
        flow="case",
        run_id=f"r{text}",
        cloud="local",
        commit=f"c{text}",
        status=Status.FAILED,
        started=START,
        seconds=12.5,
        steps={"train": StepState("failed", START, START + timedelta(seconds=3), f"j{text}", f"s{text}")},
        rules=(verdict,),
        metrics={},
        execution="arn",
        reason=f"r{text}",
        log_tails={"train": f"l{text}"},
        graph=FlowGraph((Node("d1", "data", text),)),
    )


class Structure(HTMLParser):
    """The tags of a document with their attributes, in order, and the text outside of code."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, object]] = []
        self.text = ""
        self._code = 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))
        self._code += tag in ("code", "pre")

    def handle_endtag(self, tag: str) -> None:
        self.tags.append((f"/{tag}", None))
        self._code -= tag in ("code", "pre")

    def handle_comment(self, data: str) -> None:
        self.tags.append(("comment", data))

    def handle_data(self, data: str) -> None:
        self.text += "" if self._code else data


def on_github(text: str) -> Structure:
    return Structure(cmarkgfm.github_flavored_markdown_to_html(markdown(result(text)), Options.CMARK_OPT_UNSAFE))


@settings(max_examples=examples(150), deadline=None)
@given(HOSTILE)
@example("\\|![x](https://evil.example/x.png)")
@example("````\n\n</details>\n\n## ✅ case: passed\n")
@example("\n```\n# x")
def test_github_shows_text_of_a_job_as_text(text: str) -> None:
    """The report has the same headings, links, images and cells as one of harmless text, and mentions nobody."""
    shown, harmless = on_github(text), on_github("x")
    assert shown.tags == harmless.tags
    assert not re.search("@(?!\u200b)", shown.text)
    assert not re.search("@[a-z]", markdown(result(text)))


@settings(max_examples=examples(100))
@given(HOSTILE)
def test_the_page_has_no_markup_of_a_job(text: str) -> None:
    assert Structure(page(result(text))).tags == Structure(page(result("x"))).tags


@settings(max_examples=examples(100))
@given(HOSTILE)
def test_junit_xml_can_be_read(text: str) -> None:
    root = ElementTree.fromstring(junit(result(text)))
    assert [element.tag for element in root.iter()] == [
        element.tag for element in ElementTree.fromstring(junit(result("x"))).iter()
    ]


@settings(max_examples=examples(200))
@given(HOSTILE)
@example("##\x1b[0m[error]x")
@example(":\x1b[0m:error::x")
@example("\x1b\x1b[0m[31mred")
@example("a\r::error::x")
@example("\u2003::error::x")
@example("###[error]")
def test_the_console_gets_no_command_and_no_control_character(text: str) -> None:
    shown = console_text(
        f"{failure('train', text, text)}\n{summary(replace(result(text), steps={}), 'folder')}\n{text}"
    )
    for line in re.split("[\r\n]", shown):
        assert not line.lstrip().startswith("::")
        assert not re.search(r"##\w*\[", line)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)


def test_a_reason_can_not_pass_for_the_verdict() -> None:
    lines = failure("train", "bad\ncase: passed in 1 s", "").splitlines()
    assert lines == ['step "train" failed: bad', "  case: passed in 1 s"]


@settings(max_examples=examples(100))
@given(HOSTILE)
def test_a_label_ends_at_its_own_quote(text: str) -> None:
    assert not re.search('["<>`%\n\\\\]|#(?!\\d+;)', mermaid_label(text))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]0;never ended", "0;never ended"),
        ("\x1b(Bplain", "plain"),
        ("\x9b31mred", "red"),
        ("10 %\r20 %", "10 % 20 %"),
        ("caf\udce9", "caf�"),
        ("\x08\x08hidden\x7f", "��hidden�"),
    ],
)
def test_control_sequences_are_removed_and_other_controls_are_shown(text: str, line: str) -> None:
    assert one_line(text) == line
