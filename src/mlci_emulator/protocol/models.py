"""botocore's models of AWS's APIs: the one place that loads them, each when it is first needed.

Importing botocore takes a quarter of a second, and reading SageMaker's model alone 25 ms. A local run does neither: the
two operations that every run calls are in sagemaker_shapes.json (see sagemaker_shapes.py), and other models are read as
the JSON files that they are. botocore is imported for a `ServiceModel` only.

Source: botocore/data/<service>/<version>/service-2.json, and botocore.loaders for its layout.
"""

from __future__ import annotations

import functools
import gzip
import importlib.util
import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from botocore.model import ServiceModel

#: The operations whose input shapes are in the extract.
EXTRACTED = ("CreateProcessingJob", "CreateTrainingJob")
EXTRACT = Path(__file__).with_name("sagemaker_shapes.json")
_lock = threading.RLock()


class Shape(Protocol):
    """The part of botocore.model.Shape that validation and JSON need."""

    @property
    def name(self) -> str: ...
    @property
    def type_name(self) -> str: ...
    @property
    def is_document_type(self) -> bool:
        """Tell whether a structure takes any JSON; botocore's other shapes lack this attribute."""
        ...

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Constraints: `min`, `max`, `pattern`, `enum`."""
        ...

    @property
    def members(self) -> Mapping[str, Any]:
        """The shapes of a structure's members."""
        ...

    @property
    def required_members(self) -> Sequence[str]: ...
    @property
    def member(self) -> Any:
        """The shape of a list's items."""
        ...

    @property
    def key(self) -> Any: ...
    @property
    def value(self) -> Any: ...


class JsonShape:
    """A `Shape` over a model's JSON."""

    def __init__(self, name: str, shapes: Mapping[str, Mapping[str, Any]]) -> None:
        self.name, self.metadata, self._shapes = name, shapes[name], shapes
        self.type_name: str = self.metadata["type"]
        self.is_document_type = bool(self.metadata.get("document"))
        self.required_members: Sequence[str] = self.metadata.get("required", ())

    @functools.cached_property
    def members(self) -> Mapping[str, JsonShape]:
        return {name: self._shape(reference) for name, reference in self.metadata.get("members", {}).items()}

    @functools.cached_property
    def member(self) -> JsonShape:
        return self._shape(self.metadata["member"])

    @functools.cached_property
    def key(self) -> JsonShape:
        return self._shape(self.metadata["key"])

    @functools.cached_property
    def value(self) -> JsonShape:
        return self._shape(self.metadata["value"])

    def _shape(self, reference: Mapping[str, str]) -> JsonShape:
        return JsonShape(reference["shape"], self._shapes)


def input_shape(service: str, operation: str) -> JsonShape:
    """Return the shape of an operation's input, without importing botocore.

    Raises: KeyError: the service has no such operation.
    """
    if service == "sagemaker" and operation in EXTRACTED:
        return JsonShape(f"{operation}Request", _extract())
    return _shape(service, operation, "input")


def output_shape(service: str, operation: str) -> JsonShape:
    """Return the shape of an operation's output, without importing botocore.

    Raises: KeyError: the service has no such operation.
    """
    return _shape(service, operation, "output")


def service_model(service: str) -> ServiceModel:
    """Return botocore's model of a service."""
    with _lock:  # so that several first requests read the model once
        return _service_model(service)


@functools.cache
def model_data(service: str) -> Mapping[str, Any]:
    """Return a model as it is in botocore's newest file of the service, with botocore's own additions."""
    folder = max(path.parent for path in (_data_folder() / service).glob("*/service-2.json*"))
    model: dict[str, Any] = _read(folder / "service-2.json")
    for path in sorted(folder.glob("service-2.*-extras.json*")):
        _merge(model, _read(path.with_name(path.name.removesuffix(".gz"))).get("merge", {}))
    return model


@functools.cache
def service_names() -> frozenset[str]:
    """Return the names that botocore has for services."""
    return frozenset(path.parent.parent.name for path in _data_folder().glob("*/*/service-2.json*"))


@functools.cache
def _service_model(service: str) -> ServiceModel:
    from botocore.model import ServiceModel

    return ServiceModel(model_data(service), service)


def _shape(service: str, operation: str, direction: str) -> JsonShape:
    model = model_data(service)
    return JsonShape(model["operations"][operation][direction]["shape"], model["shapes"])


@functools.cache
def _extract() -> Mapping[str, Mapping[str, Any]]:
    shapes: Mapping[str, Mapping[str, Any]] = json.loads(EXTRACT.read_text(encoding="utf-8"))
    return shapes


@functools.cache
def _data_folder() -> Path:
    botocore = importlib.util.find_spec("botocore")
    assert botocore is not None
    assert botocore.submodule_search_locations is not None
    return Path(botocore.submodule_search_locations[0]) / "data"


def _read(path: Path) -> dict[str, Any]:
    packed = path.with_name(f"{path.name}.gz")
    content: dict[str, Any] = json.loads(gzip.decompress(packed.read_bytes()) if packed.exists() else path.read_bytes())
    return content


def _merge(base: dict[str, Any], additions: Mapping[str, Any]) -> None:
    for name, value in additions.items():
        if isinstance(value, dict) and isinstance(base.get(name), dict):
            _merge(base[name], value)
        else:
            base[name] = value
