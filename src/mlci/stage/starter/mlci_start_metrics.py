"""Collects a step's metrics when its script has succeeded: from files, and from the lines of its output.

All go into one file, `metrics.json`, which the state machine and mlci read. It holds one JSON object with the numbers
as they are written, or a text that says why there are no metrics. Such a text misses every rule, and the job succeeds.
"""

import glob
import itertools
import json
import os
import re
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Pattern, Tuple

    from mlci.stage.starter.mlci_start import ScriptJob

FILE = "metrics.json"
#: What the state machine can read beside the rest of its data, and the depth that reports can follow.
MAX_BYTES, MAX_DEPTH = 65536, 100
#: A metrics file with more than this is not read.
_MAX_FILE_BYTES = 1 << 20
#: The folders, and files of each, that are looked at where a file is missing; and the files that are shown.
_MAX_LISTED, _MAX_SHOWN = 1000, 8
#: A longer line of the output is matched up to here.
_MAX_LINE_CHARS = 1 << 16
_SUFFIXES = (".json", ".yaml", ".yml", ".csv", ".tsv")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")


class MetricsProblem(Exception):
    """There are no metrics; the text says why, as in "the metrics are <text>"."""


class Number(str):
    """A number as JSON writes it. It keeps digits that a float loses."""


def prepare(value: "Dict[str, Any]", job: "ScriptJob") -> None:
    """Have the metrics collected when the script has succeeded; of several instances, those of the first.

    `files` is a list of Files, `definitions` one of names and regular expressions, and `target` the folder of the
    result, relative to the code's.
    """
    if not job.is_first_host():
        return
    target = os.path.normpath(os.path.join(job.folder, value["target"]))
    files = [Files(entry, job) for entry in value.get("files", [])]
    lines = Lines(value.get("definitions", []))
    if lines.patterns:
        job.filters.append(lines.read)
    job.after.append(lambda: write(target, files, lines))


def write(target: str, files: "List[Files]", lines: "Lines") -> None:
    """Write the file with all metrics, or with the reason why there are none."""
    try:
        content = dumps(collected(files, lines))
    except MetricsProblem as problem:
        sys.stderr.write("mlci: the metrics are {}\n".format(problem))
        content = dumps(str(problem)[:2000])
    try:
        os.makedirs(target, exist_ok=True)
        with open(os.path.join(target, FILE), "wb") as stream:
            stream.write(content)
    except OSError as error:
        sys.exit("mlci: the metrics can't be written to {}: {}".format(target, error.strerror))


def collected(files: "List[Files]", lines: "Lines") -> "Any":
    """Return the metrics of all files and lines as one value."""
    sources = [source for each in files for source in each.read()]
    if len(sources) == 1 and isinstance(sources[0][1], list) and not lines.patterns:
        return sources[0][1]
    merged: Dict[str, Any] = {}
    origins: Dict[str, str] = {}
    for shown, value in [*sources, ("the output", lines.values)]:
        if not isinstance(value, dict):
            raise MetricsProblem("unreadable: {} holds no object (names with values) on top".format(shown))
        for key, item in value.items():
            if key not in merged:
                merged[key], origins[key] = item, shown
            elif isinstance(merged[key], Named) and isinstance(item, Named):
                merge_named(key, merged[key], item)
            else:
                raise MetricsProblem(ambiguous(key, origins[key], shown))
    return merged


class Named(dict):  # type: ignore[type-arg]
    """The metrics of files that the flow gives a name; `shown` are these files."""

    shown = ""


def merge_named(name: str, target: "Named", other: "Named") -> None:
    """Add the metrics of a second file to those under a name."""
    for key, item in other.items():
        if key in target:
            raise MetricsProblem(ambiguous("{}.{}".format(name, key), target.shown, other.shown))
        target[key] = item


def ambiguous(key: str, one: str, other: str) -> str:
    """Return the problem of a key that two sources have."""
    cure = "Give each a name of its own, as in metrics: {train: train.json, test: test.json}"
    return 'ambiguous: "{}" is in {} and in {}. {}'.format(key[:80], one, other, cure)


