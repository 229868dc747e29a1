"""Parses expressions, and finds their references and those that AWS refuses when a definition is created.

An expression has no context item: the input is `$states.input`, and variables are `$name`. So a bare field name, `$`
and `$$` refer to nothing at the top level, and AWS refuses the definition. Inside a path, a predicate, a sort or a
grouping they refer to an item.
Source: https://states-language.net/#jsonata, and published answers of ValidateStateMachineDefinition
(github.com/floci-io/floci, docs/services/step-functions.md)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from mlci_asl.jsonata import error_messages
from mlci_asl.jsonata.expressions import JsonataSyntaxError, JsonataUnsupported
from mlci_asl.jsonata.functions import FUNCTIONS
from mlci_asl.jsonata.jsonata_python import JException, Parser, Symbol, Tokenizer
from mlci_asl.jsonata.regexes import compile_regex

#: The library's parser and tokenizer raise these if a text ends too early or has a stray character.
_LIBRARY_ERRORS = (IndexError, KeyError, AttributeError, NotImplementedError, TypeError, ValueError, RuntimeError)


def parse(text: str) -> Symbol:
    """The tree of an expression. Raises: JsonataSyntaxError."""
    try:
        tree = ExpressionParser().parse(text, compile_regex)
    except JException as error:
        raise JsonataSyntaxError(error_messages.sentence(error)) from error
    except RecursionError as error:
        raise JsonataSyntaxError("The expression is nested too deeply") from error
    except _LIBRARY_ERRORS as error:
        raise JsonataSyntaxError(str(error) or "Unexpected end of expression") from error
    for reference in references(tree):
        if reference.name == "$$":
            raise JsonataUnsupported("Reference to '$$' is not supported.")
        if reference.is_top:
            raise JsonataUnsupported(f"Reference to '{reference.name}' at the top level is not supported.")
    return tree


class _ExpressionTokenizer(Tokenizer):  # type: ignore[misc]
    """The tokens of JSONata 2.0.6: `?:` and `??` came later, and are two tokens each."""

    def next(self, prefix: bool) -> Tokenizer.Token | None:
        try:
            token = super().next(prefix)
        except IndexError as error:
            raise JException("S0106" if "/*" in self.path else "S0207", len(self.path)) from error
        if token is None:
            return None
        if token.type == "operator" and token.value in ("?:", "??"):
            self.position -= 1
            return Tokenizer.Token("operator", "?", self.position)
        if token.type == "operator" and token.value in ("!", "~"):
            raise JException("S0204", token.position, token.value)
        if token.type == "string":
            token.value = _join_surrogates(str(token.value))
        return token


class ExpressionParser(Parser):  # type: ignore[misc]
    """A parser. It stores the state of one parse, so each use creates its own."""

    def advance(self, id: str | None = None, infix: bool = False) -> Symbol:
        self.lexer.__class__ = _ExpressionTokenizer
        return super().advance(id, infix)


def _join_surrogates(text: str) -> str:
    """Joins the two surrogates of an escape such as `\\ud83d\\ude00` to one character."""
    if any("\ud800" <= char <= "\udfff" for char in text):
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return text


class Reference(NamedTuple):
    """A name that an expression reads. `is_top` if it would be read from the missing context item."""

    name: str
    is_top: bool


def references(tree: Symbol) -> Iterator[Reference]:
    """Every `$$`, and every name that is read from the context item of the top level."""
    yield from _ReferenceFinder().of(tree, True)


class _ReferenceFinder:
    """Walks an expression, and tells the parts with the context item of the whole from those with another."""

    def of(self, node: Any, is_top: bool) -> Iterator[Reference]:
        if isinstance(node, (list, tuple)):
            for item in node:
                yield from self.of(item, is_top)
            return
        if not isinstance(node, Symbol):
            return
        yield from self._own_reference(node, is_top)
        yield from self._inner_references(node, is_top)
        yield from self.of([node.predicate, node.stages, node.terms, node.expr], False)
        if node.group is not None:
            yield from self.of(node.group.lhs_object, False)

    def _own_reference(self, node: Symbol, is_top: bool) -> Iterator[Reference]:
        if node.type == "variable" and node.value == "$":
            yield Reference("$$", False)
        elif node.type == "variable" and node.value == "" and is_top:
            yield Reference("$", True)
        elif node.type == "name" and is_top:
            yield Reference(str(node.value), True)

    def _inner_references(self, node: Symbol, is_top: bool) -> Iterator[Reference]:
        if node.type == "path" and node.steps:
            yield from self.of(node.steps[0], is_top)
            yield from self.of(node.steps[1:], False)
        elif node.type == "sort":
            yield from self.of([term.expression for term in node.terms or ()], False)
        elif node.type == "transform":
            yield from self.of([node.pattern, node.update, node.delete], False)
        else:
            inner = [node.expression, node.procedure, node.lhs_object, node.condition, node.then, node._else]
            yield from self.of([*inner, node.expressions, node.arguments, node.body, node.rhs], is_top)
            if node.type != "bind":
                yield from self.of(node.lhs, is_top)


def free_variables(tree: Symbol) -> tuple[str, ...]:
    """The workflow variables that an expression reads, without functions and the variables that it binds itself."""
    nodes = list(_nodes(tree))
    bound = {str(node.lhs.value) for node in nodes if node.type == "bind"}
    bound |= {str(argument.value) for node in nodes if node.type == "lambda" for argument in node.arguments or ()}
    bound |= {str(name) for node in nodes for name in (node.focus, node.index) if isinstance(name, str)}
    bound |= {str(node.value) for node in nodes if node.type == "index"}
    variables = {str(node.value) for node in nodes if node.type == "variable"}
    return tuple(sorted(variables - bound - FUNCTIONS.keys() - {"", "$", "states", "eval"}))


def states_fields(tree: Symbol) -> tuple[str, ...] | None:
    """The members of `$states` that are read by name, sorted; None if `$states` is also used as a whole."""
    paths = [node for node in _nodes(tree) if node.type == "path" and node.steps]
    member_paths = [node.steps for node in paths if _is_states(node.steps[0]) and len(node.steps) > 1]
    fields = {str(steps[1].value) for steps in member_paths if steps[1].type == "name"}
    uses = sum(_is_states(node) for node in _nodes(tree))
    return tuple(sorted(fields)) if uses == sum(steps[1].type == "name" for steps in member_paths) else None


def _is_states(node: Symbol) -> bool:
    return bool(node.type == "variable" and node.value == "states") and not node.predicate and not node.group


def _nodes(node: Any, visited: set[int] | None = None) -> Iterator[Symbol]:
    visited = set() if visited is None else visited
    if isinstance(node, (list, tuple)):
        for item in node:
            yield from _nodes(item, visited)
    elif isinstance(node, Symbol) and id(node) not in visited:
        visited.add(id(node))
        yield node
        for part in _NODE_FIELDS:
            yield from _nodes(getattr(node, part), visited)


_NODE_FIELDS = (
    *("steps", "procedure", "arguments", "body", "predicate", "stages", "expr", "group", "lhs", "rhs", "lhs_object"),
    *("terms", "condition", "then", "_else", "expressions", "expression", "pattern", "update", "delete"),
)
