"""Markdown that a build of a pull request wrote, made safe to post in another's name.

The report's own text is escaped where it is written (`report.untrusted_text`). But a pull request chooses what its
build writes, and a comment is posted by an App that others trust: its mentions notify people, a bot obeys a command in
it (CodeBuild starts a build for `/codebuild_run(…)`), and its links look like the App's. So what stays is formatting.

A zero-width space ends what would act. It does so inside of code as well, where it is not seen: whether GitHub takes a
line for code depends on all lines before it.

Source: https://github.github.com/gfm/ and https://docs.github.com/en/get-started/writing-on-github
"""

from __future__ import annotations

import re

from mlci.report.untrusted_text import plain_text

BREAK = "\u200b"
#: The elements that a report uses. A tag with an attribute is not one of them, but for an open fold.
_TAGS = "|".join(
    ["details(?: open)?>", "/details>", "br>"]
    + [f"/?{name}>" for name in ("summary", "code", "sub", "sup", "b", "i", "strong", "em")]
)
#: Pages of the AWS console that a report may link.
_LINKED = (
    r"https://(?:[a-z0-9-]+\.)?(?:console\.aws\.amazon\.com|console\.amazonaws\.cn|console\.amazonaws-us-gov\.com)"
    r"/(?:s3|states|sagemaker|cloudwatch|codesuite|glue|lambda)/"
)
#: The entities that a report writes. Behind a backslash, one is text, in which GitHub finds numbers of issues.
_ENTITIES = r"(?<!\\)(?:\\\\)*&(?:amp|lt|gt|quot|#124|#8203|#58|#46|#39|#x27);"
#: The characters that a label of a Mermaid graph has as `#34;` (`report.untrusted_text.mermaid_label`).
_MERMAID = re.compile(rf"#{BREAK}(?=(?:34|35|37|38|60|62|92|96);)")
#: Each pattern matches what a zero-width space follows.
_ACTIONS = (
    rf"<(?=[A-Za-z/!?])(?!(?:{_TAGS}))",  # an element, a comment, an address in angle brackets
    # The text of an entity is no markup, but GitHub finds mentions and addresses in it.
    r"&(?=#?\w+;)",
    r"@(?!&#8203;)",  # a mention, or a mail's address
    r"!(?=\[)",  # an image
    rf"\](?=\((?!{_LINKED}))|\](?=[\[:])",  # a link
    r":(?=//)",  # an address without any markup
    r"(?i:\bwww)(?=\.)|(?i:\b(?:mailto|xmpp):)",
    r"#(?=\d)|(?i:\bgh-)(?=\d)",  # an issue
    r"/(?i:(?=codebuild_run))",  # a command to a bot
)
_KEPT = rf"(?P<kept>(?<!\w){_LINKED}|{_ENTITIES})"
_ACTING = re.compile("|".join([_KEPT, *(f"(?:{pattern})" for pattern in _ACTIONS)]))
#: A command to a bot, where the rendered line begins with it: only formatting stands before.
_COMMAND = re.compile(
    rf"^((?:<(?:{_TAGS})|&#?\w+;|\d+[.)]|\[[xX]\]|_|(?!/[A-Za-z]|<(?:{_TAGS}))[^\w\n])*/)(?=[A-Za-z])", re.MULTILINE
)
_FENCE = re.compile(r"^ {0,3}(?P<fence>`{3,}|~{3,})(?P<rest>.*)$")
#: A line that begins a block of HTML, which goes on to the next empty line.
#: Source: https://github.github.com/gfm/#html-blocks
_HTML = re.compile(r" {0,3}<")
_FOLD = re.compile(r"<details(?: open)?>")
_MAX_FENCE_CHARS, _MAX_FOLDS = 100, 20
#: The characters that it takes to close a fence and all folds.
_CLOSING_CHARS = _MAX_FENCE_CHARS + _MAX_FOLDS * len("</details>\n") + 10


def safe_markdown(text: str, max_chars: int) -> str:
    """Return the Markdown without what acts in another's name, with its fences and folds closed, in its limit.

    >>> text = "## ok\\n/approve @octo-org ![x](https://e.example/a.png)"
    >>> print(safe_markdown(text, 1000).replace(BREAK, "_"), end="")
    ## ok
    /_approve @_octo-org !_[x]_(https:_//e.example/a.png)
    """
    safe = _ACTING.sub(lambda match: match["kept"] or f"{match[0]}{BREAK}", plain_text(text[: 2 * max_chars]))
    safe = _COMMAND.sub(rf"\1{BREAK}", safe)
    room = max_chars - _CLOSING_CHARS
    while len(closed := _closed(_cut(safe, room))) > max_chars:
        room -= len(closed) - max_chars  # what is broken while it is closed grows
    return closed


def _cut(text: str, max_chars: int) -> str:
    """Return the text, or its whole lines that fit."""
    return text if len(text) <= max_chars else text[:max_chars].rpartition("\n")[0]


def _closed(text: str) -> str:
    """Return the text with each fence and each fold closed that it opens: a cut or forged one takes in what follows.

    A fence of which readers of Markdown could disagree is none: one that is indented, or that follows on HTML. A fold
    that is code is closed as well, to which browsers pay no heed. Only a line of its own closes one, for what stands in
    a line may be code. In a fence there are no elements, and in a graph no issues.
    """
    lines, fence, folds, is_html, is_graph = [], "", 0, False, False
    for line in text.split("\n"):
        found = _FENCE.match(line)
        is_html = (is_html or _HTML.match(line) is not None) and line.strip() != ""
        if fence:
            is_html = False
            if found and found["fence"].startswith(fence) and not found["rest"].strip():
                fence = ""
            line = re.sub(r"<(?=[A-Za-z/])", f"<{BREAK}", line)
            line = _MERMAID.sub("#", line) if is_graph else line
        elif found and (is_html or line.startswith(" ") or len(found["fence"]) > _MAX_FENCE_CHARS):
            line = f"{BREAK}{line}"
        elif found and not (found["fence"][0] == "`" and "`" in found["rest"]):
            fence, is_graph = found["fence"], found["rest"] == "mermaid"
        elif line == "</details>":
            folds = max(0, folds - 1)
        else:
            opened = len(_FOLD.findall(line))
            if folds + opened > _MAX_FOLDS:
                line, opened = line.replace("<details", f"<{BREAK}details"), 0
            folds += opened
        lines.append(line)
    closing = [fence] * bool(fence) + ["", *["</details>"] * folds] * bool(folds)
    return "\n".join([*lines, *closing]).rstrip("\n") + "\n"
