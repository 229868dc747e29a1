"""Repositories in every layout, and hyperparameters, with the outcome that SageMaker's toolkits alone have for each.

`tests/toolkits` compares them to the toolkits themselves, and other tests to the emulator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PROBE = """
import json as _json, os as _os, sys as _sys
with open(_os.environ["PROBE_FILE"], "w") as _file:
    _json.dump({
        "argv": _sys.argv, "cwd": _os.getcwd(), "name": __name__, "path0": _sys.path[0], "spec": str(__spec__),
        "is_main": _sys.modules["__main__"].__dict__ is globals(), "file": _os.path.abspath(__file__),
        "builtins_json": _json.__file__.split("/")[-2:], "imported": globals().get("IMPORTED"),
        "hyperparameters": {name: value for name, value in _os.environ.items() if name.startswith("SM_HP_")},
        "hps": _json.loads(_os.environ.get("SM_HPS", "{}")),
        "user_args": _json.loads(_os.environ.get("SM_USER_ARGS", "[]")),
        "training_env": _json.loads(_os.environ.get("SM_TRAINING_ENV", "{}")).get("hyperparameters"),
        "entry_point": _os.environ.get("SM_USER_ENTRY_POINT"), "module": _os.environ.get("SM_MODULE_NAME"),
    }, _file)
"""
#: A shell script's view of the same.
SHELL_PROBE = """
printf '{"argv": ["%s", "%s"], "cwd": "%s", "bash": "%s"}' "$0" "$*" "$PWD" "${BASH_VERSION:+bash}" > "$PROBE_FILE"
"""

#: What a script sees, and what must be as in `python SCRIPT`.
SAME = ("argv", "cwd", "name", "path0", "spec", "is_main", "file", "builtins_json", "imported", "bash")


@dataclass(frozen=True)
class Layout:
    """A repository, its script, and the command by which a person starts it, where that is not `python SCRIPT`."""

    script: str
    files: Mapping[str, str]
    person: tuple[str, ...] = ()

    def command(self, arguments: Sequence[str]) -> list[str]:
        return [*(self.person or ("python", self.script)), *arguments]


SETUP = "from setuptools import setup\nsetup(name='theirs', version='1', py_modules=['train'])\n"
SPAWN = """
import inspect, multiprocessing, pickle, sys
class Point:
    x = 3
def double(value):
    return value * 2, __name__
if __name__ == "__main__":
    assert pickle.loads(pickle.dumps(Point())).x == 3
    assert "def double" in inspect.getsource(double)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        IMPORTED = pool.map(double, [1, 2])
