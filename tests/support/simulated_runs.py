"""Runs of processing steps on objects in memory: planned, reused and recorded by the real code, with made-up jobs.

A job writes what its request decides: a hash of its code, its arguments and the content of all that it reads.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, cast

from mlci.backends.progress import initial_progress
from mlci.backends.protocol import Cloud
from mlci.flow import load
from mlci.flow.models import Flow, RepositoryPath
from mlci.flow.names import written_name
from mlci.gate import Metrics
from mlci.plan import Plan, Target, plan
from mlci.records.reused_steps import find_reused, record_steps
from mlci.reuse.decisions import Decisions
from mlci.reuse.step_keys import step_keys
from mlci.stage.models import CodeUnit, DataUnit, Staged, StagedFile
from mlci.step_types.script_start import ScriptStart

_START = datetime(2026, 11, 23, 10, 0, tzinfo=timezone.utc)


@dataclass(frozen=True)
class SimulatedStep:
    """A processing step. `reads` are the places of the steps before it that it reads, and `cells` the number of its
    cells, 0 for no matrix. What a step makes that `is_random` differs from run to run."""

    name: str
    code: int = 0
    arg: int = 0
    instance: str = "ml.m5.large"
    reads: tuple[int, ...] = ()
    reads_data: bool = False
    cells: int = 0
    is_random: bool = False


@dataclass(frozen=True)
class SimulatedProject:
    """The steps of a flow in order, and the content of the one file of data."""

    steps: tuple[SimulatedStep, ...]
    data: int = 0

    def text(self) -> str:
        """Return flow.yaml."""
        return json.dumps({"flow": "simulated", "steps": {step.name: self._step(step) for step in self.steps}})

    def _step(self, step: SimulatedStep) -> dict[str, Any]:
        sources = {f"i{place}": f"${{{{ steps.{self.steps[place].name}.outputs.o }}}}" for place in step.reads}
        args: list[Any] = [step.arg, *(["${{ matrix.n }}"] if step.cells else [])]
        return {
            "uses": "processing",
            "run": "a.py",
            "image": "mine.example/image:7",
            "instance": step.instance,
            "args": args,
            "inputs": {**sources, **({"d": "d.csv"} if step.reads_data else {})},
            "outputs": ["o", "scores"],
            "metrics": "scores/metrics.json",
            **({"matrix": {"n": list(range(step.cells))}} if step.cells else {}),
        }

    def planned(self, target: Target, reused: Decisions | None = None) -> Plan:
        flow = _loaded(self.text())
        versions = {step.name: step.code for step in self.steps}
        code = {name: _unit(versions[written_name(name)]) for name in flow.steps}
        sources = (source for step in flow.steps.values() for source in step.inputs.values())
        data = {
            s.path: DataUnit(s.path, (_file("d.csv", self.data),), False)
            for s in sources
            if isinstance(s, RepositoryPath)
        }
        staged = Staged(code, data, dict.fromkeys(flow.steps, "mine.example/image:7"))
        return plan(flow, staged, target, reused=reused.results if reused else None)


@functools.lru_cache(maxsize=64)
def _loaded(text: str) -> Flow:
    return load(text.encode(), "flow.yaml", {}, {})


def _file(path: str, version: int) -> StagedFile:
    return StagedFile(path, digest(f"{path} {version}"), 1, Path(path), b"")


def _unit(version: int) -> CodeUnit:
    files = (_file("a.py", version),)
    return CodeUnit(ScriptStart({"script": "a.py"}), files, files)


def digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@dataclass
class SimulatedCloud:
    """Objects, and the runs that wrote them."""

    objects: dict[str, bytes] = field(default_factory=dict)
    runs: int = 0
    name: str = "local"
    role: str = ""

    def read(self, uri: str, max_bytes: int | None = None) -> bytes | None:
        return self.objects.get(uri)

    def list(self, prefix: str, most: int | None = None) -> list[str]:
        return sorted(uri for uri in self.objects if uri.startswith(prefix))[:most]

    def versions(self, prefix: str, most: int | None = None) -> dict[str, tuple[int, str]]:
        return {
            uri: (len(self.objects[uri]), hashlib.sha256(self.objects[uri]).hexdigest())
            for uri in self.list(prefix, most)
        }

    def replace(self, uri: str, data: bytes, tag: str | None) -> bool:
        return self.objects.setdefault(uri, data) is data

    def run(
        self,
        project: SimulatedProject,
        *,
        failing: Collection[str] = (),
        fresh: str = "",
        is_killed: bool = False,
    ) -> tuple[Plan, set[str]]:
        """Run a flow; return its plan, and the steps that have a result, of this run or of an earlier one.

        The step `fresh` is run in any case. What depends on a step of `failing` is not run. A run that `is_killed`
        leaves no records.
        """
        self.runs += 1
        now = _START + timedelta(minutes=self.runs)
        target = Target("bucket", "arn:aws:iam::000000000000:role/r", f"{now:%Y%m%d-%H%M%S}-{self.runs:06x}")
        first = project.planned(target)
        keys = step_keys(first)
        asked = {name: "--fresh" for name in first.steps if written_name(name) == fresh}
        decisions = find_reused(first, keys, asked, now, cast(Cloud, self))
        planned = project.planned(target, decisions)
        done = self._execute(project, planned, failing)
        progress = initial_progress(planned.steps).with_reused(planned.reused)
        steps = {
            name: replace(step, status="succeeded" if name in done else "failed") if step.status == "waiting" else step
            for name, step in progress.steps.items()
        }
        metrics = {name: Metrics({}) for name in done}
        if not is_killed:
            record_steps(
                planned, keys, replace(progress, steps=steps), metrics, now, cast(Cloud, self), lambda text: None
            )
        return planned, done

    def _execute(self, project: SimulatedProject, planned: Plan, failing: Collection[str]) -> set[str]:
        done: set[str] = set()
        by_name = {step.name: step for step in project.steps}
        for name, step in planned.steps.items():
            written = written_name(name)
            before = {project.steps[place].name for place in by_name[written].reads}
            if any(written_name(other) in before and other not in done for other in planned.steps):
                continue
            if step.reused_from is None:
                if written in failing:
                    continue
                salt = self.runs if by_name[written].is_random else 0
                self.write(step.outputs, {**self.made_of(planned, name), "salt": salt})
            done.add(name)
        return done

    def write(self, outputs: Mapping[str, str], document: Mapping[str, Any]) -> None:
        self.objects[f"{outputs['o']}a.json"] = json.dumps(document, sort_keys=True).encode()
        self.objects[f"{outputs['o']}deep/b.txt"] = digest(document).encode()
        self.objects[f"{outputs['scores']}metrics.json"] = json.dumps({"m": digest(document)}).encode()

    def made_of(self, planned: Plan, name: str) -> dict[str, Any]:
        """Return what decides the result of a step as its request has it: code, arguments, and what it reads now."""
        request: Any = planned.steps[name].request
        inputs = {each["InputName"]: each["S3Input"]["S3Uri"] for each in request["ProcessingInputs"]}
        return {
            "code": inputs.pop("code"),
            "args": request["AppSpecification"]["ContainerArguments"],
            "inputs": {key: self._content(uri) for key, uri in sorted(inputs.items())},
        }

    def _content(self, uri: str) -> Any:
        if "/data/" in uri:
            return uri
        return {each.removeprefix(uri): digest(self.objects[each].decode("latin-1")) for each in self.list(uri)}

    def result(self, planned: Plan, name: str) -> dict[str, bytes]:
        """Return the content of a step's outputs, by the output and the path in it."""
        return {
            f"{output}/{each.removeprefix(uri)}": self.objects[each]
            for output, uri in planned.steps[name].outputs.items()
            for each in self.list(uri)
        }
