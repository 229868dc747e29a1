"""The key of a step that says which results of earlier runs it takes."""

from __future__ import annotations

from mlci.flow.durations import parse_duration
from mlci.flow.invalid_value import InvalidValue
from mlci.flow.key_reader import KeyReader
from mlci.flow.models import Reuse
from mlci.flow.schema_models import ReuseModel
from mlci.flow.yaml_document import Path


class ReuseKeys(KeyReader):
    """The key `reuse` of one step. Without one, results of any age are taken."""

    def reuse(self) -> Reuse:
        key = self.step.key("reuse")
        if key is None:
            return Reuse()
        value, path = self.effective(key)
        if not isinstance(value, ReuseModel):
            return Reuse(is_allowed=value is not False)
        return Reuse(max_age_s=self._max_age_s(value.max_age, (*path, "max_age")))

    def _max_age_s(self, written: str, path: Path) -> int | None:
        if self.problems.is_partly_suspect(path):
            return None
        try:
            seconds = parse_duration(written)
        except InvalidValue as invalid:
            self.report(path, invalid)
            return None
        if seconds < 1:
            self.problems.at(path, '"max_age" must be at least 1s', "To run the step each time, write reuse: false")
        return seconds
