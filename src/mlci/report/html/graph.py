"""A flow's graph as a picture in SVG: layers from left to right, each node behind all that it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlci.report.flow_graph import Edge, FlowGraph, Node
from mlci.report.signs import STEP_SIGNS
from mlci.report.untrusted_text import html_text, one_line

_NODE_WIDTH, _NODE_HEIGHT = 156, 46
_GAP_X, _GAP_Y, _MARGIN = 56, 18, 8
_MAX_CHARS = 19
#: A larger graph is a tangle, and the page has the steps as a table.
MAX_NODES = 150
#: The rounds in which the nodes of a layer are ordered by those that they are connected with.
_ROUNDS = 4


def graph_svg(graph: FlowGraph) -> str:
    """Return the graph as an SVG element; "" for one that is too large to be looked at."""
    if not 1 < len(graph.nodes) <= MAX_NODES:
        return ""
    places = _places(graph)
    width = max(x for x, _ in places.values()) + _NODE_WIDTH + _MARGIN
    height = max(y for _, y in places.values()) + _NODE_HEIGHT + _MARGIN
    edges = "".join(_edge(edge, places) for edge in graph.edges)
    nodes = "".join(_node(node, *places[node.id]) for node in graph.nodes)
    return (
        f'<div class="scroll" role="region" aria-label="Flow" tabindex="0"><svg class="graph" width="{width:g}" '
        f'height="{height:g}" viewBox="0 0 {width:g} {height:g}" role="img"><title>The flow: what reads what</title>'
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path class="head" d="M0 0 L8 4 L0 8 z"/></marker></defs>{edges}{nodes}</svg></div>'
    )


def _places(graph: FlowGraph) -> dict[str, tuple[float, float]]:
    """Return the upper left corner of each node. The graph has no cycles, for a flow has none."""
    before: dict[str, list[str]] = {node.id: [] for node in graph.nodes}
    for edge in graph.edges:
        before[edge.target].append(edge.source)
    depths: dict[str, int] = {}
    left = list(before)
    while left:
        known = [node for node in left if all(each in depths for each in before[node])]
        for node in known:
            depths[node] = 1 + max((depths[each] for each in before[node]), default=-1)
        left = [node for node in left if node not in depths]
        if not known:  # a cycle, which no flow has
            depths.update(dict.fromkeys(left, 0))
            break
    layers: list[list[str]] = [[] for _ in range(1 + max(depths.values()))]
    for node, depth in depths.items():
        layers[depth].append(node)
    rows = _ordered(layers, graph)
    tallest = max(map(len, layers))
    found = {}
    for depth, layer in enumerate(layers):
        top = _MARGIN + (tallest - len(layer)) * (_NODE_HEIGHT + _GAP_Y) / 2
        for node in layer:
            found[node] = (
                float(_MARGIN + depth * (_NODE_WIDTH + _GAP_X)),
                top + rows[node] * (_NODE_HEIGHT + _GAP_Y),
            )
    return found


def _ordered(layers: list[list[str]], graph: FlowGraph) -> Mapping[str, int]:
    """Return the row of each node in its layer: near to those that it is connected with, so that few arrows cross."""
    near: dict[str, list[str]] = {node: [] for layer in layers for node in layer}
    for edge in graph.edges:
        near[edge.source].append(edge.target)
        near[edge.target].append(edge.source)
    rows = {node: row for layer in layers for row, node in enumerate(layer)}
    for _ in range(_ROUNDS):
        for layer in layers:
            means = {node: _mean([rows[each] for each in near[node] or [node]]) for node in layer}
            layer.sort(key=lambda node, means=means: (means[node], rows[node]))  # type: ignore[misc]
            rows.update({node: row for row, node in enumerate(layer)})
    return rows


def _mean(rows: Sequence[int]) -> float:
    return sum(rows) / len(rows)


def _edge(edge: Edge, places: Mapping[str, tuple[float, float]]) -> str:
    (left, top), (right, bottom) = places[edge.source], places[edge.target]
    start_x, start_y = left + _NODE_WIDTH, top + _NODE_HEIGHT / 2
    end_x, end_y = right - 2, bottom + _NODE_HEIGHT / 2
    bend = max(_GAP_X / 2, (end_x - start_x) / 2)
    path = f"M{start_x:g} {start_y:g} C{start_x + bend:g} {start_y:g} {end_x - bend:g} {end_y:g} {end_x:g} {end_y:g}"
    css = "edge conditional" if edge.is_conditional else "edge"
    return f'<path class="{css}" d="{path}" marker-end="url(#arrow)"/>'


def _node(node: Node, x: float, y: float) -> str:
    sign = f"{STEP_SIGNS[node.status]} " if node.status else ""
    status = node.status or "none"
    radius = {"step": 8, "data": 3, "gate": _NODE_HEIGHT / 2}[node.kind]
    middle = x + _NODE_WIDTH / 2
    name_y = y + (20 if node.detail else 28)
    title = f"{node.label}{f': {node.detail}' if node.detail else ''}{f', {node.status}' if node.status else ''}"
    detail = f'<text class="detail" x="{middle:g}" y="{y + 36:g}">{_cut(node.detail)}</text>' if node.detail else ""
    return (
        f'<g class="node {node.kind} {status}"><title>{html_text(title)}</title>'
        f'<rect x="{x:g}" y="{y:g}" width="{_NODE_WIDTH}" height="{_NODE_HEIGHT}" rx="{radius:g}"/>'
        f'<text x="{middle:g}" y="{name_y:g}">{sign}{_cut(node.label)}</text>{detail}</g>'
    )


def _cut(text: str) -> str:
    """Return the text for a node; of a long one its end, which tells paths apart."""
    text = one_line(text)
    return html_text(text if len(text) <= _MAX_CHARS else f"…{text[1 - _MAX_CHARS :]}")