""" + "\n".join("    " + line if line else "" for line in PROBE.splitlines())


def failing(statement: str) -> str:
    return PROBE + f"\nimport os, signal, sys\ndef inner():\n    {statement}\ninner()\n"


LAYOUTS = {
    "script at the root": Layout("train.py", {"train.py": PROBE}),
    "script in a folder": Layout("src/breast_cancer/train.py", {"src/breast_cancer/train.py": PROBE}),
    "imports of siblings": Layout(
        "src/m/train.py",
        {"src/m/train.py": "import features\nIMPORTED = features.X\n" + PROBE, "src/m/features.py": "X = 'sibling'"},
    ),
    "imports of packages from the root": Layout(
        "src/m/train.py",
        {
            "src/m/train.py": "from lib.tools import a\nfrom shared import b\nIMPORTED = [a.X, b.X]\n" + PROBE,
            "lib/__init__.py": "",
            "lib/tools/__init__.py": "",
            "lib/tools/a.py": "X = 'lib'",
            "src/shared/b.py": "X = 'src'",
        },
    ),
    "setup.py beside the script": Layout("train.py", {"train.py": PROBE, "setup.py": SETUP}),
    "setup.py, script in a folder": Layout("src/train.py", {"src/train.py": PROBE, "train.py": "", "setup.py": SETUP}),
    "setup.py that fails": Layout("train.py", {"train.py": PROBE, "setup.py": "raise SystemExit('broken')"}),
    "pyproject.toml of another builder": Layout(
        "train.py",
        {
            "train.py": PROBE,
            "pyproject.toml": '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n',
        },
    ),
    "a space in the name": Layout("my train.py", {"my train.py": PROBE}),
    "a hyphen in the name": Layout("train-model.py", {"train-model.py": PROBE}),
    "a name with dots": Layout("train.v1.py", {"train.v1.py": PROBE}),
    "shell characters in the name": Layout("a/$(x);'y' & z.py", {"a/$(x);'y' & z.py": PROBE}),
    "a dash first": Layout("-train.py", {"-train.py": PROBE}, person=("python", "./-train.py")),
    "a name of Python's own": Layout("src/random.py", {"src/random.py": PROBE}),
    "a name of Python's own, at the root": Layout("random.py", {"random.py": PROBE}),
    "modules at the root that are Python's": Layout(
        "src/train.py",
        {
            "src/train.py": "import random\nIMPORTED = random.__file__.split('/')[-1]\n" + PROBE,
            **{f"{name}.py": "raise SystemExit('the wrong module')" for name in ("json", "random", "logging", "types")},
        },
    ),
    "modules at the root that are the toolkits'": Layout(
        "src/train.py",
        {
            "src/train.py": PROBE,
            **{
                f"{name}.py": "raise SystemExit('the wrong module')" for name in ("six", "torch", "boto3", "tensorflow")
            },
            "sagemaker_training/__init__.py": "raise SystemExit('the wrong module')",
            "pip.py": "raise SystemExit('the wrong module')",
        },
    ),
    "a module beside the script that is a toolkit's": Layout(
        "train.py",
        {
            "train.py": "import sagemaker_training\nIMPORTED = sagemaker_training.X\n" + PROBE,
            "sagemaker_training.py": "X = 'ours'",
        },
    ),
    "files that the starter brings": Layout(
        "mlci_code/train.py",
        {"mlci_code/train.py": "import helper\nIMPORTED = helper.X\n" + PROBE, "mlci_code/helper.py": "X = 1"},
    ),
    "spawn, pickle, inspect": Layout("src/train.py", {"src/train.py": SPAWN}),
    "shell script": Layout(
        "train.sh",
        {"train.sh": "#!/bin/bash\n" + SHELL_PROBE},
        person=("bash", "./train.sh"),
    ),
    "shell script of sh": Layout(
        "a/train.sh",
        {"a/train.sh": "#! /bin/sh -e\n" + SHELL_PROBE},
        person=("sh", "-e", "./a/train.sh"),
    ),
    "shell script without #!": Layout("train.sh", {"train.sh": SHELL_PROBE}, person=("bash", "./train.sh")),
}

ENDINGS = {
    "an exception": failing('raise ValueError("bad")'),
    "an exception of its own, with a cause": failing(
        "raise type('Odd', (Exception,), {})('ä\\n  two') from KeyError('k')"
    ),
    "an exit code": failing("sys.exit(7)"),
    "an exit text": failing("sys.exit('no data')"),
    "os._exit": failing("os._exit(9)"),
    "an interrupt": failing("raise KeyboardInterrupt"),
    "a signal": failing("os.kill(os.getpid(), signal.SIGKILL)"),
    "a syntax error": "def f(:\n",
}

#: JSON texts, as they are in the API request.
VALUES = {
    "plain": "0.1",
    "text": '"binary:logistic"',
    "flag": "true",
    "nothing": "null",
    "empty": '""',
    "words": '"a b"',
    "list": "[1, 2]",
    "dict": '{"b": [1, "x y"], "a": null}',
    "command": '"x;touch PWNED"',
    "substitution": '"$(touch PWNED)`touch PWNED`"',
    "call": '"f(x)"',
    "variable": '"$HOME ~ *"',
    "quotes": '"\\"double\\" \'single\' \\\\back"',
    "quoted": '"\\"whole\\""',
    "lines": '"one\\ntwo\\r\\n\\tthree"',
    "redirect": '">PWNED"',
    "unicode": '"Zürich 日本 \U0001f600"',
    "dash": '"-x"',
    "dashes": '"--eta=3"',
    "percent": '"%s %(a)s {0}"',
    "zeros": '"007"',
    "big": "123456789012345678901234567890",
    "float": "1e-07",
    "infinite": "Infinity",
    "not_json": "it is",
    "a name; touch PWNED": "1",
    "$(touch PWNED)": '"x"',
    "ünïcode": "1",
    "-dash": "1",
    "v": "1",
}

#: What each toolkit does alone, in the order of TOOLKITS.
ALONE = {
    "script at the root": "differs same same same same",
    "script in a folder": "fails same same same same",
    "imports of siblings": "fails same same same same",
    "imports of packages from the root": "fails same same same same",
    "setup.py beside the script": "differs differs differs differs differs",
    "setup.py, script in a folder": "fails fails fails fails fails",
    "setup.py that fails": "fails fails fails fails fails",
    "pyproject.toml of another builder": "fails same same same same",
    "a space in the name": "differs same fails fails fails",
    "a hyphen in the name": "differs same same same same",
    "a name with dots": "fails same same same same",
    "shell characters in the name": "fails same fails fails fails",
    "a dash first": "fails fails fails fails fails",
    "a name of Python's own": "fails same same same same",
    "a name of Python's own, at the root": "fails same same same same",
    "modules at the root that are Python's": "fails fails fails fails fails",
    "modules at the root that are the toolkits'": "fails fails fails fails fails",
    "a module beside the script that is a toolkit's": "differs same same same same",
    "files that the starter brings": "fails same same same same",
    "spawn, pickle, inspect": "fails same same same same",
    "shell script": "fails same same same same",
    "shell script of sh": "fails same same same same",
    "shell script without #!": "fails differs differs differs differs",
}

#: What breaks in a shell; the other values of the table survive one.
BROKEN_BY_A_SHELL = (
    *("nothing", "empty", "words", "list", "dict", "command", "substitution", "call", "variable", "quotes", "quoted"),
    *("lines", "redirect", "unicode", "percent", "not_json", "a name; touch PWNED", "$(touch PWNED)"),
)
