"""Starts a step's script inside of its container as `python SCRIPT` in the repository's root would.

mlci stages this file beside a step's code, and never runs it itself. A processing job starts it as

    python3 mlci_start.py [--import-root=FOLDER ...] [--] SCRIPT [ARGUMENT ...]

and SageMaker's training toolkits start it as their `sagemaker_program`. They pass hyperparameters as arguments, some
through a shell, which changes or runs them. So the starter ignores its arguments there. The script's path, and each
hyperparameter that a shell would change, is in SM_FRAMEWORK_PARAMS. The toolkits fill this variable with all
hyperparameters whose names begin with `sagemaker_`, and pass it through no shell.

The script then gets a fresh interpreter in this process's place (`exec`). So signals, exit codes, tracebacks,
`multiprocessing`, pickled classes and `inspect` are those of `python SCRIPT`; nothing of this file is left.

Standard library only; Python 3.6 and newer.
"""

import sys

if __name__ == "__main__":
    # The folders that hold the repository's code are on the path already: this file's own, and what a toolkit put into
    # PYTHONPATH. A json.py of the repository must not be taken for Python's.
    sys.path[:] = [entry for entry in sys.path if entry and entry != sys.path[0]]

import json
import os
import re
import signal

TYPE_CHECKING = False  # importing typing takes as long as all the rest
if TYPE_CHECKING:
    from typing import Any, Dict, List, NoReturn, Sequence, Tuple

#: Hyperparameters of mlci. `mlci.step_types.hyperparameters` has the same names, and a test compares them.
START = "sagemaker_mlci_start"
VALUE = "sagemaker_mlci_value_"
#: The folder of a training job's archive that holds the code until this file runs. The toolkits act on a `setup.py`
#: that lies beside their program, and import modules from there.
CODE = "mlci_code"

IMPORT_ROOT = "--import-root="


def main(arguments: "Sequence[str]", environment: "Dict[str, str]") -> "NoReturn":
    """Become the script."""
    folder = os.path.dirname(os.path.abspath(__file__))
    parameters = _json(environment.get("SM_FRAMEWORK_PARAMS", "{}"))
    if START in parameters:
        script, roots = parameters[START]["script"], parameters[START]["import_roots"]
        unfold(folder)
        arguments, changes = training(parameters, environment)
        rewrite_hyperparameters(environment.get("SM_INPUT_CONFIG_DIR", ""), script)
    else:
        roots, script, arguments = processing(arguments)
        changes = {}
    os.chdir(folder)
    environment = dict(environment, **changes)
    path = python_path(environment.get("PYTHONPATH", ""), folder, roots)
    environment.pop("PYTHONPATH", None)
    if path:
        environment["PYTHONPATH"] = path
    replace_process(command(script) + list(arguments), environment)


def _json(text: str) -> "Dict[str, Any]":
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def processing(arguments: "Sequence[str]") -> "Tuple[List[str], str, List[str]]":
    """Return the import roots, the script and its arguments, from the command line of a processing job.

    >>> processing(["--import-root=", "--import-root=src", "src/a.py", "--import-root=b", "--"])
    (['', 'src'], 'src/a.py', ['--import-root=b', '--'])
    >>> processing(["--", "-a.py", "--", "b"])
    ([], '-a.py', ['--', 'b'])
    """
    rest = list(arguments)
    roots = []
    while rest and rest[0].startswith(IMPORT_ROOT):
        roots.append(rest.pop(0)[len(IMPORT_ROOT) :])
    if rest and rest[0] == "--":
        rest.pop(0)
    if not rest:
        sys.exit("mlci_start.py: no script to run: neither an argument nor SM_FRAMEWORK_PARAMS names one")
    return roots, rest[0], rest[1:]


def unfold(folder: str) -> None:
    """Move a training job's code to where it belongs: from `mlci_code` to the folder that holds it."""
    packed = os.path.join(folder, CODE)
    if not os.path.isdir(packed):
        return
    source = os.path.join(folder, ".{}-{}".format(CODE, os.getpid()))
    os.rename(packed, source)  # the code may have a folder of that name itself
    for parent, _, names in os.walk(source):
        target = os.path.normpath(os.path.join(folder, os.path.relpath(parent, source)))
        os.makedirs(target, exist_ok=True)  # an image may have brought files of its own
        for name in names:
            os.replace(os.path.join(parent, name), os.path.join(target, name))
    for parent, _, _ in os.walk(source, topdown=False):
        os.rmdir(parent)


def training(parameters: "Dict[str, Any]", environment: "Dict[str, str]") -> "Tuple[List[str], Dict[str, str]]":
    """Return the script's arguments, and the variables that a toolkit sets for a script that it starts itself.

    Both are as the toolkits make them (mapping.to_cmd_args and mapping.to_env_vars), of all hyperparameters.
    """
    script = parameters[START]["script"]
    values = {name[len(VALUE) :]: value for name, value in parameters.items() if name.startswith(VALUE)}
    others = {name: value for name, value in parameters.items() if name != START and not name.startswith(VALUE)}
    hyperparameters = dict(_json(environment.get("SM_HPS", "{}")), **values)
    arguments = to_arguments(hyperparameters)
    facts = _json(environment.get("SM_TRAINING_ENV", "{}"))
    module = script[: -len(".py")] if script.endswith(".py") else script
    facts.update(
        additional_framework_parameters=others,
        hyperparameters=hyperparameters,
        module_name=module,
        user_entry_point=script,
    )
    variables = {
        "SM_FRAMEWORK_PARAMS": others,
        "SM_HPS": hyperparameters,
        "SM_MODULE_NAME": module,
        "SM_TRAINING_ENV": facts,
        "SM_USER_ARGS": arguments,
        "SM_USER_ENTRY_POINT": script,
    }
    # A name with "=" can't be a variable's.
    variables.update({"SM_HP_" + name.upper(): value for name, value in values.items() if "=" not in name})
    return arguments, {name: to_variable(value) for name, value in variables.items()}


