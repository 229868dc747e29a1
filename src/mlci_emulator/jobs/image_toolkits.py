"""Starts a training script as the toolkit in its image does: SageMaker's images differ in it. Pure.

Sources: sagemaker-training-toolkit at v5.0.0, src/sagemaker_training/process.py and _entry_point_type.py;
sagemaker-containers 2.8.6.post2, _modules.py and _env.py; sagemaker-xgboost-container at v3.0-5, training.py;
sagemaker-scikit-learn-container at eae7b6b, training.py; sagemaker-pytorch-training-toolkit at d929872, training.py;
sagemaker-tensorflow-training-toolkit at 18813ea, training.py.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mlci_dataclasses import dataclass
from mlci_emulator.jobs.training_toolkit import decode_hyperparameter, script_arguments, user_hyperparameters

if TYPE_CHECKING:
    from mlci_asl import Json

#: Hyperparameters that make a toolkit start several processes. A toolkit acts on one whose value is true in Python.
#: Sources: environment.py (`get_distribution_instance_groups_from_resource_config`) of the training toolkit;
#: training.py of the toolkits for PyTorch, TensorFlow and MXNet, and of sagemaker-chainer-container.
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


@dataclass(frozen=True)
class ImageToolkit:
    """The ways of one image's toolkit.

    `runs_modules`: it starts every program by `python -m`. `has_shell`: the command passes through a shell, unquoted.
    `strips_quotes`: the last argument loses its outer double quotes.
    """

    runs_modules: bool = False
    has_shell: bool = False
    strips_quotes: bool = False


#: SageMaker's images by their repository. An image of another name is taken for one whose toolkit changes no argument.
_TOOLKITS = (
    (re.compile(r"sagemaker-xgboost"), ImageToolkit(runs_modules=True)),
    (re.compile(r"sagemaker-scikit-learn"), ImageToolkit(strips_quotes=True)),
    (
        re.compile(r"(huggingface-)?(pytorch|tensorflow)-(trcomp-)?training|sagemaker-(pytorch|tensorflow-scriptmode)"),
        ImageToolkit(has_shell=True),
    ),
)


def repository_of(image: str) -> str:
    """Return the name of an image's repository.

    >>> repository_of("683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1")
    'sagemaker-xgboost'
    """
    return re.split("[:@]", image.rpartition("/")[2])[0]


def image_toolkit(image: str) -> ImageToolkit:
    """Return the toolkit of an image."""
    repository = repository_of(image)
    return next((toolkit for pattern, toolkit in _TOOLKITS if pattern.fullmatch(repository)), ImageToolkit())


def runs_module(toolkit: ImageToolkit, program: str, has_setup: bool) -> bool:
    """Return True if the toolkit starts the program by `python -m`. `has_setup`: a setup.py lies beside the program."""
    return toolkit.runs_modules or (has_setup and not program.endswith(".sh"))


def start_command(
    toolkit: ImageToolkit, python: str, program: str, arguments: Sequence[str], has_setup: bool
) -> tuple[str, ...]:
    """Return the command by which the toolkit starts a program of its code's folder.

    >>> start_command(ImageToolkit(runs_modules=True), "python", "src/train.py", ["--eta", "1"], False)
    ('python', '-m', 'src/train', '--eta', '1')
    >>> start_command(ImageToolkit(), "python", "src/train.py", ["--eta", "1"], False)
    ('python', 'src/train.py', '--eta', '1')
    >>> start_command(ImageToolkit(), "python", "train.sh", ["--name", "a b"], False)
    ('/bin/sh', '-c', "./train.sh --name 'a b'")
    """
    if not program.endswith(".py") and not runs_module(toolkit, program, has_setup):
        return ("/bin/sh", "-c", f"./{program} {shlex.join(arguments)}")
    if toolkit.strips_quotes and arguments:
        arguments = [*arguments[:-1], arguments[-1].strip('"')]
    if toolkit.runs_modules:
        return (python, "-m", program.removesuffix(".py"), *arguments)
    if has_setup:
        return (python, "-m", program.replace(".py", ""), *arguments)
    return (python, program, *arguments)


def refusal(image: str, program: str, hyperparameters: Mapping[str, str]) -> str | None:
    """Return what keeps a job from running here as it runs on SageMaker; None if nothing does."""
    for name in sorted(DISTRIBUTED & hyperparameters.keys()):
        if decode_hyperparameter(hyperparameters[name]):
            return (
                f"{name} starts several processes on SageMaker, and the local cloud starts one. Drop it for local runs."
            )
    toolkit = image_toolkit(image)
    if toolkit.runs_modules and program.startswith("-"):
        return f'the program "{program}" has a name that {repository_of(image)} can\'t install. Rename it.'
    if not toolkit.has_shell:
        return None
    where = f"images such as {repository_of(image)} pass it through a shell, which changes it"
    if not _PROGRAM.fullmatch(program):
        return f'the program "{program}" has a name that does not start: {where}. Rename it.'
    for name, value in user_hyperparameters(hyperparameters).items():
        if not all(_SAFE.fullmatch(argument) for argument in script_arguments({name: value})):
            return (
                f'the hyperparameter "{name}" does not arrive as it is: {where}. Give it letters, digits and '
                "@%+=:,./-_ alone, or run it by `mlci run`, which encodes it."
            )
    return None


#: The characters that every shell leaves alone; those of shlex.quote.
_SAFE = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
#: The names that sagemaker-training 5.1.4 accepts (process.validate_entry_point); the versions before need no others.
_PROGRAM = re.compile(r"[A-Za-z0-9._+/][A-Za-z0-9._+/-]*")


def in_folder(base: str, hyperparameters: Mapping[str, str]) -> dict[str, str]:
    """Return hyperparameters with `base` for `/opt/ml` at the start of texts, also of those in lists and objects.

    >>> in_folder("/w", {"a": '"/opt/ml/model"', "b": "1", "c": '"/opt/mlx"', "d": '{"x": ["/opt/ml/x"]}'})
    {'a': '"/w/model"', 'b': '1', 'c': '"/opt/mlx"', 'd': '{"x": ["/w/x"]}'}
    """
    return {name: _in_folder(base, value) for name, value in hyperparameters.items()}


def _in_folder(base: str, value: str) -> str:
    decoded: Json = decode_hyperparameter(value)
    changed = _with_base(base, decoded)
    return value if changed == decoded else json.dumps(changed)


def _with_base(base: str, value: Json) -> Json:
    match value:
        case str():
            from mlci_emulator.jobs.isolation import command_in_folder  # late: to read a request takes none of it

            return command_in_folder(base, [value])[0]
        case list():
            return [_with_base(base, part) for part in value]
        case dict():
            return {key: _with_base(base, part) for key, part in value.items()}
        case _:
            return value
