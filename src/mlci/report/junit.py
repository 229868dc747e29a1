"""junit.xml: a test case for each step and each rule, so that CodeBuild and GitHub show a run as a test report.

Source: https://docs.aws.amazon.com/codebuild/latest/userguide/test-reporting.html
"""

from __future__ import annotations

from xml.etree import ElementTree

from mlci.backends.progress import StepState
from mlci.gate import RuleVerdict
from mlci.report.formatting import step_note
from mlci.report.result import Result
from mlci.report.untrusted_text import xml_text


def junit(result: Result) -> str:
    """The run as a JUnit XML document: a suite of steps, a suite of rules."""
    flow = xml_text(result.flow)
    root = ElementTree.Element("testsuites", name=flow, time=f"{result.seconds:.3f}")
    steps = ElementTree.SubElement(root, "testsuite", name=f"{flow}.steps", timestamp=_timestamp(result))
    for name, step in result.steps.items():
        case = _case(steps, f"{flow}.steps", name, result.seconds_of(name))
        _add_outcome(case, step, result.log_tails.get(name))
    rules = ElementTree.SubElement(root, "testsuite", name=f"{flow}.gate", timestamp=_timestamp(result))
    for judged in result.rules:
        case = _case(rules, f"{flow}.gate", _rule_name(judged), 0)
        outcome, text = result.outcome_of(judged), result.text_of(judged)
        if outcome == "failed":
            _add(case, "failure", text, text)
        elif outcome in ("warned", "accepted", "not_judged"):
            _add(case, "skipped", text)  # CodeBuild shows no output of a test that passed
        else:
            ElementTree.SubElement(case, "system-out").text = xml_text(text)
    for suite in (steps, rules):
        for kind, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            suite.set(kind, str(sum(1 for _ in suite.iter(tag))))
    for kind in ("tests", "failures", "errors", "skipped"):
        root.set(kind, str(sum(int(suite.get(kind, "0")) for suite in (steps, rules))))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


def _rule_name(judged: RuleVerdict) -> str:
    """Return a name that no other rule's test has."""
    rule = judged.bound.rule
    group = f" ({rule.slice} = {judged.group})" if judged.group else ""
    origin = " of the base branch" if judged.bound.origin == "base" else ""
    return f"{rule.metric} {rule.op}{origin}{group}{'' if rule.level == 'block' else f', {rule.level}'}"


def _add_outcome(case: ElementTree.Element, step: StepState, log_tail: str | None) -> None:
    if step.status == "failed":
        body = "\n\n".join(part for part in (step.reason, log_tail) if part)
        _add(case, "failure", step.reason or "failed", body)
    elif step.status == "stopped":
        _add(case, "error", "stopped before it ended", step.reason or "")
    elif step.status == "skipped":
        _add(case, "skipped", step.reason or "did not run")
    elif step.status == "reused":
        ElementTree.SubElement(case, "system-out").text = xml_text(f"reused {step_note(step)}")
    elif step.decision:
        ElementTree.SubElement(case, "system-out").text = xml_text(str(step.decision))


def _case(suite: ElementTree.Element, classname: str, name: str, seconds: float) -> ElementTree.Element:
    return ElementTree.SubElement(
        suite, "testcase", classname=xml_text(classname), name=xml_text(name), time=f"{seconds:.3f}"
    )


def _add(case: ElementTree.Element, tag: str, message: str, body: str = "") -> None:
    ElementTree.SubElement(case, tag, message=xml_text(message)).text = xml_text(body) or None


def _timestamp(result: Result) -> str:
    return result.started.strftime("%Y-%m-%dT%H:%M:%S")
