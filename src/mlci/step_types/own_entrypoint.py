"""A step without `run`: its image starts by itself, and nothing of mlci is in the container. Pure.

The image is one's own, or that of a built-in algorithm. The starter is not there, which reads secrets, installs
requirements, links paths and collects metrics. So the keys that need it are refused by name.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-dockerfile.html;
https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlci.step_types.algorithms import algorithm_problems, input_problems, is_algorithm
from mlci.step_types.keys import Json, Key, Scalar
from mlci.step_types.xgboost_values import value_text

#: The keys that only a script of the flow can have.
_SCRIPT_KEYS = ("source", "working_dir", "include", "requirements", "inference")
_MAX_WORDS, _MAX_WORD_CHARS = 100, 256

#: The sentence for a step without `run` that needs one, without the step.
MISSING_RUN = 'lacks "run"'

StepProblem = tuple[tuple[str | int, ...], str, str]

ENTRYPOINT = Key(
    "entrypoint",
    "texts",
    "Without run: the command that the container starts, instead of its image's own entry point.",
    examples=(["python3", "/app/train.py"],),
    # ContainerEntrypoint in AppSpecification and in AlgorithmSpecification.
    max_items=_MAX_WORDS,
    max_chars=_MAX_WORD_CHARS,
)
ALGORITHM = Key(
    "algorithm",
    "text",
    "Instead of run and image: a built-in algorithm of SageMaker with its version (training).",
    examples=("xgboost:1.7-1", "linear-learner:1"),
    problems=algorithm_problems,
)


def container_command(values: Mapping[str, Json], args: tuple[str, ...]) -> dict[str, Json]:
    """Return the fields of a request that start a container otherwise than its image does.

    >>> container_command({"entrypoint": ["train"]}, ("--fast",))
    {'ContainerEntrypoint': ['train'], 'ContainerArguments': ['--fast']}
    """
    entrypoint = values.get("entrypoint")
    fields: dict[str, Json] = (
        {"ContainerEntrypoint": list(entrypoint)} if isinstance(entrypoint, list) and entrypoint else {}
    )
    return {**fields, "ContainerArguments": list(args)} if args else fields


def plain_hyperparameters(hyperparameters: Mapping[str, Scalar]) -> dict[str, Json]:
    """Return hyperparameters as an image reads them that is in no script mode: as text."""
    return {name: value_text(value) for name, value in hyperparameters.items()}


def processing_problems(own: Mapping[str, Json], defaults: Mapping[str, Json]) -> Iterator[StepProblem]:
    """Yield what can't stand together in a processing step."""
    yield from _image_problems(own, defaults, "Add run: <path of the script>")
    if "run" not in own and "metric_definitions" in own:
        what = "SageMaker searches the output of training jobs for metrics, and that of processing jobs for none"
        yield ("metric_definitions",), what, "Without run, write metrics: <output>/<file>.json"


def training_problems(own: Mapping[str, Json], defaults: Mapping[str, Json]) -> Iterator[StepProblem]:
    """Yield what can't stand together in a training step."""
    if "algorithm" in own:
        yield from _algorithm_problems(own, defaults)
        return
    image, hint = own.get("image", defaults.get("image")), "Add run: <path of the script>"
    if is_algorithm(image):
        hint += f"; or, for the algorithm of that image, algorithm: {image} in place of image"
    yield from _image_problems(own, defaults, hint)
    if "run" not in own and "metrics" in own:
        what = 'files with metrics are collected by mlci\'s starter, which "run" starts'
        yield ("metrics",), what, 'Without run, write "metric_definitions": SageMaker finds them in the log'


def _algorithm_problems(own: Mapping[str, Json], defaults: Mapping[str, Json]) -> Iterator[StepProblem]:
    for key in ("run", "image", "entrypoint", "args"):
        if key in own:
            yield (
                (key,),
                f'"algorithm" and "{key}" exclude each other: an algorithm runs on its own image',
                "Remove one",
            )
    for key in ("metrics", "metric_definitions"):
        if key in own:
            what = "a built-in algorithm has metrics of its own, and SageMaker takes no others"
            yield (key,), what, 'Remove it; rules name them as they are: <step>["validation:rmse"]'
    yield from _starter_problems(own, defaults)
    algorithm, hyperparameters, inputs = own["algorithm"], own.get("hyperparameters", {}), own.get("inputs", {})
    if not isinstance(algorithm, str) or any(algorithm_problems(algorithm)):
        return
    if isinstance(hyperparameters, dict) and isinstance(inputs, dict):
        known = {name: value for name, value in hyperparameters.items() if isinstance(value, (str, int, float))}
        types = {name: _content_type(value) for name, value in inputs.items()}
        yield from input_problems(algorithm, known, types)


def _content_type(value: Json) -> str:
    written = value.get("content_type") if isinstance(value, dict) else None
    return written if isinstance(written, str) else ""


def _image_problems(own: Mapping[str, Json], defaults: Mapping[str, Json], hint: str) -> Iterator[StepProblem]:
    image = own.get("image", defaults.get("image"))
    if "run" in own:
        if "entrypoint" in own:
            yield ("entrypoint",), '"run" and "entrypoint" exclude each other: "run" is what starts', "Remove one"
    elif isinstance(image, dict) or (isinstance(image, str) and "/" in image):
        yield from _starter_problems(own, defaults)
    else:
        yield (), MISSING_RUN, hint


def _starter_problems(own: Mapping[str, Json], defaults: Mapping[str, Json]) -> Iterator[StepProblem]:
    """Yield the keys that need a script of the flow, or mlci's starter in the container."""
    without = "Without run, the image starts by itself"
    for key in _SCRIPT_KEYS:
        if key in own:
            yield (key,), f'"{key}" is for the script that "run" names', f"{without}: remove it, or add run"
    for variables in (own.get("env"), defaults.get("env")):
        for name, value in variables.items() if isinstance(variables, dict) else ():
            if "${{" in str(value) and "secrets." in str(value):
                what = f'"{name}" holds a secret, which mlci\'s starter reads in the container'
                yield ("env", name), what, f"{without}, and nothing reads it: have the image read it from AWS"
    inputs = own.get("inputs")
    for name, value in inputs.items() if isinstance(inputs, dict) else ():
        if isinstance(value, dict) and "path" in value:
            yield ("inputs", name, "path"), "mlci's starter links a path, for the script that it starts", without
    if isinstance(own.get("outputs"), dict):
        yield ("outputs",), "mlci's starter links the paths of outputs, for the script that it starts", without