class Files:
    """The files that one path or glob of the flow means.

    `pattern` is relative to the script's working folder; or else to `root`, which is relative to the code's. `prefix`
    is what the flow has before it, and `name` the key that their metrics stand under.
    """

    def __init__(self, entry: "Dict[str, str]", job: "ScriptJob") -> None:
        base = os.path.join(job.folder, entry["root"]) if "root" in entry else job.working_dir
        self.top = os.path.normpath(base)
        self.pattern, self.prefix, self.name = entry["pattern"], entry.get("prefix", ""), entry.get("name", "")
        #: What came with the code, or an input, is none of the script's metrics.
        self.before = {path: version(path) for path in self.matches()}

    def matches(self) -> "List[str]":
        """Return the files, sorted."""
        path = os.path.normpath(os.path.join(self.top, self.pattern))
        if os.path.isfile(path):
            return [path]
        found = glob.glob(os.path.join(glob.escape(self.top), self.pattern), recursive=True)
        files = sorted(os.path.normpath(each) for each in found if os.path.isfile(each))
        return [file for file in files if not os.path.basename(file).startswith("mlci_start")]

    def shown(self, path: str) -> str:
        """Return a path as the flow would write it."""
        return self.prefix + os.path.relpath(path, self.top)

    def read(self) -> "Iterator[Tuple[str, Any]]":
        """Yield each file that the script wrote, and its metrics."""
        matches = self.matches()
        written = [path for path in matches if version(path) != self.before.get(path)]
        if matches and not written:
            what = "missing: the script did not write {}; a file of that name came with its code"
            raise MetricsProblem(what.format(self.shown(matches[0])))
        if not written:
            raise MetricsProblem(self.missing())
        for path in written:
            shown = self.shown(path)
            value = read_file(path, shown)
            if not self.name:
                yield shown, value
            elif isinstance(value, dict):
                named = Named(value)
                named.shown = shown
                yield shown, {self.name: named}
            else:
                yield shown, {self.name: value}

    def missing(self) -> str:
        """Return the problem of a file that is not there: the nearest, and those that are."""
        folder = os.path.dirname(self.pattern)
        while folder and not os.path.isdir(os.path.join(self.top, folder)):
            folder = os.path.dirname(folder)
        names = [self.prefix + name for name in listed(self.top, folder)]
        wanted = self.prefix + self.pattern
        import difflib  # only a job with a problem needs it

        near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.6)
        question = "; did you mean {}?".format(near[0]) if near else "."
        place = " in {}".format(self.prefix + folder) if folder else ""
        what = "missing: there is no file {}{} There {}{}"
        if not names:
            return what.format(wanted, question, "is no JSON, YAML or CSV file", place)
        more = " and {} more".format(len(names) - _MAX_SHOWN) if len(names) > _MAX_SHOWN else ""
        return what.format(wanted, question, "are", place) + ": " + ", ".join(names[:_MAX_SHOWN]) + more


def version(path: str) -> "Tuple[int, int, int]":
    """Return what changes when a file is written."""
    status = os.stat(path)
    return status.st_mtime_ns, status.st_size, status.st_ino


def listed(top: str, folder: str) -> "List[str]":
    """Return files below a folder that may hold metrics, by their paths from the top: the nearest to it first."""
    names: List[str] = []
    for parent, folders, files in itertools.islice(os.walk(os.path.join(top, folder)), _MAX_LISTED):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found = [name for name in files if name.endswith(_SUFFIXES) and not name.startswith("mlci_start")]
        names.extend(os.path.relpath(os.path.join(parent, name), top) for name in found[:_MAX_LISTED])
    return sorted(names, key=lambda name: (name.count(os.sep), name))


def read_file(path: str, shown: str) -> "Any":
    """Return the metrics in a file, by its suffix: YAML, CSV, or else JSON."""
    try:
        with open(path, "rb") as stream:
            data = stream.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise MetricsProblem("unreadable: {}: {}".format(shown, error.strerror)) from error
    if len(data) > _MAX_FILE_BYTES:
        raise MetricsProblem("too large: {} has more than {:,} bytes".format(shown, _MAX_FILE_BYTES))
    try:
        text = data.decode("utf-8-sig")
        if path.endswith((".yaml", ".yml")):
            return from_yaml(text)
        if path.endswith((".csv", ".tsv")):
            return from_csv(text, "\t" if path.endswith(".tsv") else ",")
        return json.loads(text, parse_int=Number, parse_float=Number, parse_constant=str)
    except RecursionError:
        raise MetricsProblem("unreadable: {} is nested more than {} levels deep".format(shown, MAX_DEPTH)) from None
    except ValueError as error:
        raise MetricsProblem("unreadable: {}: {}".format(shown, " ".join(str(error).split())[:300])) from error


def from_yaml(text: str) -> "Any":
    """Return the value of a YAML document, with its numbers as they are written."""
    try:
        import yaml
    except ImportError:
        python = sys.executable or "python3"
        raise ValueError(
            "reading YAML needs PyYAML, which the job's Python ({}) lacks; install it, or write JSON".format(python)
        ) from None

    class Loader(yaml.SafeLoader):
        """Reads 1e-5 as a number, as YAML 1.2 and other writers do."""

    def constructed(loader: "Any", node: "Any") -> "Any":
        try:
            return number(node.value)
        except ValueError:  # such as .inf, 0x1F and 1:30
            kind = node.tag.rpartition(":")[2]
            value = getattr(loader, "construct_yaml_" + kind)(node)
            return number(repr(value))

    for kind in ("int", "float"):
        Loader.add_constructor("tag:yaml.org,2002:" + kind, constructed)
    exponent = re.compile(r"[-+]?[0-9]+(?:\.[0-9]*)?[eE][-+]?[0-9]+")
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", exponent, list("-+0123456789"))
    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise ValueError("not YAML: {}".format(error)) from error


