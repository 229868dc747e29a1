"""The addresses around a run: those that a report may link, and those that it leaves out."""

from __future__ import annotations

import pytest

from mlci.flow.models import Position
from mlci.report.links import Links

CONSOLE = "https://eu-west-1.console.aws.amazon.com/codesuite/codebuild/projects/iris/build/iris%3A1/?region=eu-west-1"


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JavaScript://console.aws.amazon.com/s3/%0aalert(1)",
        "data:text/html,x",
        "//console.aws.amazon.com/s3/",
        f'{CONSOLE}" onmouseover="alert(1)',
        f"{CONSOLE}' onmouseover='alert(1)",
        f"{CONSOLE})[x](https://evil.example/",
        f"{CONSOLE}><script>",
        f"{CONSOLE} x",
        f"{CONSOLE}\n",
        f"{CONSOLE}|`\\]",
        "https://octo@evil.example/",
        "https://console.aws.amazon.com\\@evil.example/s3/",
        "https://",
        "",
    ],
)
def test_an_address_that_could_end_a_link_or_an_attribute_is_none(address: str) -> None:
    links = Links(address, address, address, address, address)
    assert list(links.named()) == []
    assert list(links.in_console()) == []


@pytest.mark.parametrize("repository", ["javascript:alert(1)//github.com", 'https://github.com/octo/"x', "https://g/)"])
def test_no_page_of_such_a_repository_is_linked(repository: str) -> None:
    links = Links(repository)
    assert links.commit("c0ffee") == ""
    assert links.line("c0ffee", Position("flow.yaml", 3, 1)) == ""


@pytest.mark.parametrize("part", ["x) [y](https://evil.example", '"><script>', "a b"])
def test_no_page_is_linked_by_a_commit_or_a_file_of_such_a_name(part: str) -> None:
    links = Links("https://github.com/octo/model")
    assert links.commit(part) == ""
    assert links.line("c0ffee", Position(part, 3, 1)) == ""
    assert links.line("c0ffee", Position("flow.yaml", 3, 1)).endswith("/blob/c0ffee/flow.yaml#L3")


@pytest.mark.parametrize(
    ("address", "is_in_console"),
    [
        (CONSOLE, True),
        ("https://console.amazonaws.cn/s3/object/b?prefix=k", True),
        ("https://us-gov-west-1.console.amazonaws-us-gov.com/states/home", True),
        ("http://console.aws.amazon.com/s3/", False),
        ("https://console.aws.amazon.com.evil.example/s3/", False),
        ("https://evil-console.aws.amazon.com/s3/", False),
        ("https://a.b.console.aws.amazon.com/s3/", False),
        ("https://console-aws.amazon.com/s3/", False),
        ("https://console.aws.amazon.com:8443/s3/", False),
        ("https://console.aws.amazon.com/iam/", False),
        ("https://evil.example/https://console.aws.amazon.com/s3/", False),
        ("https://evil.example/?u=https://console.aws.amazon.com/s3/", False),
    ],
)
def test_a_page_is_in_the_console_by_its_whole_host(address: str, is_in_console: bool) -> None:
    links = Links(build=address)
    assert list(links.named()) == [("build log", address)]
    assert list(links.in_console()) == ([("build log", address)] if is_in_console else [])
