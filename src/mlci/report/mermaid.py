"""A flow's graph as Mermaid text, which GitHub shows as a picture.

Source: https://mermaid.js.org/syntax/flowchart.html
"""

from __future__ import annotations

from mlci.report.flow_graph import FlowGraph, Node
from mlci.report.signs import STEP_COLOURS, STEP_SIGNS
from mlci.report.untrusted_text import mermaid_label


def mermaid(graph: FlowGraph) -> str:
    """Return the graph as Mermaid text."""
    lines = [
        "flowchart LR",
        *map(_node, graph.nodes),
        *(f"{edge.source} {'-. if .->' if edge.is_conditional else '-->'} {edge.target}" for edge in graph.edges),
        *(
            f"style {node.id} stroke:{STEP_COLOURS[node.status]},stroke-width:3px"
            for node in graph.nodes
            if node.status and node.status in STEP_COLOURS
        ),
    ]
    return "\n  ".join(lines) + "\n"


def _node(node: Node) -> str:
    label = mermaid_label(f"{STEP_SIGNS[node.status]} {node.label}" if node.status else node.label)
    detail = f"<br/><small>{node.detail}</small>" if node.detail else ""
    match node.kind:
        case "step":
            return f'{node.id}["{label}{detail}"]'
        case "data":
            return f'{node.id}[("{label}")]'
        case "gate":
            return f'{node.id}{{"{label}{detail}"}}'
