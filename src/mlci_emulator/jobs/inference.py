"""What runs in the process of a transform job: the model's own inference script, over each file of the input.

It is started by its path, with whatever Python the scripts run with, so it imports the standard library only, and numpy
where a default handler needs it. `transform.py` writes its order, and reads what it leaves: `<name>.out` for each file
that went well, `types.json`, the types
of those, and `failure.json`, the first problem, where one did not. As on SageMaker a file that can't be
transformed leaves no output, fails the job, and does not keep the other files from being transformed.

Sources: sagemaker-inference-toolkit, transformer.py, default_inference_handler.py, decoder.py and encoder.py;
https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform.html and batch-transform-data-processing.html.
"""

from __future__ import annotations

import contextlib
import csv
import importlib.util
import inspect
import io
import json
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

CSV, JSON, JSON_LINES, NPY = "text/csv", "application/json", "application/jsonlines", "application/x-npy"
#: What is handed to `input_fn` as text; all else comes as bytes.
_TEXTS = (CSV, JSON)


class ClientError(Exception):
    """The request or its data are at fault, and not the script."""


def main(order_file: str) -> int:
    """Carry out the order; the exit code is 1 where something went wrong."""
    folder = Path(order_file).parent
    root = folder.parent
    order = json.loads(Path(order_file).read_text(encoding="utf-8"))
    types: dict[str, str] = {}
    try:
        handlers = Handlers(order, root)
    except Exception as error:  # noqa: BLE001 - the script is the user's, and may raise anything
        traceback.print_exc()
        _tell(folder, error)
        return 1
    is_well = True
    for name in order["inputs"]:
        try:
            output = b"".join(responses(handlers.transform, (folder / "input" / name).read_bytes(), order))
        except Exception as error:  # noqa: BLE001 - as above
            print(f"{name} could not be transformed:", file=sys.stderr)
            traceback.print_exc()
            if is_well:
                _tell(folder, error, name)
            is_well = False
            continue
        target = folder / "output" / f"{name}.out"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(output)
        types[name] = handlers.answered
    (folder / "types.json").write_text(json.dumps(types), encoding="utf-8")
    return 0 if is_well else 1


def _tell(folder: Path, error: Exception, name: str = "") -> None:
    kind = "ClientError" if isinstance(error, ClientError) else "AlgorithmError"
    text = f"{name}: {type(error).__name__}: {error}" if name else f"{type(error).__name__}: {error}"
    (folder / "failure.json").write_text(json.dumps([kind, text]), encoding="utf-8")


# --- The script ------------------------------------------------------------------------------------------------------


class Handlers:
    """The functions of the user's script, with the toolkit's own in the place of those that it lacks."""

    def __init__(self, order: dict[str, Any], root: Path) -> None:
        self._content_type, self._accept = order["content_type"], order["accept"]
        self._timeout_s = order["timeout_s"]
        self.answered: str = self._accept  # the type of the last answer
        script = _imported(root / order["code"] / order["program"])
        self._own = {name: getattr(script, f"{name}_fn", None) for name in ("transform", "input", "predict", "output")}
        if self._own["transform"] and any(self._own[name] for name in ("input", "predict", "output")):
            raise ValueError(
                "Cannot use transform_fn implementation in conjunction with input_fn, predict_fn, and/or output_fn "
                "implementation"
            )
        # The toolkit's, or those of the one container whose own need nothing but the model.
        if order["is_scikit_learn"]:
            self._input, self._predict, self._output = _floats, _predict, _rows
        else:
            self._input, self._predict, self._output = decoded, _no_predict_fn, encoded
        model_fn: Callable[..., Any] = getattr(script, "model_fn", _no_model_fn)
        self._model = _called(model_fn, str(root / "model"))

    def transform(self, data: bytes) -> bytes:
        """The script's answer to one payload."""
        given = data.decode("utf-8") if self._content_type in _TEXTS else data
        with _time_limit(self._timeout_s):
            if self._own["transform"]:
                result = _called(self._own["transform"], self._model, given, self._content_type, self._accept)
            else:
                value = _called(self._own["input"] or self._input, given, self._content_type)
                prediction = _called(self._own["predict"] or self._predict, value, self._model)
                result = _called(self._own["output"] or self._output, prediction, self._accept)
        body, self.answered = result if isinstance(result, tuple) else (result, self._accept)
        if isinstance(body, str):
            return body.encode("utf-8")
        if isinstance(body, (bytes, bytearray)):
            return bytes(body)
        raise TypeError(f"the script answered with {type(body).__name__}; a response is text or bytes")