def to_arguments(hyperparameters: "Dict[str, Any]") -> "List[str]":
    """Return arguments as the toolkits make them: sorted by name, one letter after one dash, values as Python has them.

    >>> to_arguments({"max_depth": 4, "v": True, "layers": [1, 2], "a": None, "grid": {"y": 2, "x": 1}, "": "b c"})
    ['', 'b c', '-a', '', '--grid', 'x=1,y=2', '--layers', '[1, 2]', '--max_depth', '4', '-v', 'True']
    """
    arguments = []
    for name, value in sorted(hyperparameters.items()):
        arguments.append("--" + name if len(name) > 1 else "-" + name if name else "")
        if isinstance(value, dict):
            arguments.append(",".join("{}={}".format(key, item) for key, item in sorted(value.items())))
        else:
            arguments.append("" if value is None else str(value))
    return arguments


def to_variable(value: "Any") -> str:
    """Return a variable's value as the toolkits write it: text as it is, and all else as JSON.

    >>> to_variable("a b"), to_variable(None), to_variable({"b": [1, 2], "a": True})
    ('a b', '', '{"a":true,"b":[1,2]}')
    """
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))


def rewrite_hyperparameters(folder: str, script: str) -> None:
    """Put the hyperparameters' own names into hyperparameters.json, which some scripts read.

    A file that can't be written stays as it is.
    """
    file = os.path.join(folder, "hyperparameters.json")
    temporary = "{}-{}".format(file, os.getpid())
    try:
        with open(file, encoding="utf-8") as stream:
            sent = json.load(stream)
        own = {name[len(VALUE) :] if name.startswith(VALUE) else name: value for name, value in sent.items()}
        own.pop(START, None)
        own["sagemaker_program"] = json.dumps(script)
        with open(temporary, "w", encoding="utf-8") as stream:
            json.dump(own, stream)
        os.replace(temporary, file)
    except (OSError, ValueError):
        try:
            os.unlink(temporary)
        except OSError:
            pass


def python_path(present: str, folder: str, roots: "Sequence[str]") -> str:
    """Return PYTHONPATH for the script: where imports start, then what was there without the code's own folder.

    The toolkits put that folder first, before Python's own modules. An empty entry means the working folder, which is
    another one now.

    >>> python_path("/opt/ml/code:/usr/lib/python3.8:", "/opt/ml/code", ["src", ""])
    '/opt/ml/code/src:/opt/ml/code:/usr/lib/python3.8'
    """
    paths = [os.path.join(folder, root) if root else folder for root in roots]
    own = os.path.realpath(folder)
    paths += [entry for entry in present.split(os.pathsep) if entry and os.path.realpath(entry) != own]
    return os.pathsep.join(paths)


def command(script: str) -> "List[str]":
    """Return the script's command: this interpreter, or the shell that a shell script names, or else bash or sh."""
    if not script.endswith(".sh"):
        return [sys.executable or "python3", "./" + script if script.startswith("-") else script]
    with open(script, "rb") as stream:
        first = stream.readline()
    return [*interpreter(first), "./" + script]


def interpreter(first_line: bytes) -> "List[str]":
    """Return the program that a script's first line names, and its one argument, as the kernel reads them.

    >>> interpreter(b"#! /usr/bin/env -S python3 -u \\n")
    ['/usr/bin/env', '-S python3 -u']
    """
    line = first_line[2:].strip(b" \t\n") if first_line.startswith(b"#!") else b""
    if line:
        return [os.fsdecode(word) for word in re.split(b"[ \t]+", line, maxsplit=1)]
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    found = [path for path in (os.path.join(folder, "bash") for folder in folders) if os.access(path, os.X_OK)]
    return found[:1] or ["/bin/sh"]


def replace_process(command_line: "Sequence[str]", environment: "Dict[str, str]") -> "NoReturn":
    """Run the command in this process's place, with the signals that Python ignores as they were before."""
    for name in ("SIGPIPE", "SIGXFSZ"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    encoded = [_encoded(part) for part in command_line]
    variables = {_encoded(name): _encoded(value) for name, value in environment.items()}
    try:
        os.execvpe(encoded[0], encoded, variables)
    except OSError as error:
        sys.stderr.write("{}: {}: {}\n".format(command_line[-1], command_line[0], error.strerror))
        sys.exit(127 if isinstance(error, FileNotFoundError) else 126)


def _encoded(text: str) -> bytes:
    """Encode as UTF-8, whatever the locale. Bytes that Python could not decode stay as they came."""
    return text.encode("utf-8", "surrogateescape")


if __name__ == "__main__":
    main(sys.argv[1:], dict(os.environ))
