"""Texts that are no flow, by accident or by intent: an error, soon, and never anything else."""

from __future__ import annotations

import time
from itertools import pairwise
from statistics import median

import pytest
import yaml

from mlci.flow import MAX_BYTES, load
from mlci.flow.yaml_document import MAX_DEPTH, MAX_NODES
from mlci.flow.yaml_nodes import PythonEvents, compose, fastest_events
from support.flow_texts import EXAMPLE, problems_of

_ALIASES = (
    "aliases make this file far larger than it looks, or refer to themselves. Write the values out, or use params"
)
_TOO_MANY = "the file holds more values than a flow can. Is this the right file?"
_TOO_DEEP = f"this is nested more than {MAX_DEPTH} levels deep. Is this the right file?"


def _bomb(layers: int) -> str:
    return "a0: &a0 [x, x]\n" + "".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]\n" for n in range(layers))


def _merge_bomb(layers: int) -> str:
    names = [f"a{n}" for n in range(layers + 1)]
    return "a0: &a0 {x: 1}\n" + "".join(
        f"{after}: &{after} {{<<: [{', '.join([f'*{before}'] * 10)}]}}\n" for before, after in pairwise(names)
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", '1:1: the file is empty. Begin with "flow: <name>", or run "mlci init"'),
        (b"# only a comment\n", '1:1: the file is empty. Begin with "flow: <name>", or run "mlci init"'),
        (b"---\n", '1:1: the file is empty. Begin with "flow: <name>", or run "mlci init"'),
        (
            b"- flow\n",
            '1:1: the file must hold a mapping, but holds a list. Its keys are "flow", "params", "steps" and "gate"',
        ),
        (
            b"flow\n",
            (
                '1:1: the file must hold a mapping, but holds the text "flow". '
                'Its keys are "flow", "params", "steps" and "gate"'
            ),
        ),
        (b"flow: a\0b\n", "1:8: a NUL byte is not allowed in YAML. Is this a text file?"),
        (b"flow: a\x1b[0m\n", "1:8: the character U+001B is not allowed in YAML. Remove it"),
        ("flow: x\n# é".encode() + b"\xff\n", "2:4: the byte 0xff is not UTF-8. Save the file as UTF-8"),
        (b"flow: caf\xe9\n", "1:10: the byte 0xe9 is not UTF-8. Save the file as UTF-8"),
        ("flow: x".encode("utf-16"), "1:1: the byte 0xff is not UTF-8. Save the file as UTF-8"),
        (b"x" * 50_000_000, f"1:1: the file has 50,000,000 bytes, and a flow has at most {MAX_BYTES:,}. "),
        (_bomb(9).encode(), f"1:10: {_ALIASES}"),
        (_merge_bomb(9).encode(), f"1:10: {_ALIASES}"),
        (b"a: &a [*a]\n", f"1:4: {_ALIASES}"),
        (b"a: &a {b: *a}\n", f"1:4: {_ALIASES}"),
        (b"&a\n<<: *a\n", f"1:1: {_ALIASES}"),
        (b'a: &a "' + b"x" * 100_000 + b'"\nb: [' + b"*a, " * 3_000 + b"]\n", f"1:4: {_ALIASES}"),
        (b"a: " + b"[" * 900_000, f"1:33: {_TOO_DEEP}"),
        (b"a: " + b"{a: " * 200_000, f"1:117: {_TOO_DEEP}"),
        (b"- " * 400_000, f"1:61: {_TOO_DEEP}"),
        (b"a: [" + b"x, " * 300_000 + b"]", f"1:29996: {_TOO_MANY}"),
        (b"flow: x\nflow: y\n", '2:1: the key "flow" is given twice, first on line 1. Remove one'),
        (b"flow: x\n---\nflow: y\n", "2:1: the file holds a second document. Keep one, and remove the line with ---"),
        (b"flow: !!python/object/apply:os.system [ls]\n", "the YAML tag !!python/object/apply:os.system"),
        (b"flow: " + b"9" * 900_000, "1:7: the number 99999"),
        (b"flow: 1e" + b"9" * 900_000, "1:7: 1e99999"),
        (b"flow: x\non: push\n", "2:1: the key on without quotes is a boolean to some readers of YAML"),
        (b'"' * 900_001, "1:3: this is not valid YAML: did not find expected <document start>"),
        (b"flow: x\nsteps: {a: {run: '" + b"${{ params.x }}" * 60_000 + b"'}}\n", "more than 50 references"),
        (b"flow: x\n" + b"".join(b"parms%d: 1\n" % n for n in range(MAX_NODES // 2 - 10)), "and 4891 more problems"),
        (
            b"flow: x\nsteps:\n a:\n" + b"".join(b"  inpts%d: 1\n" % n for n in range(MAX_NODES // 2 - 10)),
            "more problems, which are not shown",
        ),
        (
            b"flow: x\nsteps:\n"
            + b"".join(b" step%d: {uses: processing, run: x, after: setp%d}\n" % (n, n) for n in range(1_200)),
            'step "step0" runs after step "setp0", which does not exist. Did you mean "step0"?',
        ),
        (
            b"flow: x\ndefaults: {image: 'a:b'}\nsteps:\n"
            + b"".join(b" step%d: {uses: processing, run: x, after: step%d}\n" % (n, n ^ 1) for n in range(1_200)),
            '"step0" needs "step1" and "step1" needs "step0"',
        ),
        (
            b"flow: x\nsteps: {a: {uses: training, run: x, if: &if [" + b"{metric: b.c, min: 1}, " * 1_500 + b"]}}\n",
            "more problems, which are not shown",
        ),
        (
            b"flow: x\nparams: {p: "
            + b"y" * 9_000
            + b"}\nsteps: {a: {uses: processing, run: x, args: ["
            + b'"${{ params.p }}${{ params.p }}",' * 500
            + b"]}}\n",
            "with its params filled in, the flow is too large. Write shorter params",
        ),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else f"{len(value)} bytes",
)
def test_a_hostile_text_is_refused_soon(text: bytes, problem: str) -> None:
    example = EXAMPLE.replace("gate:", "gtae:").encode()
    problems_of(example)  # pydantic is imported by now, which is no part of what is timed
    usual_s = median(timed(example)[0] for _ in range(9))
    seconds, problems = min(timed(text), timed(text))  # the machine may be busy with something else for once
    assert any(problem in found for found in problems), problems[:3]
    assert seconds < 500 * usual_s  # a ratio, because machines differ; about a second where the usual is 2 ms
    assert len(problems) <= 101


def timed(text: bytes) -> tuple[float, list[str]]:
    """Returns the seconds of CPU that finding the problems took, and the problems."""
    started = time.process_time()
    problems = problems_of(text)
    return time.process_time() - started, problems


def test_a_flow_just_within_the_bounds_loads() -> None:
    steps = "".join(
        f"  s{n}: {{uses: training, run: x.py, inputs: {{a: data}}, after: s{n - 1}}}\n" for n in range(1, 700)
    )
    text = f"flow: x\ndefaults: {{image: 'a:b'}}\nsteps:\n  s0: {{uses: training, run: x.py}}\n{steps}"
    assert len(load(text.encode(), "flow.yaml").steps) == 700


def _shape(node: object) -> object:
    match node:
        case yaml.ScalarNode(tag=tag, value=value):
            content: object = (tag, value)
        case yaml.SequenceNode(value=items):
            content = [_shape(item) for item in items]
        case yaml.MappingNode(value=entries):
            content = [(_shape(key), _shape(value)) for key, value in entries]
        case _:
            raise TypeError(node)
    start, end = node.start_mark, node.end_mark
    return start.line, start.column, start.index, end.index if isinstance(node, yaml.ScalarNode) else 0, content


def test_both_parsers_see_the_same_scalars_at_the_same_places() -> None:
    text = EXAMPLE.replace("[evaluation]", "[\"é😀\", 'x', yes]  # ü")
    nodes = [compose(text, "f", MAX_NODES, MAX_DEPTH, events) for events in (fastest_events, PythonEvents)]
    assert _shape(nodes[0]) == _shape(nodes[1])
