"""Runs as the process of a transform job: calls the model's own inference script with the records of each input file.

The project's interpreter starts this file by path, so it stays one file, and imports the standard library only, and
numpy where a default handler needs it. `transform.py` writes its request, and reads its results: `<name>.out` for each
transformed file, their content types in `types.json`, and the first failure in `failure.json`. As on SageMaker, a file
that can't be transformed has no output and fails the job; the other files are still transformed.

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
#: The types that `input_fn` gets as text; it gets all others as bytes.
_TEXT_TYPES = (CSV, JSON)


class ClientError(Exception):
    """The request or its data are wrong, and not the script."""


def main(request_file: str) -> int:
    """Transform all files of the request, and return the exit code: 1 if one failed."""
    folder = Path(request_file).parent
    root = folder.parent
    request = json.loads(Path(request_file).read_text(encoding="utf-8"))
    types: dict[str, str] = {}
    try:
        handlers = Handlers(request, root)
    except Exception as error:  # noqa: BLE001 - the script is the user's, and may raise anything
        traceback.print_exc()
        write_failure(folder, error)
        return 1
    is_successful = True
    for name in request["inputs"]:
        try:
            output = b"".join(responses(handlers.transform, (folder / "input" / name).read_bytes(), request))
        except Exception as error:  # noqa: BLE001 - as before
            print(f"{name} could not be transformed:", file=sys.stderr)
            traceback.print_exc()
            if is_successful:
                write_failure(folder, error, name)
            is_successful = False
            continue
        target = folder / "output" / f"{name}.out"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(output)
        types[name] = handlers.content_type
    (folder / "types.json").write_text(json.dumps(types), encoding="utf-8")
    return 0 if is_successful else 1


def write_failure(folder: Path, error: Exception, name: str = "") -> None:
    """Write the kind and the text of a failure to the file that the emulator reads."""
    kind = "ClientError" if isinstance(error, ClientError) else "AlgorithmError"
    text = f"{name}: {type(error).__name__}: {error}" if name else f"{type(error).__name__}: {error}"
    (folder / "failure.json").write_text(json.dumps([kind, text]), encoding="utf-8")


# --- The script ------------------------------------------------------------------------------------------------------


class Handlers:
    """The functions of the user's script; the toolkit's default handlers replace those that it lacks."""

    def __init__(self, request: dict[str, Any], root: Path) -> None:
        self._content_type, self._accept = request["content_type"], request["accept"]
        self._timeout_s = request["timeout_s"]
        self.content_type: str = self._accept  # of the last response
        own = _xgboost_handlers() if request["toolkit"] == "xgboost" else None
        program = request["program"]
        script = own if program is None else _import_script(root / request["code"] / program)
        self._script_functions = {
            name: getattr(script, f"{name}_fn", None) for name in ("transform", "input", "predict", "output")
        }
        if self._script_functions["transform"] and any(
            self._script_functions[name] for name in ("input", "predict", "output")
        ):
            raise ValueError(
                "Cannot use transform_fn implementation in conjunction with input_fn, predict_fn, and/or output_fn "
                "implementation"
            )
        # The default handlers of the toolkit, or of two containers, which only need the model.
        if request["toolkit"] == "scikit-learn":
            self._input, self._predict, self._output = _sklearn_input, _sklearn_predict, _sklearn_output
        elif own is not None:
            self._input, self._predict, self._output = own.input_fn, own.predict_fn, _sklearn_output
        else:
            self._input, self._predict, self._output = decode, _no_predict_fn, encode
        model_fn: Callable[..., Any] = getattr(script, "model_fn", _no_model_fn)
        self._model = _call_handler(model_fn, str(root / "model"))

    def transform(self, data: bytes, content_type: str | None = None, accept: str | None = None) -> bytes:
        """Return the script's response to one payload, whose types are those of the request by default."""
        content_type, accept = content_type or self._content_type, accept or self._accept
        payload = data.decode("utf-8") if content_type in _TEXT_TYPES else data
        with _time_limit(self._timeout_s):
            if self._script_functions["transform"]:
                result = _call_handler(self._script_functions["transform"], self._model, payload, content_type, accept)
            else:
                value = _call_handler(self._script_functions["input"] or self._input, payload, content_type)
                prediction = _call_handler(self._script_functions["predict"] or self._predict, value, self._model)
                result = _call_handler(self._script_functions["output"] or self._output, prediction, accept)
        body, self.content_type = result if isinstance(result, tuple) else (result, accept)
        if isinstance(body, str):
            return body.encode("utf-8")
        if isinstance(body, (bytes, bytearray)):
            return bytes(body)
        raise TypeError(f"the script answered with {type(body).__name__}; a response is text or bytes")


