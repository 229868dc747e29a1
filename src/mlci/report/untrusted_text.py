"""Text that comes from outside of mlci, made safe for each medium: one function for each.

Log lines, failure messages, metrics, file names, params and AWS's messages are written by others. Reports show them as
text, whatever they hold: they can't end a code block, draw a heading or an image, mention a person, move a terminal's
cursor, or give a command to the CI system that reads the console.
"""

from __future__ import annotations

import re

#: Control sequences of terminals, in 7 and 8 bits: CSI (colours, the cursor); OSC, DCS and the like up to their end
#: (titles, links); the others of two or three characters.
#: Source: https://ecma-international.org/publications-and-standards/standards/ecma-48/
_CONTROL_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]"
)
#: Control characters but tab and newline; line and paragraph separators; overrides of the text's direction, which show
#: it in another order than it has (CVE-2021-42574); and what UTF-8 or XML 1.0 can't hold.
#: Source: https://www.w3.org/TR/xml/#charsets
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
_REPLACEMENT = "\ufffd"

#: `::command::` at the beginning of a line, after white space, is a command of GitHub Actions.
#: Source: https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs
_COLON_COMMAND = re.compile("^((?:[^\\S\n]|[\u200b-\u200d\u2060\ufeff])*)::", re.MULTILINE)
#: `##[command]` anywhere in a line is one of GitHub Actions (see above) and of Azure Pipelines, as is `##vso[…]`;
#: `##teamcity[…]` is one of TeamCity.
#: Source: https://learn.microsoft.com/azure/devops/pipelines/scripts/logging-commands
_HASH_COMMAND = re.compile(r"##(?=\w{0,32}\[)")

#: What begins a construct inside of a line in GitHub's Markdown: emphasis, code, links, HTML, cells, mathematics.
#: GitHub links addresses without any markup, and finds mentions in the rendered text, where an escaped `@` is one too.
#: Source: https://github.github.com/gfm/#autolinks-extension-
_MARKDOWN = re.compile(r"[\\`*_\[\]~$&<>|@]|://|(?i:www)\.")
_MARKDOWN_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "@": "@&#8203;", "://": "&#58;//"}

#: Characters that end a label or a code block, begin an entity, a directive, a Markdown string, or HTML in Mermaid.
#: Source: https://mermaid.js.org/syntax/flowchart.html#special-characters-that-break-syntax
_MERMAID = re.compile(r"[#&\"<>`%\\]")

#: As `html.escape`, whose module brings every name of a character, and so takes 1 ms.
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})


def plain_text(text: str) -> str:
    r"""The text in lines that end in a newline, without control sequences; each other control character becomes "�".

    >>> plain_text("\x1b[1;31mred\x1b[0m\r10 %\r\n\x07")
    'red\n10 %\n�'
    """
    unified = text.replace("\r\n", "\n").replace("\r", "\n")
    return _UNPRINTABLE.sub(_REPLACEMENT, _CONTROL_SEQUENCE.sub("", unified))


def one_line(text: str) -> str:
    r"""The plain text in one line.

    >>> one_line("a\tb\nc\n")
    'a b c'
    """
    return plain_text(text).replace("\n", " ").replace("\t", " ").strip()


def console_text(text: str) -> str:
    """The plain text without commands for the CI system that reads the console.

    >>> console_text("::error::forged"), console_text("a ##[error]forged")
    (': :error::forged', 'a ## [error]forged')
    """
    return _HASH_COMMAND.sub("## ", _COLON_COMMAND.sub(r"\1: :", plain_text(text)))


def markdown_text(text: str) -> str:
    """The text in one line of GitHub's Markdown, as text: it links, mentions and formats nothing.

    >>> print(markdown_text("![x](https://e.example) *a* <b> | @octo-org"))
    !\\[x\\](https&#58;//e.example) \\*a\\* &lt;b&gt; &#124; @&#8203;octo-org
    """

    def escaped(match: re.Match[str]) -> str:
        found = match.group()
        if found.endswith(".") and len(found) > 1:
            return f"{found[:-1]}&#46;"
        return _MARKDOWN_ESCAPES.get(found) or f"\\{found}"

    return _MARKDOWN.sub(escaped, one_line(text))


def markdown_code(text: str) -> str:
    """The text as code in a line of GitHub's Markdown, where numbers of issues, hashes of commits and emoji stay text.

    A code span of backticks could be ended by a `|` in a table, so HTML marks the code.
    """
    return f"<code>{markdown_text(text)}</code>"


def markdown_block(text: str, language: str = "text") -> str:
    """The text as a block of code in Markdown; its fence is longer than each one that the text holds.

    GitHub finds no mention in code. Other readers of Markdown do, so a zero-width space follows each `@`.

    Source: https://github.github.com/gfm/#fenced-code-blocks
    """
    body = plain_text(text).removesuffix("\n").replace("@", "@\u200b")
    fence = "`" * (1 + max([2, *(len(run) for run in re.findall("`+", body))]))
    return f"{fence}{language}\n{body}\n{fence}"


def html_text(text: str) -> str:
    """The text for HTML, in an element or in a quoted attribute."""
    return plain_text(text).translate(_HTML)


def xml_text(text: str) -> str:
    """The text with characters that XML 1.0 can hold; the writer of the XML escapes its markup."""
    return plain_text(text)


def mermaid_label(text: str) -> str:
    """The text for a quoted label in a Mermaid graph.

    >>> mermaid_label('say "hi"')
    'say #34;hi#34;'
    """
    return _MERMAID.sub(lambda match: f"#{ord(match.group())};", one_line(text))
