"""report.html: the report as one page that needs nothing else. No request leaves it.

document.py   the page of a run, section by section
run_diff.py   that of two runs side by side
layout.py     the parts that both have
tables.py     tables that can be sorted
gate.py       the rules, each with its interval drawn
history.py    the gated metrics over the runs of the base branch
steps.py      the steps, with their status, time and cost
waterfall.py  the time of the run: its phases, its steps, and where their time went
graph.py      the flow as a picture
style.css     the looks: light, dark, phone and print
page.js       sorting, and folds that open for print
"""

from __future__ import annotations

from mlci.report.html.document import page

__all__ = ["page"]
