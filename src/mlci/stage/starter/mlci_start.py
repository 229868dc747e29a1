"""Starts a step's script inside of its container as `python SCRIPT` in the repository's root would.

mlci stages this file beside a step's code, and `mlci_start.json`, which says how the script starts. A processing job
runs

    python3 mlci_start.py [ARGUMENT ...]

and SageMaker's training toolkits run it as their `sagemaker_program`. They pass hyperparameters as arguments, some
through a shell, which changes or runs them. So the starter ignores its arguments there. The script's own arguments, and
each hyperparameter that a shell would change, are in SM_FRAMEWORK_PARAMS. The toolkits fill this variable with all
hyperparameters whose names begin with `sagemaker_`, and pass it through no shell.

The script then gets a fresh interpreter in this process's place (`exec`). So signals, exit codes, tracebacks,
`multiprocessing`, pickled classes and `inspect` are those of `python SCRIPT`; nothing of this file is left. Only where
something has to happen to the script's output, or after its end, does this process stay as the script's parent.

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
    from types import ModuleType
    from typing import Any, Callable, Dict, List, NoReturn, Sequence, Tuple

#: Hyperparameters of mlci. `mlci.step_types.hyperparameters` has the same names, and a test compares them.
START = "sagemaker_mlci_start"
VALUE = "sagemaker_mlci_value_"
#: The folder of a training job's archive that holds the code until this file runs. The toolkits act on a `setup.py`
#: that lies beside their program, and import modules from there.
CODE = "mlci_code"
#: The path of a processing job's hosts from the folder of its code.
HOSTS = ("..", "..", "..", "config", "resourceconfig.json")
#: The file beside this one that says how the script starts.
DOCUMENT = "mlci_start.json"
#: The keys of that file that have a module of their own, `mlci_start_<key>.py`, in the order of their preparation.
#: Metrics are collected before outputs are moved from where the script wrote them, and the model gets its code last.
FEATURES: "Tuple[str, ...]" = ("secrets", "requirements", "metrics", "places", "inference")


class ScriptJob:
    """The script that is about to start. `prepare(value, job)` of a feature changes it.

    `folder` holds the code, and `working_dir` is where the script starts. A filter gets each line of the script's
    output, with its end, and returns what is printed. The actions in `after` run in their order when the script has
    succeeded; one that raises SystemExit with a text makes the job fail with it. Those in `always` run before, however
    the script has ended.
    """

    def __init__(self, folder: str, working_dir: str, command: "List[str]", environment: "Dict[str, str]") -> None:
        self.folder = folder
        self.working_dir = working_dir
        self.command = command
        self.environment = environment
        self.filters: List[Callable[[bytes], bytes]] = []
        self.after: List[Callable[[], None]] = []
        self.always: List[Callable[[], None]] = []

    def is_first_host(self) -> bool:
        """Return True on the first of a job's instances, and where it has one."""
        return is_first_host(self.folder, self.environment)

    def module(self, name: str) -> "ModuleType":
        """Return a module that lies beside this file."""
        return module(name, self.folder)


def main(arguments: "Sequence[str]", environment: "Dict[str, str]") -> "NoReturn":
    """Become the script, or its parent where something is left to do afterwards."""
    folder = os.path.dirname(os.path.abspath(__file__))
    document = read_document(folder)
    features = [(module("mlci_start_" + name, folder), document[name]) for name in FEATURES if name in document]
    supervisor = module("mlci_start_supervise", folder) if features else None
    if "toolkit" in document and "SM_TRAINING_ENV" not in environment:  # a training job in an image without a toolkit
        toolkit = module("mlci_start_toolkit", folder)
        added = toolkit.variables(folder, environment, arguments, entry_point(document["run"]))
        environment = dict(environment, **{name: to_variable(value) for name, value in added.items()})
    parameters = _json(environment.get("SM_FRAMEWORK_PARAMS", "{}"))
    changes: Dict[str, str] = {}
    if START in parameters:
        name = entry_point(document["run"])
        unfold(folder)
        arguments, changes = training(parameters, environment, name)
        rewrite_hyperparameters(environment.get("SM_INPUT_CONFIG_DIR", ""), name)
    working_dir = os.path.join(folder, document.get("working_dir", ""))
    os.makedirs(working_dir, exist_ok=True)  # none of the files that are sent may lie there
    os.chdir(working_dir)
    environment = dict(environment, **changes)
    path = python_path(environment.get("PYTHONPATH", ""), folder, document["import_roots"])
    environment.pop("PYTHONPATH", None)
    if path:
        environment["PYTHONPATH"] = path
    line = command(document["run"], os.path.relpath(folder, working_dir)) + list(arguments)
    job = ScriptJob(folder, working_dir, line, environment)
    for feature, value in features:
        feature.prepare(value, job)
    if supervisor and (job.filters or job.after):
        supervisor.supervise(job)
    replace_process(job.command, job.environment)