def _xgboost_handlers() -> ModuleType:
    """Return xgboost_serving.py, which lies beside this file."""
    spec = importlib.util.spec_from_file_location(
        "mlci_xgboost_serving", Path(__file__).with_name("xgboost_serving.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.__dict__["UnusableContent"] = ClientError
    return module


def _import_script(file: Path) -> ModuleType:
    sys.path[:0] = [str(file.parent), str(file.parent / "lib")]
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    return module


def _call_handler(function: Callable[..., Any], *values: Any) -> Any:
    """Call a handler, which may take the server's context as one more argument; there is no server here."""
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


def decode(data: Any, content_type: str) -> Any:
    """Return an array from data in one of three types, as the toolkit's default input_fn does."""
    if content_type not in (CSV, JSON, NPY):
        raise ClientError(f"Content type {content_type} is not supported by this framework.")
    import numpy

    if content_type == CSV:
        return numpy.genfromtxt(io.StringIO(data), dtype=None, delimiter=",")
    return numpy.array(json.loads(data)) if content_type == JSON else numpy.load(io.BytesIO(data), allow_pickle=True)


def encode(prediction: Any, accept: str) -> Any:
    """Return an array (or a list) as data in one of three types, as the toolkit's default output_fn does."""
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


# The default handlers of the scikit-learn container.
# Source: sagemaker-scikit-learn-container, serving.py; sagemaker-containers, _encoders.py


def _sklearn_input(data: Any, content_type: str) -> Any:
    if content_type != CSV:
        array = decode(data, content_type)
        return array.astype("float32") if content_type == JSON else array
    import numpy

    return numpy.array(list(csv.reader(io.StringIO(data)))).squeeze().astype("float32")


def _sklearn_predict(data: Any, model: Any) -> Any:
    return model.predict(data)


def _sklearn_output(prediction: Any, accept: str) -> Any:
    if accept != CSV:
        return encode(prediction, accept)
    import numpy

    array = numpy.array(prediction)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(array.reshape(-1, 1) if array.ndim == 1 else array)
    return text.getvalue()


# --- Records ---------------------------------------------------------------------------------------------------------


def responses(transform: Callable[[bytes], bytes], data: bytes, request: dict[str, Any]) -> Iterator[bytes]:
    """Yield the output for one file, piece by piece."""
    filters = request["filters"]
    end = b"\n" if request["assemble"] == "Line" else b""
    for records in payloads(data, request["split"], request["strategy"], request["max_bytes"]):
        if filters is None:
            response = transform(b"\n".join(records))
            yield response if response.endswith(end) else response + end
            continue
        inputs = [parse_record(record, request["content_type"]) for record in records]
        texts = [format_record(select(filters["input"], value), request["content_type"]) for value in inputs]
        response = transform("\n".join(texts).encode("utf-8"))
        texts = [response.decode("utf-8")] if len(records) == 1 else response.decode("utf-8").splitlines()
        if len(texts) != len(records):
            raise ClientError(f"{len(records)} records became {len(texts)}, so they can't be associated")
        for value, text in zip(inputs, texts):  # noqa: B905 - Python 3.9 has no strict
            result = parse_record(text.encode("utf-8"), request["accept"])
            if filters["joins"]:
                result = join_record(value, result)
            yield format_record(select(filters["output"], result), request["accept"]).encode("utf-8") + end


def payloads(data: bytes, split: str, strategy: str, max_bytes: int) -> Iterator[list[bytes]]:
    """Yield the file's records in groups, each of which the script gets as one payload."""
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


def parse_record(record: bytes, content_type: str) -> Any:
    """Return a record as JSON values; a row of a CSV file is a list of texts."""
    text = record.decode("utf-8")
    if content_type != CSV:
        return json.loads(text)
    return next(csv.reader([text.rstrip("\r\n")]), [])


def format_record(value: Any, content_type: str) -> str:
    if content_type != CSV:
        return json.dumps(value, separators=(",", ":"))
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(value if isinstance(value, list) else [value])
    return text.getvalue()


def join_record(record: Any, result: Any) -> Any:
    """Return a record joined with its result."""
    if isinstance(record, list) and isinstance(result, list) and all(isinstance(item, str) for item in record):
        return record + result
    if isinstance(record, dict):
        return {**record, "SageMakerOutput": result}
    return {"SageMakerInput": record, "SageMakerOutput": result}


# --- JSONPath, as far as SageMaker supports it -----------------------------------------------------------------------

_NAMES = r"'[^']*'(?:\s*,\s*'[^']*')*"
_NUMBERS = r"-?\d+(?:\s*,\s*-?\d+)*"
_STEP = re.compile(
    rf"\.(?P<name>[A-Za-z_][\w-]*)|\.?\[(?P<names>{_NAMES})\]|\[(?P<numbers>{_NUMBERS})\]"
    r"|\[(?P<start>-?\d*):\]|(?P<all>\.\*|\[\*\])"
)


def path_steps(path: str) -> list[re.Match[str]] | None:
    """Return the steps of a path; None if the path is not supported here.

    A slice with an end is not supported: SageMaker's page includes its last element, and the library that it names
    does not.
    """
    steps, at = [], 1
    if not path.startswith("$"):
        return None
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            return None
        steps.append(step)
        at = step.end()
    return steps


def select(path: str, value: Any) -> Any:
    """Return the part of a record that the path selects.

    >>> select("$[1:]", ["a", "b", "c"]), select("$[0,-1]", ["a", "b", "c"])
    (['b', 'c'], ['a', 'c'])
    >>> select("$['x','y']", {"x": 1, "y": 2, "z": 3})
    {'x': 1, 'y': 2}
    """
    for step in path_steps(path) or []:
        try:
            value = _step_value(step, value)
        except (KeyError, IndexError, TypeError) as error:
            raise ClientError(f"the JSONPath {path} leads nowhere in a record") from error
    return value


def _step_value(step: re.Match[str], value: Any) -> Any:
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
    os._exit(code)  # does not wait for threads that the script left