def from_csv(text: str, delimiter: str) -> "Dict[str, Any]":
    r"""Return the metrics of a table with one row below its head.

    >>> from_csv("name,auc,ok\nforest,0.90,True\n", ",")
    {'name': 'forest', 'auc': '0.90', 'ok': True}
    """
    import csv
    import io

    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]
    except csv.Error as error:
        raise ValueError("not CSV: {}".format(error)) from error
    if len(rows) != 2:
        count = "{} rows".format(len(rows) - 1) if len(rows) > 2 else "none"
        raise ValueError("a table of metrics has one row below its head, and this one has {}".format(count))
    head, row = [cell.strip() for cell in rows[0]], rows[1]
    if len(head) != len(row):
        raise ValueError("its head has {} columns, and its row {}".format(len(head), len(row)))
    twice = sorted({name for name in head if name and head.count(name) > 1})
    if twice:
        raise ValueError('its head has "{}" twice'.format(twice[0][:80]))
    return {name: _cell(cell.strip()) for name, cell in zip(head, row) if name}


def _cell(text: str) -> "Any":
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return number(text)
    except ValueError:
        return text


def number(text: str) -> str:
    """Return a number as JSON writes it; the name of one that JSON does not know.

    >>> number("0.10"), number("+.5"), number("nan")
    ('0.10', '0.5', 'NaN')

    Raises: ValueError
    """
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return Number(text)
    value = float(text)
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return Number(repr(value))


class Lines:
    """The last value of each metric in the lines of the output, as SageMaker finds them.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/define-train-metrics.html
    """

    def __init__(self, definitions: "List[Dict[str, str]]") -> None:
        self.patterns: List[Tuple[str, Pattern[str]]] = [
            (each["name"], re.compile(each["regex"])) for each in definitions
        ]
        self.values: Dict[str, Any] = {}

    def read(self, line: bytes) -> bytes:
        """Take the values from a line, and return the line."""
        text = line.decode("utf-8", "replace").rstrip("\r\n")[:_MAX_LINE_CHARS]
        for name, pattern in self.patterns:
            for match in pattern.finditer(text):
                try:
                    self.values[name] = number((match.group(1) if pattern.groups else match.group()) or "")
                except ValueError:
                    pass
        return line


def dumps(value: "Any") -> bytes:
    """Return a value as JSON, with its numbers as they are written.

    >>> dumps({"a": [Number("0.10"), True, None], 1: float("nan")})
    b'{"a": [0.10, true, null], "1": "NaN"}'

    Raises: MetricsProblem, if the state machine could not read it.
    """
    parts: List[str] = []
    size = 0
    for part in encoded(value, 1):
        size += len(part)
        parts.append(part)
        if size > MAX_BYTES:
            break
    content = "".join(parts).encode("utf-8", "backslashreplace")
    if len(content) > MAX_BYTES:
        raise MetricsProblem("too large: the state machine reads at most {:,} bytes".format(MAX_BYTES))
    return content


def encoded(value: "Any", depth: int) -> "Iterator[str]":
    """Yield the parts of a value's JSON."""
    if depth > MAX_DEPTH:
        raise MetricsProblem("unreadable: nested more than {} levels deep".format(MAX_DEPTH))
    if isinstance(value, dict):
        before = "{"
        for key, item in value.items():
            name = key if isinstance(key, str) else next(encoded(key, depth)).strip('"')
            yield "{}{}: ".format(before, json.dumps(name, ensure_ascii=False))
            yield from encoded(item, depth + 1)
            before = ", "
        yield "}" if value else "{}"
    elif isinstance(value, (list, tuple)):
        before = "["
        for item in value:
            yield before
            yield from encoded(item, depth + 1)
            before = ", "
        yield "]" if value else "[]"
    elif isinstance(value, Number):
        yield str(value)
    elif value is None or isinstance(value, (bool, str)):
        yield json.dumps(value, ensure_ascii=False)
    elif isinstance(value, (int, float)):
        text = number(repr(value))
        yield str(text) if isinstance(text, Number) else json.dumps(text)
    else:  # a date, or another of YAML's types
        yield json.dumps(str(value), ensure_ascii=False)
