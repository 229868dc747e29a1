"""Result → what people and machines read: the console and the files of a run's folder.

    result.py          the result of a run, and result.json
    run_phases.py      the phases of a run
    formatting.py      headlines, durations and figures
    signs.py           signs and colours of steps and rules
    untrusted_text.py  text from outside, made safe for each medium
    log_tail.py        the end of a failed step's log, without what its reason says
    log_lines.py       the lines of a job's log
    estimate.py        the time that is left of a run
    heartbeat.py       the sign of life of a run in a build log
    console.py         the progress of a run, its summary, and tables
    markdown.py        report.md
    headline.py        a run in one sentence
    links.py           the addresses around a run
    failure_line.py    the line of a failure that says what went wrong
    next_commands.py   the commands that a reader types next
    html/              report.html
    plots/             the plots of a report
    junit.py           junit.xml
    flow_graph.py      the flow as a graph
    mermaid.py         the graph as Mermaid text
    metrics_table.py   the numbers in metrics files, by name
    run_list.py        earlier runs, for `mlci list` and `mlci show`
    value_changes.py   the metrics and params of two runs
    case_changes.py    the cases of two runs that flipped, or whose error moved
    run_diff.py        two runs side by side, for `mlci diff`
    metric_history.py  a metric over the runs of the base branch, for `mlci history`
    baseline_list.py   baselines, for `mlci baseline`
    model_list.py      registered models, for `mlci models`
    leftover_table.py  the rows of `mlci clean`
    gc_table.py        what `mlci gc` deletes
    plan_preview.py    a plan, for `mlci plan`
    staged_files.py    the files that a plan stages for each step
    warm_pool_lines.py  the warm pools of a plan
    reused_steps.py    the steps that a plan reuses, and why the others run
    baseline_changes.py  what has changed since the run of the baseline
    key_changes.py     the changes of steps since earlier runs, for `mlci plan --why`
    plan_json.py       a plan, a validation and settings, for other programs
    noise_table.py     the noise of metrics, for `mlci noise`
    notes.py           notes on a valid flow, as lines and as JSON
    stack_report.py    a stack and its changes, for `mlci bootstrap`

A report is a pure function: a result in, a text out. Text from outside passes through `untrusted_text`.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlci.report.result import Result

#: Each report by its file in the run's folder: the module and the function that renders a Result. Whoever waits for
#: result.json finds the others, because it is the last.
REPORTS = (
    ("report.md", "mlci.report.markdown", "markdown"),
    ("report.html", "mlci.report.html", "page"),
    ("junit.xml", "mlci.report.junit", "junit"),
    ("result.json", "mlci.report.result", "result_json"),
)


def render_reports(result: Result) -> Iterator[tuple[str, str]]:
    """Yields the file name and the text of each report."""
    for name, module, function in REPORTS:
        yield name, getattr(importlib.import_module(module), function)(result)