def _imported(file: Path) -> ModuleType:
    sys.path[:0] = [str(file.parent), str(file.parent / "lib")]
    found = importlib.util.spec_from_file_location(file.stem, file)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[file.stem] = module
    found.loader.exec_module(module)
    return module


def _called(function: Callable[..., Any], *values: Any) -> Any:
    """A handler may take the server's context as one more argument; there is none here."""
    count = len(inspect.signature(function).parameters)
    return function(*values, None) if count == len(values) + 1 else function(*values)


@contextlib.contextmanager
def _time_limit(seconds: int) -> Iterator[None]:
    def over(*_: object) -> None:
        raise ClientError(f"the script took more than {seconds} seconds for one payload (InvocationsTimeoutInSeconds)")

    signal.signal(signal.SIGALRM, over)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def _no_model_fn(model_dir: str) -> Any:
    raise NotImplementedError("Please provide a model_fn implementation.")


def _no_predict_fn(data: Any, model: Any) -> Any:
    raise NotImplementedError("Please provide a predict_fn implementation.")


def decoded(data: Any, content_type: str) -> Any:
    """The toolkit's input_fn: an array, of data in one of its three types."""
    if content_type not in (CSV, JSON, NPY):
        raise ClientError(f"Content type {content_type} is not supported by this framework.")
    import numpy

    if content_type == CSV:
        return numpy.genfromtxt(io.StringIO(data), dtype=None, delimiter=",")
    return numpy.array(json.loads(data)) if content_type == JSON else numpy.load(io.BytesIO(data), allow_pickle=True)


def encoded(prediction: Any, accept: str) -> Any:
    """The toolkit's output_fn: data of one of its three types, of an array or what is like one."""
    if accept == JSON:
        return json.dumps(prediction, default=lambda value: value.tolist())
    if accept not in (CSV, NPY):
        raise ClientError(f"Content type {accept} is not supported by this framework.")
    import numpy

    if accept == CSV:
        text = io.StringIO()
        numpy.savetxt(text, prediction, delimiter=",", fmt="%s")
        return text.getvalue()
    data = io.BytesIO()
    numpy.save(data, prediction)
    return data.getvalue()


# What the scikit-learn container has in their place.
# Source: sagemaker-scikit-learn-container, serving.py; sagemaker-containers, _encoders.py


def _floats(data: Any, content_type: str) -> Any:
    if content_type != CSV:
        array = decoded(data, content_type)
        return array.astype("float32") if content_type == JSON else array
    import numpy

    return numpy.array(list(csv.reader(io.StringIO(data)))).squeeze().astype("float32")


def _predict(data: Any, model: Any) -> Any:
    return model.predict(data)


def _rows(prediction: Any, accept: str) -> Any:
    if accept != CSV:
        return encoded(prediction, accept)
    import numpy

    array = numpy.array(prediction)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(array.reshape(-1, 1) if array.ndim == 1 else array)
    return text.getvalue()


# --- Records ---------------------------------------------------------------------------------------------------------


def responses(transform: Callable[[bytes], bytes], data: bytes, order: dict[str, Any]) -> Iterator[bytes]:
    """What one file becomes, piece by piece."""
    filters = order["filters"]
    end = b"\n" if order["assemble"] == "Line" else b""
    for records in payloads(data, order["split"], order["strategy"], order["max_bytes"]):
        if filters is None:
            answer = transform(b"\n".join(records))
            yield answer if answer.endswith(end) else answer + end
            continue
        kept = [parsed(record, order["content_type"]) for record in records]
        given = [written(taken(filters["input"], value), order["content_type"]) for value in kept]
        answer = transform("\n".join(given).encode("utf-8"))
        texts = [answer.decode("utf-8")] if len(records) == 1 else answer.decode("utf-8").splitlines()
        if len(texts) != len(records):
            raise ClientError(f"{len(records)} records became {len(texts)}, so they can't be associated")
        for value, text in zip(kept, texts):  # noqa: B905 - Python 3.9 has no strict
            result = parsed(text.encode("utf-8"), order["accept"])
            if filters["joins"]:
                result = joined(value, result)
            yield written(taken(filters["output"], result), order["accept"]).encode("utf-8") + end


