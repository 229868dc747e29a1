"""One step of the flow, from how it is written, with the checks of what AWS would refuse."""

from __future__ import annotations

from mlci.flow.conditions import build_if
from mlci.flow.dependencies import GATE
from mlci.flow.file_keys import FileKeys
from mlci.flow.file_name_keys import FileNameKeys
from mlci.flow.key_reader import KeyReader
from mlci.flow.machine_keys import MachineKeys
from mlci.flow.models import Condition, Rule, Step
from mlci.flow.problems import listed
from mlci.flow.reference_check import check_step
from mlci.flow.request_keys import RequestKeys
from mlci.flow.reuse_keys import ReuseKeys
from mlci.flow.script_keys import ScriptKeys
from mlci.flow.secret_variables import split_variables
from mlci.flow.selections import build_selections
from mlci.flow.validation_messages import meant_key
from mlci.flow.value_keys import ValueKeys
from mlci.flow.written_step import StepContext, WrittenStep
from mlci.step_types import owners_of


def build_step(step: WrittenStep, context: StepContext) -> Step:
    """Return the step. A wrong value is reported, and a stand-in takes its place."""
    return _StepBuilder(step, context).built()


class _StepBuilder(KeyReader):
    def built(self) -> Step:
        self._check_keys()
        self._check_max_parallel()
        script, machine = ScriptKeys(self.step, self.context), MachineKeys(self.step, self.context)
        files, values = FileKeys(self.step, self.context), ValueKeys(self.step, self.context)
        requests, timeout_s = RequestKeys(self.step, self.context), machine.timeout_s()
        instance_count = machine.instance_count()
        request = {} if self.step.runs_on_build else requests.request(timeout_s)
        env, secrets = split_variables(self.step, values.env(), request, requests.place, self.problems)
        source_folder, working_dir = script.folders()
        input_paths, output_paths = script.paths()
        when, conditions = self._when()
        outputs, metrics, metric_definitions = files.outputs(), files.metrics(), files.metric_definitions()
        inputs, named = files.inputs(), FileNameKeys(self.step, self.context)
        self._check_together()
        return Step(
            name=str(self.path()[1]),
            uses=self.uses,
            run=script.run(),
            source=source_folder,
            working_dir=working_dir,
            image=machine.image(),
            instance=machine.instance(),
            instance_count=instance_count,
            volume_gb=machine.volume_gb(),
            timeout_s=timeout_s,
            inputs=inputs,
            content_types=files.content_types(),
            outputs=outputs,
            selections=build_selections(self.step, self.context),
            sharded_inputs=files.sharded_inputs(),
            input_paths=input_paths,
            output_paths=output_paths,
            args=values.args(),
            hyperparameters=values.hyperparameters(),
            env=env,
            secrets=secrets,
            include=files.include(),
            requirements=files.requirements(),
            when=when,
            conditions=conditions,
            cell=self.step.cell,
            fail_fast=self._fail_fast(),
            after=self._after(),
            is_after_gate=GATE in self._after_written(),
            metrics=metrics,
            metric_definitions=metric_definitions,
            collects_metrics=files.collects_metrics(metrics, metric_definitions, outputs, instance_count),
            keeps_checkpoints=requests.keeps_checkpoints(),
            request=request,
            further_requests=requests.further_requests(),
            values=values.values(),
            runs_on="build" if self.step.runs_on_build else "",
            reuse=ReuseKeys(self.step, self.context).reuse(),
            cases=named.cases(outputs),
            trained_on=named.trained_on(outputs, tuple(inputs)),
            plots=named.plots(outputs),
        )

    def _check_keys(self) -> None:
        """Reports the keys that belong to other types."""
        step_type = self.step.step_type
        for key in self.step.raw if self.step.is_type_known else ():
            owners = owners_of(key)
            if not owners or self.uses in owners:
                continue
            own = listed([each.name for each in step_type.keys])
            hint = step_type.hints.get(key, f"{self.type_phrase.capitalize()} step takes {own}")
            kinds = f"{', '.join(owners[:-1])} and {owners[-1]}" if len(owners) > 1 else owners[0]
            what = f'"{key}" is for {kinds} steps, and "{self.step.name}" is '
            self.problems.at_key(self.path(key), f"{what}{self.type_phrase} step", hint)
            self.problems.suspect(self.path(key))

    def _check_together(self) -> None:
        """Report what can't stand together in a step, or what it lacks as a whole."""
        if not self.step.is_type_known:
            return
        defaults = self.context.document.value.get("defaults")
        for key in self.step.step_type.keys:
            if key.step_problems is None:
                continue
            for rest, what, hint in key.step_problems(self.step.raw, defaults if isinstance(defaults, dict) else {}):
                path = self.path(*rest)
                if not rest:
                    if not self._is_misspelt(key.name):
                        self.problems.at_key(path, f'step "{self.step.name}" {what}', hint)
                elif not self.problems.is_suspect(path):
                    self.problems.at_key(path, f'step "{self.step.name}": {what}', hint)

    def _is_misspelt(self, key: str) -> bool:
        """Return True if an unknown key of the step was probably meant to be this one."""
        return any(
            meant_key(self.path(written)) == key
            for written in self.step.raw
            if self.problems.is_suspect(self.path(written))
        )

    def _check_max_parallel(self) -> None:
        path = self.path("max_parallel")
        if "max_parallel" in self.step.raw and "matrix" not in self.step.raw and not self.problems.is_suspect(path):
            what = f'"max_parallel" limits the cells of a matrix, and step "{self.step.name}" has none'
            self.problems.at_key(path, what, "Remove it, or give the step a matrix")

    def _fail_fast(self) -> bool:
        written = [self.step.written("fail_fast"), self.default("fail_fast")]
        return next((value for value in written if value is not None), True)

    def _when(self) -> tuple[tuple[Rule, ...], tuple[Condition, ...]]:
        if "if" not in self.step.raw:
            return (), ()
        reader = f'"if" of step "{self.step.name}"'
        written, steps = self.step.raw["if"], self.context.steps
        rules, conditions = build_if(written, self.path("if"), reader, steps, self.problems)
        for rule in rules:
            if rule.step == self.step.name and not self.problems.is_partly_suspect(self.path("if")):
                what = f"{reader} reads the metrics of the step itself, which are not there before it runs"
                self.problems.at(self.path("if"), what)
        return rules, conditions

    def _after_written(self) -> list[str]:
        after: str | list[str] = self.step.written("after")
        return [after] if isinstance(after, str) else after

    def _after(self) -> tuple[str, ...]:
        is_list = isinstance(self.step.written("after"), list)
        found = []
        for index, name in enumerate(self._after_written()):
            path = self.path("after", index) if is_list else self.path("after")
            if self.problems.is_suspect(path):
                continue
            if name == GATE:
                if not self.context.has_gate:
                    what = f'step "{self.step.name}" runs after the gate, and the flow has none'
                    self.problems.at(path, what, 'Add "gate" with at least one rule')
            elif name == self.step.name:
                self.problems.at(path, f'step "{name}" runs after itself')
            elif check_step(path, None, name, f'step "{self.step.name}" runs after', self.context.steps, self.problems):
                found.append(name)
        return tuple(dict.fromkeys(found))
