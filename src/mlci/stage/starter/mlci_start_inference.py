"""Puts the script that serves a model, and what it imports, into the model, once the training script has succeeded.

The value is `{"folder", "script", "files", "import_roots"}`. The folder is that of a model's code, relative to the
code's; paths are relative to the code. The files keep their layout below `mlci_code`, and `inference.py` beside it, by
which SageMaker's images start serving, runs the script from there. They are read before the training script starts, so
that what it does to them changes nothing.

Standard library only; Python 3.6 and newer.
"""

import functools
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from mlci.stage.starter.mlci_start import ScriptJob

#: `mlci.step_types.sagemaker_models` has the same name, and a test compares it.
PROGRAM = "inference.py"
#: The folder of the files, beside the program: none of them has the name of a file that the images take for their own.
CODE = "mlci_code"
#: A toolkit may install the program apart from the model, and others may start it from there.
_PROGRAM = '''"""Serves the model by {script}, the `inference` of its training step. mlci wrote this file."""

import os
import sys

_folders = [os.path.dirname(os.path.abspath(__file__)), "/opt/ml/model/code"]
_code = [os.path.join(folder, "{code}") for folder in _folders]
_code = next((folder for folder in _code if os.path.isfile(os.path.join(folder, {script!r}))), _code[-1])
for _root in {roots!r}:
    _path = os.path.normpath(os.path.join(_code, _root))
    if _path not in sys.path:
        sys.path.insert(0, _path)
__file__ = os.path.join(_code, {script!r})
with open(__file__, "rb") as _stream:
    exec(compile(_stream.read(), __file__, "exec"))
'''


def prepare(value: "Dict[str, Any]", job: "ScriptJob") -> None:
    """Read the files, and have them written when the script has succeeded."""
    files = {PROGRAM: program(value["script"], value["import_roots"])}
    for path in value["files"]:
        with open(os.path.join(job.folder, path), "rb") as stream:
            files[CODE + "/" + path] = stream.read()
    folder = os.path.normpath(os.path.join(job.folder, value["folder"]))
    job.after.append(functools.partial(write, files, folder))


def program(script: str, import_roots: "List[str]") -> bytes:
    """Return the file that runs the script as `python SCRIPT` would find its imports: in its own folder first."""
    roots = [*reversed(import_roots), os.path.dirname(script)]
    return _PROGRAM.format(script=script, code=CODE, roots=roots).encode("utf-8")


def write(files: "Dict[str, bytes]", folder: str) -> None:
    """Write the files into the model's folder; SystemExit if the training script has written one of them itself."""
    for path in sorted(files):
        file = os.path.join(folder, path)
        if os.path.lexists(file):
            sys.exit(
                'mlci: "inference" puts {} into the model, and the script wrote code/{} there itself; leave one out'
                "".format(PROGRAM, path)
            )
        os.makedirs(os.path.dirname(file), exist_ok=True)
        with open(file, "wb") as stream:
            stream.write(files[path])