def read_document(folder: str) -> "Dict[str, Any]":
    """Return the document that says how the script starts."""
    try:
        with open(os.path.join(folder, DOCUMENT), encoding="utf-8") as stream:
            document: Dict[str, Any] = json.load(stream)
    except OSError as error:
        sys.exit("mlci_start.py: no script to run: {}: {}".format(DOCUMENT, error.strerror))
    return document


def module(name: str, folder: str) -> "ModuleType":
    """Return a module that lies beside this file, and leave no trace of it among the code."""
    keep, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path.append(folder)  # at the end: a json.py of the repository must not be taken for Python's
    try:
        return __import__(name)
    finally:
        sys.path.remove(folder)
        sys.dont_write_bytecode = keep


def entry_point(run: "Dict[str, Any]") -> str:
    """Return the script's name, as the toolkits have it in their variables.

    >>> entry_point({"script": "src/a.py"}), entry_point({"module": "a.b"}), entry_point({"command": ["dvc"]})
    ('src/a.py', 'a.b', 'dvc')
    """
    return str(run.get("script") or run.get("module") or run["command"][0])


def is_first_host(folder: str, environment: "Dict[str, str]") -> bool:
    """Return True on the first of a job's instances, and where it has one.

    A training toolkit sets variables; a processing job has a file, which is looked for beside the code.

    >>> is_first_host("/", {"SM_HOSTS": '["algo-1","algo-2"]', "SM_CURRENT_HOST": "algo-2"})
    False
    """
    config: Dict[str, Any] = {}
    if "SM_HOSTS" in environment:
        config = _json('{{"hosts": {}}}'.format(environment["SM_HOSTS"]))
        config["current_host"] = environment.get("SM_CURRENT_HOST")
    else:
        try:
            with open(os.path.join(folder, *HOSTS), encoding="utf-8") as stream:
                config = _json(stream.read())
        except OSError:
            pass
    hosts = config.get("hosts")
    return not isinstance(hosts, list) or len(hosts) < 2 or config.get("current_host") == min(hosts)


def _json(text: str) -> "Dict[str, Any]":
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


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


def training(
    parameters: "Dict[str, Any]", environment: "Dict[str, str]", script: str
) -> "Tuple[List[str], Dict[str, str]]":
    """Return the script's arguments, and the variables that a toolkit sets for a script that it starts itself.

    Both are as the toolkits make them (mapping.to_cmd_args and mapping.to_env_vars), of all hyperparameters. Arguments
    that the flow gives come before those.
    """
    values = {name[len(VALUE) :]: value for name, value in parameters.items() if name.startswith(VALUE)}
    others = {name: value for name, value in parameters.items() if name != START and not name.startswith(VALUE)}
    hyperparameters = dict(_json(environment.get("SM_HPS", "{}")), **values)
    arguments = list(parameters[START]["args"]) + to_arguments(hyperparameters)
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


def command(run: "Dict[str, Any]", code: str) -> "List[str]":
    """Return the command of a script, a module or a program. `code` leads from the working folder to the code's.

    A Python script is run by this interpreter, and another by the program that its first line names, or else by bash or
    sh.

    >>> command({"command": ["dvc"]}, "."), command({"module": "a.b"}, ".")[1:], command({"script": "a.py"}, "..")[1:]
    (['dvc'], ['-m', 'a.b'], ['../a.py'])
    """
    if "command" in run:
        return list(run["command"])
    python = sys.executable or "python3"
    if "module" in run:
        return [python, "-m", run["module"]]
    script = os.path.normpath(os.path.join(code, run["script"]))
    if script.endswith(".py"):
        return [python, "./" + script if script.startswith("-") else script]
    with open(script, "rb") as stream:
        first = stream.readline()
    return [*interpreter(first), script if script.startswith("..") else "./" + script]


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
        not_started(command_line, error)


def not_started(command_line: "Sequence[str]", error: OSError) -> "NoReturn":
    """Say why a command does not start, and exit with a shell's code for that."""
    sys.stderr.write("{}: {}\n".format(command_line[0], error.strerror))
    sys.exit(127 if isinstance(error, FileNotFoundError) else 126)


def _encoded(text: str) -> bytes:
    """Encode as UTF-8, whatever the locale. Bytes that Python could not decode stay as they came."""
    return text.encode("utf-8", "surrogateescape")


if __name__ == "__main__":
    main(sys.argv[1:], dict(os.environ))