def payloads(data: bytes, split: str, strategy: str, max_bytes: int) -> Iterator[list[bytes]]:
    """The file's records in the groups that the script gets them in."""
    if split == "None":
        records = [data]
    else:
        records = [line[:-1] if line.endswith(b"\r") else line for line in data.split(b"\n")]
        if records[-1] == b"":
            records.pop()
    group: list[bytes] = []
    size = 0
    for record in records:
        if max_bytes and len(record) > max_bytes:
            raise ClientError(f"a record of {len(record)} bytes exceeds MaxPayloadInMB ({max_bytes} bytes)")
        if group and (strategy == "SingleRecord" or (max_bytes and size + 1 + len(record) > max_bytes)):
            yield group
            group, size = [], 0
        size += len(record) + (1 if group else 0)
        group.append(record)
    if group:
        yield group


def parsed(record: bytes, content_type: str) -> Any:
    """A record as JSON values; a row of a CSV file is a list of texts."""
    text = record.decode("utf-8")
    if content_type != CSV:
        return json.loads(text)
    return next(csv.reader([text.rstrip("\r\n")]), [])


def written(value: Any, content_type: str) -> str:
    if content_type != CSV:
        return json.dumps(value, separators=(",", ":"))
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(value if isinstance(value, list) else [value])
    return text.getvalue()


def joined(given: Any, result: Any) -> Any:
    """A record with its result."""
    if isinstance(given, list) and isinstance(result, list) and all(isinstance(item, str) for item in given):
        return given + result
    if isinstance(given, dict):
        return {**given, "SageMakerOutput": result}
    return {"SageMakerInput": given, "SageMakerOutput": result}


# --- JSONPath, as far as SageMaker has it -----------------------------------------------------------------------------

_NAMES = r"'[^']*'(?:\s*,\s*'[^']*')*"
_NUMBERS = r"-?\d+(?:\s*,\s*-?\d+)*"
_STEP = re.compile(
    rf"\.(?P<name>[A-Za-z_][\w-]*)|\.?\[(?P<names>{_NAMES})\]|\[(?P<numbers>{_NUMBERS})\]"
    r"|\[(?P<start>-?\d*):\]|(?P<all>\.\*|\[\*\])"
)


def steps(path: str) -> list[re.Match[str]] | None:
    """The parts of a path; None for one that is not known here.

    A slice with an end is not: SageMaker's page counts its last element in, and the library that it names doesn't.
    """
    found, at = [], 1
    if not path.startswith("$"):
        return None
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            return None
        found.append(step)
        at = step.end()
    return found


def taken(path: str, value: Any) -> Any:
    """What the path leads to.

    >>> taken("$[1:]", ["a", "b", "c"]), taken("$[0,-1]", ["a", "b", "c"])
    (['b', 'c'], ['a', 'c'])
    >>> taken("$['x','y']", {"x": 1, "y": 2, "z": 3})
    {'x': 1, 'y': 2}
    """
    for step in steps(path) or []:
        try:
            value = _below(step, value)
        except (KeyError, IndexError, TypeError) as error:
            raise ClientError(f"the JSONPath {path} leads nowhere in a record") from error
    return value


def _below(step: re.Match[str], value: Any) -> Any:
    if step["name"] is not None:
        return value[step["name"]]
    if step["all"] is not None:
        return list(value.values()) if isinstance(value, dict) else list(value)
    if step["names"] is not None:
        names = [name[1:-1] for name in re.findall(r"'[^']*'", step["names"])]
        return value[names[0]] if len(names) == 1 else {name: value[name] for name in names}
    if step["numbers"] is not None:
        numbers = [int(number) for number in step["numbers"].split(",")]
        return value[numbers[0]] if len(numbers) == 1 else [value[number] for number in numbers]
    return value[int(step["start"] or 0) :]


if __name__ == "__main__":
    code = main(sys.argv[1])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # threads that the script left must not keep the job
