"""The keys of a step that name files: its inputs and outputs, its metrics, and what is sent along."""

from __future__ import annotations

from mlci.flow.invalid_value import InvalidValue
from mlci.flow.key_reader import KeyReader
from mlci.flow.metric_sources import build_definitions, build_metrics_files, is_read_in_place
from mlci.flow.models import BaselineOutput, MetricDefinition, MetricsFiles, RepositoryPath, Source, StepOutput
from mlci.flow.paths import repository_path, source
from mlci.flow.problems import listed
from mlci.flow.schema_models import InputModel
from mlci.flow.yaml_document import Path

#: Channel, https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Channel.html
_MAX_CONTENT_TYPE_CHARS = 256


class FileKeys(KeyReader):
    """The keys of one step that name files. What a type has no key for is empty."""

    def inputs(self) -> dict[str, Source]:
        """Return the sources that the step reads: those of `inputs`, and of keys that name one."""
        return {**self._named_inputs(), **self._sources()}

    def _sources(self) -> dict[str, Source]:
        found: dict[str, Source] = {}
        for key in self.step.step_type.keys if self.step.is_type_known else ():
            text = self.step.written(key.name) if key.kind == "source" else None
            source = self._source(text, self.path(key.name), key.name) if text is not None else None
            if source is None:
                continue
            found[key.name] = source
            if not isinstance(source, StepOutput | BaselineOutput):
                self.check_value(key, source.path if isinstance(source, RepositoryPath) else source.uri)
        return found

    def _named_inputs(self) -> dict[str, Source]:
        key, raw = self.step.key("inputs"), self.step.raw.get("inputs")
        if key is None:
            return {}
        if isinstance(raw, dict):
            self.check_count(key, len(raw), "inputs")
            for name in raw:
                self.check_name(key, name, self.path("inputs", name))
        sources = {
            name: self._source(value.source, self.path("inputs", name, "from"), name)
            if isinstance(value, InputModel)
            else self._source(value, self.path("inputs", name), name)
            for name, value in self.step.written("inputs").items()
        }
        return {name: found for name, found in sources.items() if found is not None}

    def sharded_inputs(self) -> frozenset[str]:
        """The inputs of which each instance gets a part."""
        written = self.step.written("inputs") if self.step.key("inputs") else {}
        names = [name for name, value in written.items() if isinstance(value, InputModel) and value.shard]
        for name in names if self.step.key("instance_count") is None else ():
            what = f'"shard" is for jobs with several instances, which {self.type_phrase} step does not have'
            self.problems.at_key(self.path("inputs", name, "shard"), what, "Remove it")
        return frozenset(names)

    def content_types(self) -> dict[str, str]:
        """Return the content types of channels, by input."""
        found = {}
        for name, value in (self.step.written("inputs") or {}).items():
            path = self.path("inputs", name, "content_type")
            if not isinstance(value, InputModel) or value.content_type is None or self.problems.is_suspect(path):
                continue
            container = self.step.step_type.container
            if container is None or container.archive is None:
                what = (
                    f"a channel of a training job has a content type, and an input of {self.type_phrase} job has none"
                )
                self.problems.at_key(path, what, "Remove it")
            elif len(value.content_type) > _MAX_CONTENT_TYPE_CHARS or not value.content_type.isprintable():
                self.problems.at(path, f'"{value.content_type[:80]}" is not a content type', "Such as text/csv")
            found[name] = value.content_type
        return found

    def _source(self, text: str, path: Path, name: str) -> Source | None:
        """Return the source that this input names; report a problem and return None if it names nothing."""
        parts = self.context.texts.get(path, (text,))
        if len(parts) == 1 and isinstance(parts[0], StepOutput):
            return parts[0]
        if len(parts) == 1 and isinstance(parts[0], BaselineOutput):
            self._check_baseline(path, name)
            return parts[0]
        if self.problems.is_suspect(path):
            return None
        if any(isinstance(part, StepOutput | BaselineOutput) for part in parts):
            hint = "Read the output whole"
            if self.step.key("args"):
                hint += ", and add the path in args: ${{ inputs.<name> }}/<path>"
            self.problems.at(path, f"{self._described(name)} adds a text to a reference", hint)
            return None
        try:
            return source(text)
        except InvalidValue as invalid:
            self.report(path, invalid)
            return None

    def _check_baseline(self, path: Path, name: str) -> None:
        """Reports an output of the baseline in a step whose script gets no folder: it can't see that there is none."""
        container = self.step.step_type.container
        if self.step.is_type_known and (container is None or container.passes_uris) and "inputs" in path:
            what = f"{self._described(name)} is an output of the baseline, which {self.type_phrase} step can't read"
            self.problems.at(
                path, what, "Steps whose jobs get their inputs as folders can: processing, training, tuning"
            )

    def _described(self, name: str) -> str:
        return f'input "{name}"' if self.step.step_type.input_path(name) != (name,) else f'"{name}"'

    def outputs(self) -> tuple[str, ...]:
        key, fixed = self.step.key("outputs"), self.step.step_type.outputs
        written = self.step.written("outputs") or []
        if key is None:
            return fixed or ()
        if fixed is not None:
            self._check_fixed_outputs(written, fixed)
            return fixed
        self.check_count(key, len(written), "outputs")
        names = list(written)
        for index, name in enumerate(names):
            path = self.path("outputs", name if isinstance(written, dict) else index)
            if self.problems.is_suspect(path):
                continue
            if name in names[:index]:
                self.problems.at(path, f'the output "{name}" is given twice', "Remove one")
            self.check_name(key, name, path)
        return tuple(names)

    def _check_fixed_outputs(self, written: list[str] | dict[str, str], fixed: tuple[str, ...]) -> None:
        """Reports outputs that the step's type does not have."""
        for index, name in enumerate(written):
            path = self.path("outputs", name if isinstance(written, dict) else index)
            if name not in fixed and not self.problems.is_suspect(path):
                what = f'"{name}" is no output of {self.type_phrase} step'
                self.problems.at_key(path, what, f'Its only output is "{listed(fixed)}"'.replace('""', '"'))

    def metrics(self) -> tuple[MetricsFiles, ...]:
        fixed = self.step.step_type.metrics_file
        if fixed is not None:
            return (MetricsFiles(fixed, "outputs"),)
        if self.step.key("metrics") is None or "metrics" not in self.step.raw:
            return ()
        outputs = self.context.steps[self.step.name].outputs
        return build_metrics_files(self.step.written("metrics"), self.path("metrics"), outputs, self.problems)

    def metric_definitions(self) -> tuple[MetricDefinition, ...]:
        key, path = self.step.key("metric_definitions"), self.path("metric_definitions")
        if key is None or key.name not in self.step.raw or self.problems.is_suspect(path):
            return ()
        definitions = [definition.model_dump() for definition in self.step.written(key.name)]
        return build_definitions(definitions, path, key, self.problems)

    def collects_metrics(
        self,
        files: tuple[MetricsFiles, ...],
        definitions: tuple[MetricDefinition, ...],
        outputs: tuple[str, ...],
        instance_count: int,
    ) -> bool:
        """True if one file of its metrics is written, by the job: to an output of mlci's own where outputs are files.

        Where the image starts by itself, SageMaker finds metrics in the log, and the state machine writes them. Of
        several instances, the first one's metrics count, and each may write the same file of an output.
        """
        if self.step.step_type.metrics_file is not None:
            return False
        if self.step.key("run") is not None and "run" not in self.step.raw:
            return self._finds_metrics(files, definitions)
        if not files and not definitions:
            return False
        container, request = self.step.step_type.container, self.step.written("request") or {}
        if container is not None and container.passes_uris:
            if not is_read_in_place(files, definitions):
                what = f'the metrics of step "{self.step.name}" are one JSON file in an output'
                self.problems.at(self.path("metrics"), what, "Write metrics: <output>/<file>.json")
            return False
        field = container.metrics_field if container else None
        if field is not None and field in request:
            hint = "Remove it, or write the metrics in a step that reads this one's output"
            what = f'{field} is how the metrics of step "{self.step.name}" get to S3'
            self.problems.at_key(self.path("request", field), what, hint)
        if self.step.step_type.outputs is not None:  # an archive
            return True
        if is_read_in_place(files, definitions) and instance_count == 1:
            return False
        key = self.step.key("outputs")
        if key is not None and key.max_items is not None and len(outputs) == key.max_items:
            what = f'step "{self.step.name}" has {len(outputs)} outputs, and its metrics need one more'
            at = self.path("metrics" if files else "metric_definitions")
            self.problems.at_key(at, what, f"AWS allows {key.max_items}")
        return True

    def _finds_metrics(self, files: tuple[MetricsFiles, ...], definitions: tuple[MetricDefinition, ...]) -> bool:
        if files and not is_read_in_place(files, definitions) and self.step.step_type.outputs is None:
            what = "without run, the image starts by itself, and only one JSON file in an output can be its metrics"
            if not self.problems.is_partly_suspect(self.path("metrics")):
                self.problems.at_key(self.path("metrics"), what, "Write metrics: <output>/<file>.json, or add run")
        return bool(definitions) or "algorithm" in self.step.raw

    def include(self) -> tuple[str, ...]:
        if self.step.key("include") is None:
            return ()
        written: list[tuple[str, Path]] = []
        written += [(glob, ("defaults", "include", index)) for index, glob in enumerate(self.default("include"))]
        written += [(glob, self.path("include", index)) for index, glob in enumerate(self.step.written("include"))]
        for glob, path in written:
            try:
                if not self.problems.is_suspect(path):
                    repository_path(glob)
            except InvalidValue as invalid:
                self.report(path, invalid)
        return tuple(dict.fromkeys(glob for glob, _ in written))

    def requirements(self) -> str | None:
        key = self.step.key("requirements")
        if key is None:
            return None
        written, path = self.effective(key)
        if written is None or self.problems.is_suspect(path):
            return None
        try:
            return repository_path(written)
        except InvalidValue as invalid:
            self.report(path, invalid)
            return None
