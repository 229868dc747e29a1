"""Markdown that a hostile build wrote, through GitHub's own Markdown: it formats, and does nothing else."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlci.pull_request.safe_markdown import BREAK, safe_markdown
from support.examples import examples

#: What GitHub makes of the formatting of a report. Cells and their alignment are all attributes that there are.
ALLOWED = frozenset(
    [
        *("h1", "h2", "h3", "h4", "h5", "h6", "p", "pre", "code", "details", "summary", "ul", "ol", "li", "blockquote"),
        *("table", "thead", "tbody", "tr", "th", "td", "strong", "em", "b", "i", "br", "hr", "sub", "sup", "del"),
        *("input", "a"),
    ]
)
CONSOLE = "https://eu-west-1.console.aws.amazon.com/s3/object/b?prefix=x"
FRAGMENTS = [
    *"`~*_#|<>[]()!@&\\:/.-+=\"' \n\t\u200b",
    *("```", "~~~", "\n```\n", "\n\n", "\n> ", "\n- ", "\n1. ", "    ", "\n---\n", "<details>", "</details>"),
    *(
        "<details open>",
        "<summary>",
        "</summary>",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<?",
        "?>",
        "<script>",
        "</script>",
    ),
    *(
        "<img src=x onerror=y>",
        "<a href=",
        "https://evil.example/",
        "http://",
        "www.evil.example",
        "mailto:a@b.example",
    ),
    *(
        "![x](",
        "[x](",
        "](https://evil.example)",
        "[x]: https://evil.example",
        "[x][x]",
        "[x]",
        "<https://evil.example>",
    ),
    *("@octo-org/team", "@octocat", "&#64;octocat", "&commat;octocat", "&#x40;octocat", "a@b.example", "\\@octocat"),
    *("#12;", "x#7;", "&#124;", "&amp;", "\\&#124;", "_/approve_", "`/approve`", "\n- [ ] /approve", "\n**/approve**"),
    *("#123", "GH-12", "octo/model#7", "fixes #1", "/approve", "\n/merge", "/codebuild_run(c0ffee)", "x", "1", "$x$"),
    *(
        f"[run]({CONSOLE})",
        "javascript:alert(1)",
        "[x](javascript:y)",
        "[x](//evil.example)",
        "[x](/evil)",
        "ftp://e.x",
    ),
]
HOSTILE = st.lists(st.sampled_from(FRAGMENTS), max_size=30).map("".join)


class Page(HTMLParser):
    """The tags, the addresses and the text of a page; text in code stands apart."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.links, self.text, self._code = set[str](), list[str](), "", 0
        self.open_details = 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attributes if name in ("href", "src")]
        assert {name for name, _ in attributes} <= {
            "href",
            "open",
            "align",
            "lang",
            "type",
            "checked",
            "disabled",
            "start",
            "class",
        }
        self._code += tag == "code"
        self.open_details += tag == "details"

    def handle_endtag(self, tag: str) -> None:
        self._code -= tag == "code"
        if tag == "details":
            self.open_details = max(0, self.open_details - 1)

    def handle_data(self, data: str) -> None:
        self.text += data if not self._code else ""


def on_github(text: str) -> Page:
    return Page(cmarkgfm.github_flavored_markdown_to_html(text, Options.CMARK_OPT_UNSAFE))


