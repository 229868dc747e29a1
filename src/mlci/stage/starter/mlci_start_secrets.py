"""Sets the variables that hold a step's secrets, and masks the secrets in the script's output.

In a local run mlci hands the values to this process, in variables that the script does not get. On AWS the job reads
them with the rights of its own role (`mlci_start_aws.py`). No value is in a request, in the state machine or in a file.
"""

import json
import os
import re
import sys
from urllib.parse import quote, quote_plus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable, Iterator, List, Mapping, Tuple

    from mlci.stage.starter.mlci_start import ScriptJob

MASK = b"***"
#: A shorter line of a value with several lines, such as "{", is no secret by itself.
_MIN_LINE_CHARS = 4
#: The files in which a script tells SageMaker why it failed; they become part of the job's failure reason.
_MESSAGE_FILES = ("failure", "message")


def prepare(value: "Mapping[str, Any]", job: "ScriptJob") -> None:
    """Set the variables that hold secrets, and mask the secrets' values.

    `sources` has each secret's service, id and local variable; `variables` the parts of each variable's value: texts,
    and names of secrets in a list of their own.
    """
    secrets = {name: _value(name, source, job) for name, source in value["sources"].items()}
    for variable, parts in value["variables"].items():
        job.environment[variable] = "".join(part if isinstance(part, str) else secrets[part[0]] for part in parts)
    mask = masker(secrets.values())
    job.filters.append(mask)
    job.always.append(lambda: mask_files(output_folder(job.folder), mask))


def _value(name: str, source: "Mapping[str, str]", job: "ScriptJob") -> str:
    value, reason = job.environment.pop(source["variable"], None), ""
    if value is None:
        value, reason = job.module("mlci_start_aws").read(source["service"], source["id"], job.environment, job.folder)
    if value == "":
        reason = reason or "its value is empty"
    elif "\0" in value:
        reason = "its value holds a NUL, which no variable can"
    if reason:
        place = "{}:{}".format(source["service"], source["id"])
        sys.exit('mlci_start.py: the secret "{}" ({}) can\'t be read: {}'.format(name, place, reason))
    return str(value)


def masker(values: "Iterable[str]") -> "Callable[[bytes], bytes]":
    r"""Return a function that masks the values in a line, and each line of a value that has several.

    >>> mask = masker(["hunter2", 'a "quoted" one', "-----BEGIN KEY-----\nMIIEow\n{\n"])
    >>> mask(b"login with hunter2!\n"), mask(b'{"key": "a \\"quoted\\" one"}'), mask(b"{MIIEow}"), mask(b"hunter3")
    (b'login with ***!\n', b'{"key": "***"}', b'{***}', b'hunter3')
    """
    patterns = sorted({form.encode("utf-8", "surrogateescape") for value in values for form in forms(value)})

    def mask(line: bytes) -> bytes:
        spans = [span for pattern in patterns if pattern in line for span in _occurrences(pattern, line)]
        if not spans:
            return line
        parts: List[bytes] = []
        end = 0
        for start, stop in sorted(spans):
            if start >= end:
                parts += [line[end:start], MASK]
            end = max(end, stop)
        return b"".join([*parts, line[end:]])

    return mask


def forms(value: str) -> "Iterator[str]":
    """Yield the texts by which a value would be printed: its lines as they are, in JSON, in Python, in URLs, in XML."""
    lines = [line.strip() for line in re.split("\r\n|\r|\n", value.strip())]
    for line in lines:
        if line and (len(lines) == 1 or len(line) >= _MIN_LINE_CHARS):
            yield line
            yield json.dumps(line)[1:-1]
            yield json.dumps(line, ensure_ascii=False)[1:-1]
            yield repr(line)[1:-1]
            yield line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            encoded = line.encode("utf-8", "surrogateescape")
            yield quote(encoded)
            yield quote(encoded, safe="")
            yield quote_plus(encoded)


def _occurrences(pattern: bytes, line: bytes) -> "Iterator[Tuple[int, int]]":
    start = line.find(pattern)
    while start >= 0:
        yield start, start + len(pattern)
        start = line.find(pattern, start + 1)


def output_folder(code: str) -> str:
    """Return SageMaker's folder of a job's output, from that of its code.

    >>> output_folder("/opt/ml/code"), output_folder("/opt/ml/processing/input/code")
    ('/opt/ml/output', '/opt/ml/output')
    """
    base = os.path.dirname(code)
    processing = os.path.join("processing", "input")
    return os.path.join(base[: -len(processing) - 1] if base.endswith(os.sep + processing) else base, "output")


def mask_files(folder: str, mask: "Callable[[bytes], bytes]") -> None:
    """Mask the secrets in the files by which a script says why it failed."""
    for name in _MESSAGE_FILES:
        path = os.path.join(folder, name)
        try:
            with open(path, "rb+") as stream:
                content = stream.read()
                masked = b"".join(mask(line) for line in re.split(b"(\r\n|\r|\n)", content))
                if masked != content:
                    stream.seek(0)
                    stream.write(masked)
                    stream.truncate()
        except OSError:
            pass  # it is not there
