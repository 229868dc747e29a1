"""A training job's hyperparameters, named so that each value reaches the script exact on every image. Pure.

SageMaker's training toolkits pass hyperparameters to the script as arguments. Some do so through a shell without
quotes: a value such as `a b`, `[1, 2]` or `$(x)` arrives as something else, or runs. The toolkits do not pass
hyperparameters whose names begin with `sagemaker_`. They put these into the variable SM_FRAMEWORK_PARAMS, which no
shell reads. So mlci sends a value that a shell may change under such a name. The starter
(`stage/starter/mlci_start.py`), which runs the script, restores the name: in the arguments, in the SM_* variables and
in hyperparameters.json.

Sources, in sagemaker-training-toolkit at v5.0.0: src/sagemaker_training/process.py (`run_async` joins the command and
calls `create_subprocess_shell`; `check_error` strips quotes from the last argument), mapping.py (`to_cmd_args`),
params.py and environment.py (`additional_framework_parameters`, `to_env_vars`). Version 5.1.4 calls no shell any more;
the images that exist do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from mlci.step_types.keys import Json

#: The hyperparameter with the arguments that the starter adds, and the prefix of each that travels under another name.
START = "sagemaker_mlci_start"
VALUE = "sagemaker_mlci_value_"

#: API_CreateTrainingJob: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html
MAX_NAME_CHARS = 256
MAX_VALUE_CHARS = 2_500
#: The toolkits put all hyperparameters into one variable, SM_TRAINING_ENV, and Linux allows a variable of 128 KiB
#: (MAX_ARG_STRLEN, execve(2)). The rest of that variable is small; it gets this much of it.
MAX_TOTAL_CHARS = 131_072 - 16_384

#: Names that the toolkits keep to themselves. Source: params.py, SAGEMAKER_PREFIX and SAGEMAKER_HYPERPARAMETERS.
_RESERVED_PREFIX = "sagemaker_"
_RESERVED_NAMES = frozenset(["default_user_module_name", "_tuning_objective_metric"])

#: What every shell leaves as it is: the characters that shlex.quote leaves alone.
_SAFE = r"[A-Za-z0-9_@%+=:,./-]+"
_SAFE_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"

#: Hyperparameters that make a toolkit start several processes. A toolkit acts on one whose value is true in Python.
#: Sources: sagemaker-training-toolkit, environment.py (`get_distribution_instance_groups_from_resource_config`);
#: sagemaker-pytorch-training-toolkit, sagemaker-tensorflow-training-toolkit and sagemaker-mxnet-training-toolkit,
#: training.py of each; sagemaker-chainer-container, training.py.
DISTRIBUTED = frozenset(
    [
        "sagemaker_distributed_dataparallel_enabled",
        "sagemaker_mpi_enabled",
        "sagemaker_multi_worker_mirrored_strategy_enabled",
        "sagemaker_parameter_server_enabled",
        "sagemaker_pytorch_ddp_enabled",
        "sagemaker_pytorch_xla_multi_worker_enabled",
        "sagemaker_torch_distributed_enabled",
        "sagemaker_use_mpi",
    ]
)


def encode_hyperparameters(hyperparameters: Mapping[str, str], args: Sequence[str] = ()) -> dict[str, str]:
    r"""Return the HyperParameters of the API request, from those that the script gets. Values are as in the API: JSON.

    `args` are the script's arguments that come before those.

    >>> encode_hyperparameters({"eta": "0.1", "layers": "[1, 2]", "title": '"a b"'}, ["fit"])
    ... # doctest: +NORMALIZE_WHITESPACE
    {'eta': '0.1', 'sagemaker_mlci_value_layers': '[1, 2]', 'sagemaker_mlci_value_title': '"a b"',
     'sagemaker_mlci_start': '{"args": ["fit"]}'}
    """
    sent = {name if travels_plain(name, value) else VALUE + name: value for name, value in hyperparameters.items()}
    sent[START] = json.dumps({"args": list(args)})
    return sent


def argument_problems(args: Sequence[str]) -> Iterator[tuple[tuple[int, ...], str, str]]:
    r"""Yield what can't be sent of a training script's arguments: where, a sentence and a remedy.

    >>> [found[:2] for found in argument_problems(["a", "b\0"])]
    [((1,), 'argument 2 holds a character that no argument can hold: U+0000')]
    >>> [found[1] for found in argument_problems(["x" * 2500])]
    ['the arguments have 2514 characters, as they are sent in JSON; SageMaker allows 2500']
    """
    for index, text in enumerate(args):
        impossible = _IMPOSSIBLE.search(text)
        if impossible:
            sentence = f"holds a character that no argument can hold: U+{ord(impossible[0]):04X}"
            yield (index,), f"argument {index + 1} {sentence}", ""
    count = len(json.dumps({"args": list(args)}))
    if count > MAX_VALUE_CHARS:
        what = f"the arguments have {count} characters, as they are sent in JSON; SageMaker allows {MAX_VALUE_CHARS}"
        yield (), what, "Put some of them into a file that is sent along, or into hyperparameters"


def travels_plain(name: str, value: str) -> bool:
    """Return True if a hyperparameter can be sent under its own name: a shell leaves it alone, or the toolkits keep it.

    >>> [travels_plain("x", value) for value in ("0.1", "true", '"s3://b/k"', '"a b"', '"$HOME"', '""', "[1]", "null")]
    [True, True, True, False, False, False, False, False]
    >>> travels_plain("a;b", "1"), travels_plain("-x", "1"), travels_plain("sagemaker_program", '"my train.py"')
    (False, False, True)
    """
    if name.startswith(_RESERVED_PREFIX) or name in _RESERVED_NAMES:
        return not name.startswith((VALUE, START))
    return re.fullmatch(_SAFE_NAME, name) is not None and re.fullmatch(_SAFE, argument(decoded(value))) is not None


def decoded(value: str) -> Json:
    """Return a value as the toolkits read it: JSON, or the text itself where it is none.

    >>> decoded("4"), decoded('"train.py"'), decoded("train.py")
    (4, 'train.py', 'train.py')
    """
    try:
        result: Json = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return result


def argument(value: Json) -> str:
    """Return a value as the argument that the toolkits make of it.

    >>> argument([1, "a"]), argument({"y": 2, "x": 1}), argument(None), argument(True)
    ("[1, 'a']", 'x=1,y=2', '', 'True')
    """
    if isinstance(value, dict):
        return ",".join(f"{name}={item}" for name, item in sorted(value.items()))
    return "" if value is None else str(value)


def problems(hyperparameters: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    r"""Yield the hyperparameters that can't be sent: a name, or "" for all of them, and a sentence.

    >>> list(problems({"a": '"\\u0000"', "sagemaker_mpi_enabled": "true", "sagemaker_use_mpi": "false"}))
    ... # doctest: +NORMALIZE_WHITESPACE
    [('a', 'the value holds a character that no argument can hold: U+0000'),
     ('sagemaker_mpi_enabled', 'several processes for one training job are not supported; the script would run once')]
    """
    for name, value in hyperparameters.items():
        sentence = _problem(name, value)
        if sentence:
            yield name, sentence
    total = sum(len(name) + len(json.dumps(value)) for name, value in hyperparameters.items())
    if total > MAX_TOTAL_CHARS:
        yield "", f"all hyperparameters have {total} characters; a training image can take {MAX_TOTAL_CHARS}"


def _problem(name: str, value: str) -> str:
    meant = decoded(value)
    if name.startswith((VALUE, START)):
        return "names that begin with sagemaker_mlci_ are mlci's own"
    if name in DISTRIBUTED and meant:
        return "several processes for one training job are not supported; the script would run once"
    if name.startswith(_RESERVED_PREFIX) or name in _RESERVED_NAMES:
        return ""
    impossible = _IMPOSSIBLE.search(name) or _IMPOSSIBLE.search(argument(meant))
    if impossible:
        part = "name" if _IMPOSSIBLE.search(name) else "value"
        return f"the {part} holds a character that no argument can hold: U+{ord(impossible[0]):04X}"
    most = MAX_NAME_CHARS - (0 if travels_plain(name, value) else len(VALUE))
    if len(name) > most:
        return f"the name has {len(name)} characters; with this value it can have {most}"
    if len(value) > MAX_VALUE_CHARS:
        return f"the value has {len(value)} characters; SageMaker allows {MAX_VALUE_CHARS}"
    return ""


#: NUL ends an argument, and half of a surrogate pair is no UTF-8.
_IMPOSSIBLE = re.compile("[\x00\ud800-\udfff]")