@settings(max_examples=examples(150), deadline=None)
@given(HOSTILE)
@example("```\n</details>\n<img src=x>\n")
@example("<details>\n```\n<script>x</script>\n```")
@example("- ```\nx\n<img src=x>\n```")
@example("[x]\n\n[x]: https://evil.example")
@example("&#64;octocat &commat;octocat")
@example(
    "https://eu-west-1.console.aws.amazon.com.evil.example/s3/ [x](https://console.aws.amazon.com@evil.example/s3/)"
)
def test_a_hostile_report_does_nothing_on_github(text: str) -> None:
    safe = safe_markdown(text, 20_000)
    page = on_github(safe)
    assert page.tags <= ALLOWED, page.tags
    assert all(
        link == CONSOLE or link.startswith("https://eu-west-1.console.aws.amazon.com/s3/object/b?prefix=x")
        for link in page.links
    )
    assert not re.search(r"@[A-Za-z0-9]", page.text)
    assert not re.search(r"#\d", page.text)
    assert "/codebuild_run" not in safe.lower()
    without_tags = re.sub(r"</?[a-z]+>|<\u200b/", "", safe)
    assert not re.search(r"(?m)^(?:[^\w\n]|_|\d+[.)]|\[[xX]\]|&#?\w+;)*/[A-Za-z]", without_tags)


@settings(max_examples=examples(150), deadline=None)
@given(HOSTILE, st.integers(min_value=600, max_value=3_000))
def test_what_follows_a_report_is_not_taken_in(text: str, room: int) -> None:
    """A heading behind it stays a heading, outside of each fold, and the report is within its limit."""
    safe = safe_markdown(text * 50, room)
    assert len(safe) <= room + 1
    page = on_github(f"{safe}\n\n## The end\n")
    html = cmarkgfm.github_flavored_markdown_to_html(f"{safe}\n\n## The end\n", Options.CMARK_OPT_UNSAFE)
    assert html.rstrip().endswith("<h2>The end</h2>"), safe
    assert page.open_details == 0


def test_a_plain_report_stays_as_it_is() -> None:
    text = (
        f"## ✅ iris: passed\n\nRun <code>r1</code>, [run]({CONSOLE})\n\n"
        "| a | b |\n| --- | --- |\n| 1 | @&#8203;x &lt;b&gt; |\n\n"
        "<details><summary>Params (1)</summary>\n\n```text\na & b -> c\n```\n\n</details>\n\n"
        '```mermaid\ngraph LR\n  a["say #34;hi#34;"] --> b\n```\n'
    )
    assert safe_markdown(text, 10_000) == text


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("@octocat", "@_octocat"),
        ("![x](y)", "!_[x]_(y)"),
        ("<img>", "<_img>"),
        ("http://a.b", "http:_//a.b"),
        ("WWW.a.b", "WWW_.a.b"),
        ("  /approve", "  /_approve"),
        ("fixes #12", "fixes #_12"),
        ("&#64;a", "&_#_64;a"),
        ("#12; octo/x#12; &#12;", "#_12; octo/x#_12; &_#_12;"),
        ("&#124; \\&#124; \\\\&#124;", "&#124; \\&_#_124; \\\\&#124;"),
        ("```mermaid\na[#34;b#34;] #12;\n```", "```mermaid\na[#34;b#34;] #_12;\n```"),
        ("```text\n#34;\n```", "```text\n#_34;\n```"),
        ("_/approve_", "_/_approve_"),
        ("`/approve`", "`/_approve`"),
        ("- [ ] /approve\n- [x] /approve", "- [ ] /_approve\n- [x] /_approve"),
        ("1. **/approve**", "1. **/_approve**"),
        ("<b>/approve</b>", "<b>/_approve</b>"),
        ("| `/approve` |", "| `/_approve` |"),
        ("&lt;/approve", "&lt;/_approve"),
        ("</details>", "</details>"),
        ("in /opt/ml/model", "in /opt/ml/model"),
    ],
)
def test_each_action_is_ended_by_a_space_without_width(text: str, safe: str) -> None:
    assert safe_markdown(text, 1_000).replace(BREAK, "_") == f"{safe}\n"


@pytest.mark.parametrize("fragment", ["<details open>\n", "<details>", "```\n<a", "<", "&#64;", "/\n", "@"])
def test_it_is_within_its_limit_whatever_grows_while_it_is_made_safe(fragment: str) -> None:
    assert len(safe_markdown(fragment * 100_000, 65_000)) <= 65_000
