"""Every problem that a flow can have: the exact words and place, and beside each a twin that is accepted."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from mlci.flow.problems import listed
from mlci.flow.schema_models import COMMON_KEYS
from mlci.step_types import STEP_TYPES, all_keys
from mlci.step_types.hyperparameters import DISTRIBUTED
from support.flow_texts import (
    AT_TOP,
    EXAMPLE,
    IN_DEFAULTS,
    IN_EVALUATE,
    IN_PREPROCESS,
    IN_TRAIN,
    STEP_TYPE_CHOICES,
    changed,
    either,
    loaded,
    problems_of,
)

TAKE_OUTPUTS = listed([name for name, key in all_keys().items() if key.takes_outputs])


@dataclass(frozen=True)
class Case:
    """A change of the example that is wrong, one in the same place that is right, and what is said of the wrong one."""

    old: str
    wrong: str
    right: str
    problems: list[str]


def many(pattern: str, count: int, between: str) -> str:
    return between.join(pattern.format(number) for number in range(count))


_REFERENCES = [
    Case(
        "outputs.train }}",
        "outputs.trian }}",
        "outputs.test }}",
        ['21:14: step "preprocess" has no output "trian". Its outputs are "train" and "test"'],
    ),
    Case(
        "steps.preprocess.outputs.train",
        "steps.preproces.outputs.train",
        "steps.preprocess.outputs.train",
        [('21:14: step "train" reads an output of step "preproces", which does not exist. Did you mean "preprocess"?')],
    ),
    Case(
        "steps.preprocess.outputs.train",
        "steps.train.outputs.model",
        "steps.preprocess.outputs.train",
        ['21:14: step "train" reads its own output'],
    ),
    Case(
        "steps.train.outputs.model",
        "steps.train.outputs.weights",
        "steps.train.outputs.model",
        ['28:14: step "train" has no output "weights". Its only output is "model"'],
    ),
    Case(
        "steps.train.outputs.model",
        "step.train.outputs.model",
        "steps.train.outputs.model",
        [('28:14: "${{ step.train.outputs.model }}" is not a reference. Did you mean "steps.train.outputs.model"?')],
    ),
    Case(
        "params.max_depth }}",
        "params.maxdepth }}",
        "params.max_depth }}",
        ['23:18: the param "maxdepth" does not exist. Did you mean "max_depth"?'],
    ),
    Case(
        "${{ params.max_depth }}",
        "${{ params.max_depth + 1 }}",
        "${{ params.max_depth }}",
        [
            (
                '23:18: "${{ params.max_depth + 1 }}" is not a reference. References are ${{ '
                "params.<name> }}, ${{ env.<NAME> }}, ${{ steps.<step>.outputs.<output> }}, ${{ matrix.<key> }} "
                "in a step that has a matrix, in inputs ${{ baseline.steps.<step>.outputs.<output> }}, "
                "in args ${{ inputs.<name> }} and ${{ outputs.<name> }}, in env "
                "${{ secrets.<name> }}, and in message ${{ steps.<step>.metrics.<path> }}"
            )
        ],
    ),
    Case(
        "${{ params.max_depth }}",
        "${{ params.max_depth }",
        "${{ params.max_depth }}",
        ["23:18: ${{ is opened and not closed. Close it with }}"],
    ),
    Case(
        "${{ params.max_depth }}",
        "x/${{ }}",
        "x/${{ params.max_depth }}",
        [
            (
                '23:20: "${{ }}" is not a reference. References are ${{ '
                "params.<name> }}, ${{ env.<NAME> }}, ${{ steps.<step>.outputs.<output> }}, ${{ matrix.<key> }} "
                "in a step that has a matrix, in inputs ${{ baseline.steps.<step>.outputs.<output> }}, "
                "in args ${{ inputs.<name> }} and ${{ outputs.<name> }}, in env "
                "${{ secrets.<name> }}, and in message ${{ steps.<step>.metrics.<path> }}"
            )
        ],
    ),
    Case(
        "${{ params.max_depth }}",
        "${{ inputs.train }}",
        "${{ steps.preprocess.outputs.test }}",
        [
            (
                '23:18: "${{ inputs.train }}" cannot stand here: it is a path inside the container, for '
                "args. For another step's output, write ${{ steps.<step>.outputs.<output> }}"
            )
        ],
    ),
    Case(
        '["--test-size", "0.2"]',
        '["${{ inputs.rew }}", "é ${{ outputs.train }} ${{ outputs.trian }}"]',
        '["${{ inputs.raw }}", "é ${{ outputs.train }} ${{ outputs.test }}"]',
        [
            '13:13: step "preprocess" has no input "rew". Its only input is "raw"',
            '13:57: step "preprocess" has no output "trian". Its outputs are "train" and "test"',
        ],
    ),
    Case(
        '["--test-size", "0.2"]',
        '["${{ steps.preprocess.outputs.train }}"]',
        '["${{ outputs.train }}"]',
        [('13:13: step "preprocess" reads its own output. In args, ${{ outputs.<name> }} is where a step writes')],
    ),
    Case(
        '    args: ["--test-size", "0.2"]\n',
        "    args:\n      - >-\n        first\n        ${{ inputs.raw }} ${{ inputs.rew }}\n",
        "    args:\n      - >-\n        first\n        ${{ inputs.raw }}\n",
        ['16:27: step "preprocess" has no input "rew". Its only input is "raw"'],
    ),
    Case(
        "raw: data/breast_cancer.csv",
        "raw: ${{ inputs.raw }}",
        "raw: ${{ params.max_depth }}.csv",
        [
            (
                '15:12: "${{ inputs.raw }}" cannot stand here: it is a path inside the container, for '
                "args. For another step's output, write ${{ steps.<step>.outputs.<output> }}"
            )
        ],
    ),
    Case(
        "train: ${{ steps.preprocess.outputs.train }}",
        "train: ${{ steps.preprocess.outputs.train }}/x.csv",
        "train: ${{ steps.preprocess.outputs.train }}",
        [
            (
                '21:14: input "train" adds a text to a reference. Read the output whole, and add the path '
                "in args: ${{ inputs.<name> }}/<path>"
            )
        ],
    ),
    Case(
        "flow: breast-cancer",
        "flow: ${{ params.max_depth }}",
        "flow: breast-cancer",
        ['1:7: "flow" takes no references: it is read before them'],
    ),
    Case(
        "uses: training",
        "uses: ${{ params.max_depth }}",
        "uses: training",
        ['18:11: "uses" takes no references: it decides what the step\'s other keys mean'],
    ),
    Case(
        "  min_auc: 0.97",
        "  min_auc: ${{ params.max_depth }}",
        "  min_auc: 0.97",
        ['4:12: "params" takes no references: it is read before them'],
    ),
    Case(
        IN_TRAIN,
        IN_TRAIN + '    request: {A: "${{ steps.preprocess.outputs.train }}"}\n',
        IN_TRAIN + '    request: {A: "${{ params.max_depth }}"}\n',
        [
            (
                '20:19: "${{ steps.preprocess.outputs.train }}" cannot stand here: it is known only while '
                f"the flow runs. Outputs of steps can be read in {TAKE_OUTPUTS}"
            )
        ],
    ),
    Case(
        IN_DEFAULTS,
        IN_DEFAULTS + '  env: {A: "${{ steps.train.outputs.model }}"}\n',
        IN_DEFAULTS + '  env: {A: "${{ params.max_depth }}"}\n',
        [
            (
                '9:13: "${{ steps.train.outputs.model }}" cannot stand here: it is known only while the '
                f"flow runs. Outputs of steps can be read in {TAKE_OUTPUTS}"
            )
        ],
    ),
    Case(
        IN_TRAIN,
        IN_TRAIN + '    env: {A: "' + "${{ params.max_depth }}" * 51 + '"}\n',
        IN_TRAIN + '    env: {A: "' + "${{ params.max_depth }}" * 50 + '"}\n',
        ["20:15: the text holds more than 50 references. Write fewer"],
    ),
]


_KEYS_AND_TYPES = [
    Case(
        "    inputs:\n      train:",
        "    imputs:\n      train:",
        "    inputs:\n      train:",
        ['20:5: unknown key "imputs" in step "train". Did you mean "inputs"?'],
    ),
    Case(
        IN_TRAIN,
        IN_TRAIN + "    needs: [preprocess]\n",
        IN_TRAIN + "    after: [preprocess]\n",
        ['20:5: unknown key "needs" in step "train". Did you mean "after"?'],
    ),
    Case(
        IN_TRAIN,
        IN_TRAIN + "    frobnicate: 1\n",
        IN_TRAIN + "    volume_gb: 1\n",
        [
            (
                '20:5: unknown key "frobnicate" in step "train". Known keys: '
                + ", ".join(sorted(["uses", *(key.name for key in (*STEP_TYPES["training"].keys, *COMMON_KEYS))]))
            )
        ],
    ),
    Case("gate:\n", "gates:\n", "gate:\n", ['32:1: unknown key "gates" in the flow. Did you mean "gate"?']),
    Case("steps:\n", "stpes:\n", "steps:\n", ['9:1: unknown key "stpes" in the flow. Did you mean "steps"?']),
    Case(
        "metric: evaluate.auc",
        "metrc: evaluate.auc",
        "metric: evaluate.auc",
        ['33:5: unknown key "metrc" in rule 1 of "gate". Did you mean "metric"?'],
    ),
    Case(
        AT_TOP,
        AT_TOP + "aws: {buckt: abc}\n",
        AT_TOP + "aws: {bucket: abc}\n",
        ['2:7: unknown key "buckt" in "aws". Did you mean "bucket"?'],
    ),
    Case(
        AT_TOP,
        AT_TOP + "local: {pyhton: x}\n",
        AT_TOP + "local: {python: x}\n",
        ['2:9: unknown key "pyhton" in "local". Did you mean "python"?'],
    ),
    Case(
        "image: xgboost:1.7-1",
        "image: {bild: x}",
        "image: {build: x}",
        ['6:11: unknown key "bild" in "image". Did you mean "build"?'],
    ),
    Case(
        "image: xgboost:1.7-1",
        "image: {build: x, dockerfile: ../Dockerfile}",
        "image: {build: x, dockerfile: a/Dockerfile}",
        ['6:33: "../Dockerfile" lies outside of the folder. It is relative to the folder, and part of what is built'],
    ),
    Case(
        "image: xgboost:1.7-1",
        "image: {build: /x}",
        "image: {build: ./x}",
        ['6:18: "/x" lies outside of the repository. Paths are relative to the flow file\'s folder'],
    ),
    Case(
        "image: xgboost:1.7-1",
        "image: {build: x, args: {--squash: 1}}",
        "image: {build: x, args: {SQUASH: 1}}",
        [
            (
                '6:28: "--squash" can\'t be the name of a build argument. '
                "Letters, digits and _, beginning with a letter or _"
            )
        ],
    ),
    Case(AT_TOP, "", "flow: x\n", ['1:1: the flow lacks "flow". Add flow: <name>']),
    Case(
        "    uses: training\n",
        "",
        "    uses: training\n",
        [f'17:3: step "train" lacks "uses". Add {either([f"uses: {name}" for name in STEP_TYPES])}'],
    ),
    Case(
        IN_TRAIN,
        "",
        IN_TRAIN + "",
        [
            (
                '17:3: step "train" lacks "run". Add run: <path of the script>; or, for the algorithm of that image, '
                "algorithm: xgboost:1.7-1 in place of image"
            )
        ],
    ),
    Case(
        "uses: training",
        "uses: trainning",
        "uses: training",
        [f'18:11: "uses" must be {STEP_TYPE_CHOICES}, but is the text "trainning". Did you mean "training"?'],
    ),
    Case(
        "uses: training",
        "uses: trainig",
        "uses: training",
        [f'18:11: "uses" must be {STEP_TYPE_CHOICES}, but is the text "trainig". Did you mean "training"?'],
    ),
    Case(
        "uses: training",
        "uses: 3",
        "uses: training",
        [f'18:11: "uses" must be {STEP_TYPE_CHOICES}, but is the integer 3'],
    ),
    Case(
        "outputs: [train, test]",
        "outputs: train",
        "outputs: [train, test]",
        ['16:14: "outputs" must be a list, but is the text "train". Write [train]'],
    ),
    Case(
        "outputs: [train, test]",
        "outputs: [train, 5, test]",
        'outputs: [train, "5", test]',
        ['16:22: item 2 of "outputs" must be text, but is the integer 5. Put it in quotes'],
    ),
    Case(
        "outputs: [train, test]",
        "outputs: [train, train, test]",
        "outputs: [train, other, test]",
        ['16:22: the output "train" is given twice. Remove one'],
    ),
    Case(
        "run: src/breast_cancer/train.py",
        "run: 5",
        'run: "5"',
        ['19:10: "run" must be text, but is the integer 5. Put it in quotes'],
    ),
    Case("run: src/breast_cancer/train.py", "run: [x.py]", "run: x.py", ['19:10: "run" must be text, but is a list']),
    Case(
        '["--test-size", "0.2"]',
        "[[a], b]",
        "[a, b]",
        ['13:12: item 1 of "args" must be true or false, an integer, a number or text, but is a list'],
    ),
    Case(
        "instance: ml.m5.xlarge",
        "instance_count: two",
        "instance_count: 2",
        ['7:19: "instance_count" must be an integer, but is the text "two"'],
    ),
    Case(
        "instance: ml.m5.xlarge",
        "instance_count: 1.5",
        "instance_count: 1",
        ['7:19: "instance_count" must be an integer, but is the number 1.5'],
    ),
    Case(
        "instance: ml.m5.xlarge",
        "instance_count: ${{ params.min_auc }}",
        "instance_count: ${{ params.max_depth }}",
        ['7:19: "instance_count" must be an integer, but is the number 0.97'],
    ),
    Case(
        "instance: ml.m5.xlarge",
        "volume_gb: true",
        "volume_gb: 50",
        ['7:14: "volume_gb" must be an integer, but is true'],
    ),
    Case(
        "image: xgboost:1.7-1",
        "image: 3",
        "image: xgboost:3",
        ['6:10: "image" must be framework:version, an image URI or {build: <folder>}, but is the integer 3'],
    ),
    Case(
        "      raw: data/breast_cancer.csv",
        "      raw:",
        "      raw: data",
        ['15:7: "raw" has no value. Write one, or remove the key'],
    ),
    Case(
        "    inputs:\n      raw: data/breast_cancer.csv",
        "    inputs: [data]",
        "    inputs: {raw: data}",
        ['14:13: "inputs" must be a mapping, but is a list. Write "name: value", not a list'],
    ),
    Case(
        IN_TRAIN,
        IN_TRAIN + "    after: 3\n",
        IN_TRAIN + "    after: preprocess\n",
        ['20:12: "after" must be a step\'s name, a list of them, or gate, but is the integer 3'],
    ),
    Case(
        IN_TRAIN,
        IN_TRAIN + "    include: '*.json'\n",
        IN_TRAIN + "    include: ['*.json']\n",
        ['20:14: "include" must be a list, but is the text "*.json". Write [*.json]'],
    ),
    Case(
        IN_TRAIN,
        IN_TRAIN + "    request: ~\n",
        IN_TRAIN + "    request: {A: ~}\n",
        ['20:14: "request" must be a mapping, but is empty'],
    ),
    Case(
        "  train:\n",
        "  empty:\n  text: abc\n  train:\n",
        "  train:\n",
        [
            '17:3: step "empty" is empty. It needs at least "uses" and "run"',
            '18:3: step "text" must be a mapping, but is the text "abc". It needs at least "uses" and "run"',
        ],
    ),
    Case(
        "steps:\n",
        "steps: []\nother:\n",
        "steps:\n",
        [
            (
                '9:8: "steps" must be a mapping of steps, but is a list. Write each step by its name: '
                '"train:", and its keys indented below it'
            ),
            (
                '10:1: unknown key "other" in the flow. '
                "Known keys: aws, defaults, flow, gate, local, params, secrets, steps"
            ),
        ],
    ),
    Case(
        "  max_depth: 4\n",
        "  max_depth: null\n",
        "  max_depth: 0\n",
        [
            (
                '3:14: a param is text, a number, true or false, but "max_depth" is empty. Give it a '
                "value, such as max_depth: 0.5"
            )
        ],
    ),
    Case(
        "  max_depth: 4\n",
        "  max_depth: [1]\n",
        "  max_depth: 1\n",
        [
            (
                '3:14: a param is text, a number, true or false, but "max_depth" is a list. Give it a '
                "value, such as max_depth: 0.5"
            )
        ],
    ),
    Case(
        "  max_depth: 4\n",
        "  max_depth: 4\n  max-depth: 3\n",
        "  max_depth: 4\n  min-depth: 3\n",
        ['4:3: the params "max_depth" and "max-depth" have one variable, MLCI_PARAM_MAX_DEPTH. Rename one'],
    ),
    Case(
        "  max_depth: 4\n",
        "  max_depth: 4\n  max.depth: 3\n",
        "  max_depth: 4\n  min-depth: 3\n",
        ['4:3: "max.depth" cannot be a param\'s name. Use letters, digits, - and _, and begin with a letter'],
    ),
    Case(
        IN_TRAIN,
        IN_TRAIN + "    outputs: {modle: model.pkl}\n",
        IN_TRAIN + "    outputs: {model: model.pkl}\n    metrics: model/x.json\n",
        [
            '20:15: "modle" is no output of a training step. Its only output is "model"',
        ],
    ),
    Case(
        IN_PREPROCESS,
        IN_PREPROCESS + "    hyperparameters: {a: 1}\n",
        IN_PREPROCESS + "    env: {a: 1}\n",
        [
            (
                '13:5: "hyperparameters" is for training and tuning steps, and "preprocess" is a processing step. '
                'Give a processing step\'s script its values as "args": [--name, value]'
            )
        ],
    ),
]

_ORDER = [
    Case(
        IN_PREPROCESS,
        IN_PREPROCESS + "    after: evaluate\n",
        IN_PREPROCESS + "    after: []\n",
        [
            (
                '10:3: "preprocess" needs "evaluate" and "evaluate" needs "preprocess". Steps cannot wait '
                "for each other in a circle"
            )
        ],
    ),
    Case(
        IN_PREPROCESS,
        IN_PREPROCESS + "    after: preprocess\n",
        IN_PREPROCESS + "    after: []\n",
        ['13:12: step "preprocess" runs after itself'],
    ),
    Case(
        IN_TRAIN,
        IN_TRAIN + "    after: [preproces]\n",
        IN_TRAIN + "    after: [preprocess]\n",
        [('20:13: step "train" runs after step "preproces", which does not exist. Did you mean "preprocess"?')],
    ),
    Case(
        IN_PREPROCESS,
        IN_PREPROCESS + "    after: gate\n",
        IN_PREPROCESS + "    after: []\n",
        [
            (
                '10:3: "preprocess" runs after the gate, the gate reads metrics of "evaluate" and '
                '"evaluate" needs "preprocess". Steps cannot wait for each other in a circle'
            )
        ],
    ),
    Case(
        (
            "gate:\n  - metric: evaluate.auc\n    min: ${{ params.min_auc }}\n"
            "  - metric: evaluate.recall\n    min: 0.9\n"
            '    max_drop: 0.02                              # against the baseline; "2%" is relative\n'
        ),
        "  later: {uses: training, run: x.py, after: gate}\n",
        "  later: {uses: training, run: x.py, after: evaluate}\n",
        [('32:45: step "later" runs after the gate, and the flow has none. Add "gate" with at least one rule')],
    ),
    Case(
        IN_PREPROCESS,
        IN_PREPROCESS + "    if: [{metric: evaluate.auc, min: 0.5}]\n",
        IN_PREPROCESS + "    after: []\n",
        [
            (
                '10:3: "preprocess" needs "evaluate" and "evaluate" needs "preprocess". Steps cannot wait '
                "for each other in a circle"
            )
        ],
    ),
    Case(
        IN_EVALUATE,
        IN_EVALUATE + "    if: [{metric: evaluate.auc, min: 0.5}]\n",
        IN_EVALUATE + "    after: []\n",
        [('27:9: "if" of step "evaluate" reads the metrics of the step itself, which are not there before it runs')],
    ),
    Case(
        "  evaluate:\n",
        (
            "  one: {uses: training, run: x.py, after: three}\n"
            "  two: {uses: training, run: x.py, after: one}\n"
            "  three: {uses: training, run: x.py, after: two}\n  evaluate:\n"
        ),
        (
            "  one: {uses: training, run: x.py}\n  two: {uses: training, run: x.py, after: one}\n"
            "  three: {uses: training, run: x.py, after: two}\n  evaluate:\n"
        ),
        [
            (
                '24:3: "one" needs "three", "three" needs "two" and "two" needs "one". Steps cannot wait '
                "for each other in a circle"
            )
        ],
    ),
]

_NO_METRICS_FILE = (
    '{}: "{}" does not name a file. Write <output>/<path of a file in it>, or a path in the script\'s working folder, '
    "such as reports/metrics.json"
)
_RULES = [
    Case(
        "metric: evaluate.auc",
        "metric: evaluat.auc",
        "metric: evaluate.auc",
        ['33:13: the gate reads a metric of step "evaluat", which does not exist. Did you mean "evaluate"?'],
    ),
    Case(
        "metric: evaluate.auc",
        "metric: train.auc",
        "metric: evaluate.auc",
        [
            (
                '33:13: the gate reads a metric of step "train", which writes none. Give "train" a '
                '"metrics: <output>/<file>.json"'
            )
        ],
    ),
    Case(
        "steps:",
        "steps:\n  pause: {uses: wait, seconds: 1, if: [{metric: pause.auc, min: 1}]}",
        "steps:\n  pause: {uses: wait, seconds: 1, if: [{metric: evaluate.auc, min: 1}]}",
        [
            (
                '10:49: "if" of step "pause" reads a metric of step "pause", which writes none. A step of that type '
                'has no metrics: name one that reads what "pause" leaves, and writes "metrics"'
            )
        ],
    ),
    Case(
        "metric: evaluate.auc",
        "metric: auc",
        "metric: evaluate.auc",
        [
            (
                '33:13: "auc" does not name a metric. Write the step that writes it, a dot, and its path '
                "in the JSON: evaluate.auc"
            )
        ],
    ),
    Case(
        "metric: evaluate.auc",
        "metric: evaluate..auc",
        "metric: evaluate.a.auc",
        [
            (
                '33:13: "evaluate..auc" does not name a metric. Write the step that writes it, a dot, and '
                "its path in the JSON: evaluate.auc"
            )
        ],
    ),
    Case(
        "    min: 0.9\n    max_drop: 0.02  ",
        "  ",
        "    max_rise: 0.02  ",
        ['35:5: rule 2 of "gate" has no limit. Give it "min", "max", "max_drop" or "max_rise"'],
    ),
    Case(
        "    min: 0.9\n",
        "    minimum: 0.9\n",
        "    min: 0.9\n",
        ['36:5: unknown key "minimum" in rule 2 of "gate". Did you mean "min"?'],
    ),
    Case(
        "min: 0.9\n",
        "min: 0.9\n    max: 0.5\n",
        "min: 0.5\n    max: 0.9\n",
        ['37:10: "evaluate.recall" cannot be at least 0.9 and at most 0.5. Swap or correct the limits'],
    ),
    Case(
        "metric: evaluate.recall",
        "metric: evaluate.auc",
        "metric: evaluate.f1",
        ['36:10: "evaluate.auc" has a "min" already. Keep one of the two'],
    ),
    Case("min: 0.9\n", 'min: "0.9"\n', "min: 0.9\n", ['36:10: "min" must be a number, but is the text "0.9"']),
    Case("min: 0.9\n", "min: 90%\n", "min: 0.9\n", ['36:10: "min" must be a number, but is the text "90%"']),
    Case("min: 0.9\n", "min: true\n", "min: 1\n", ['36:10: "min" must be a number, but is true']),
    Case(
        "min: 0.9\n",
        "min: .nan\n",
        "min: 1.0e-3\n",
        ["36:10: .nan is not a finite number. Put it in quotes if it is a text"],
    ),
    Case(
        "min: 0.9\n",
        "min: -.inf\n",
        "min: -1\n",
        ["36:10: -.inf is not a finite number. Put it in quotes if it is a text"],
    ),
    Case(
        "max_drop: 0.02",
        "max_drop: -0.02",
        "max_drop: 0",
        ['37:15: "max_drop" must be at least 0, but is the number -0.02. Write how far, without a sign'],
    ),
    Case(
        "max_drop: 0.02",
        "max_drop: -2%",
        "max_drop: 2%",
        ['37:15: "max_drop" must be a number or a percentage, but is the text "-2%". Such as "2%"'],
    ),
    Case(
        "max_drop: 0.02",
        "max_drop: 2 percent",
        'max_drop: "2 %"',
        ['37:15: "max_drop" must be a number or a percentage, but is the text "2 percent". Such as "2%"'],
    ),
    Case(
        "max_drop: 0.02",
        "max_drop: [1]",
        "max_drop: 1",
        ['37:15: "max_drop" must be a number, or a percentage such as "2%", but is a list'],
    ),
    Case(
        IN_TRAIN,
        IN_TRAIN + "    if: {metric: evaluate.auc, min: 0.5}\n",
        IN_TRAIN + "    request: {}\n",
        [
            (
                '20:9: "if" must be a list of rules, but is a mapping. Write "- metric: <step>.<name>" '
                'and "min: <number>" below it'
            )
        ],
    ),
    Case(
        IN_TRAIN,
        IN_TRAIN + "    if: []\n",
        IN_TRAIN + "    request: {}\n",
        [('20:9: "if" has no rules. Write "- metric: <step>.<name>" and "min: <number>" below it, or remove the key')],
    ),
    Case(
        "  - metric: evaluate.auc\n",
        "  - evaluate.auc\n  - metric: evaluate.auc\n",
        "  - metric: evaluate.auc\n",
        [
            (
                '33:5: item 1 of "gate" must be a rule, but is the text "evaluate.auc". Write "- metric: '
                '<step>.<name>" and "min: <number>" below it'
            )
        ],
    ),
    Case(
        "metrics: evaluation/metrics.json",
        "metrics: evaluaton/metrics.json",
        "metrics: evaluation/a/b.json",
        [('31:14: "metrics" is in "evaluaton", which is no output of step "evaluate". Did you mean "evaluation"?')],
    ),
    Case(
        "metrics: evaluation/metrics.json",
        "metrics: evaluation",
        "metrics: metrics.json",
        ['31:14: "evaluation" is an output, and "metrics" names a file. Such as evaluation/*.json'],
    ),
    Case(
        "metrics: evaluation/metrics.json",
        "metrics: evaluation/../x.json",
        "metrics: ./evaluaton/x.json",
        [_NO_METRICS_FILE.format("31:14", "evaluation/../x.json")],
    ),
    Case(
        "metrics: evaluation/metrics.json",
        "metrics: [/tmp/x.json, evaluation/a.json, a//b.csv]",
        "metrics: [/opt/ml/output/data/x.json, evaluation/a.json, a/**/*.csv]",
        [_NO_METRICS_FILE.format("31:15", "/tmp/x.json"), _NO_METRICS_FILE.format("31:47", "a//b.csv")],
    ),
    Case(
        "metrics: evaluation/metrics.json",
        "metrics: {a: '../x.json', b: 3}",
        "metrics: {a: x.json, b: y.yaml}",
        [
            _NO_METRICS_FILE.format("31:18", "../x.json"),
            '31:34: "b" must be text, but is the integer 3. Put it in quotes',
        ],
    ),
    Case(
        "metrics: evaluation/metrics.json",
        "metrics: []",
        "metrics: [a.json]",
        [_NO_METRICS_FILE.format("31:14", "").replace('"" does not name a file', '"metrics" names no file')],
    ),
    Case(
        "metrics: evaluation/metrics.json",
        "metrics: 3",
        "metrics: '3'",
        ['31:14: "metrics" must be a path, a list of them, or a map of names to paths, but is the integer 3'],
    ),
    Case(
        IN_TRAIN,
        IN_TRAIN + "    metrics: m.json\n    request: {CheckpointConfig: {S3Uri: 's3://b/c'}}\n",
        IN_TRAIN + "    request: {CheckpointConfig: {S3Uri: 's3://b/c'}}\n",
        [
            (
                '21:15: CheckpointConfig is how the metrics of step "train" get to S3. Remove it, or write the metrics '
                "in a step that reads this one's output"
            )
        ],
    ),
    Case(
        "outputs: [evaluation]",
        "outputs: [evaluation, b, c, d, e, f, g, h, i, j]\n    metric_definitions: [{name: a, regex: 'a=(.*)'}]",
        "outputs: [evaluation, b, c, d, e, f, g, h, i]\n    metric_definitions: [{name: a, regex: 'a=(.*)'}]",
        ['32:5: step "evaluate" has 10 outputs, and its metrics need one more. AWS allows 10'],
    ),
    Case(
        IN_TRAIN,
        IN_TRAIN + "    metric_definitions: [{name: a, regex: 'a=('}, {name: a, regex: ''}, {Name: x}, 3]\n",
        IN_TRAIN + "    metric_definitions: [{name: a, regex: 'a=(.*)'}, {name: b, regex: b}]\n",
        [
            '20:73: item 3 of "metric_definitions" lacks "regex". Add regex: <regular expression with one group>',
            '20:74: unknown key "Name" in item 3 of "metric_definitions". Did you mean "name"?',
            '20:84: item 4 of "metric_definitions" must be a mapping, but is the integer 3',
        ],
    ),
    Case(
        "uses: training",
        "uses: trainin\n    metric_definitions: [{name: a, regex: 'a=(.*)'}]",
        "uses: training\n    metric_definitions: [{name: a, regex: 'a=(.*)'}]",
        [
            (
                '18:11: "uses" must be "processing", "training", "tuning", "transform", "model", "endpoint", '
                '"register", "glue", "lambda", "wait", "approval" or "fail", but is the text "trainin". Did you '
                'mean "training"?'
            )
        ],
    ),
    Case(
        IN_TRAIN,
        IN_TRAIN + "    metric_definitions: [{name: a, regex: 'a=('}, {name: a, regex: ''}]\n",
        IN_TRAIN + "    metric_definitions: [{name: a.b, regex: 'a=(.*)'}]\n",
        [
            (
                '20:43: "a=(" is not a regular expression: missing ), unterminated subpattern at position 2. In YAML, '
                "put it in single quotes"
            ),
            '20:58: the metric "a" is defined twice. Remove one, or write one regex for both: a|b',
            """20:68: "regex" must be a line of text. Such as: name: val_loss, regex: 'val_loss=([0-9.]+)'""",
        ],
    ),
    Case(
        IN_TRAIN,
        IN_TRAIN + "    metric_definitions: {a: 'a=(.*)'}\n",
        IN_TRAIN + "    metric_definitions: [{name: a, regex: 'a=(.*)'}]\n",
        ['20:25: "metric_definitions" must be a list of names and regular expressions, but is a mapping'],
    ),
]

_LIMITS_OF_AWS = [
    Case(
        "flow: breast-cancer",
        "flow: breast_cancer",
        "flow: breast-cancer",
        [('1:7: "breast_cancer" cannot be the name of a flow. Use letters, digits and -, beginning with a letter')],
    ),
    Case(
        "flow: breast-cancer",
        "flow: " + "x" * 61,
        "flow: " + "x" * 60,
        [(f'1:7: the name of a flow, "{"x" * 57}...", has 61 characters. At most 60 are allowed')],
    ),
    Case(
        "  train:\n    uses",
        "  gate:\n    uses: training\n    run: x.py\n  train:\n    uses",
        "  gates:\n    uses: training\n    run: x.py\n  train:\n    uses",
        ['17:3: "gate" cannot be the name of a step: it is taken. Choose another'],
    ),
    Case(
        "  train:\n    uses",
        "  1st:\n    uses: training\n    run: x.py\n  train:\n    uses",
        "  first:\n    uses: training\n    run: x.py\n  train:\n    uses",
        ['17:3: "1st" cannot be the name of a step. Use letters, digits, - and _, beginning with a letter'],
    ),
    Case(
        "  train:\n    uses",
        "  " + "x" * 64 + ":\n    uses: training\n    run: x.py\n  train:\n    uses",
        "  " + "x" * 63 + ":\n    uses: training\n    run: x.py\n  train:\n    uses",
        [(f'17:3: the name of a step, "{"x" * 57}...", has 64 characters. At most 63 are allowed')],
    ),
    Case(
        "  train:\n    uses",
        (
            "  Pre_Process:\n    uses: training\n    run: x.py\n  pre-process:\n"
            "    uses: training\n    run: x.py\n  train:\n    uses"
        ),
        "  Pre_Process:\n    uses: training\n    run: x.py\n  train:\n    uses",
        [
            (
                '20:3: the steps "Pre_Process" and "pre-process" differ only by case or by - and _, and '
                "job names cannot. Rename one"
            )
        ],
    ),
    Case(
        "outputs: [train, test]",
        "outputs: [train, test, -x]",
        "outputs: [train, test, x-]",
        [
            (
                '16:28: "-x" cannot be the name of an output. Use letters, digits, ., - and _, beginning '
                "with a letter or digit"
            )
        ],
    ),
    Case(
        "outputs: [train, test]",
        f"outputs: [train, test, {many('o{}', 9, ', ')}]",
        f"outputs: [train, test, {many('o{}', 8, ', ')}]",
        ['16:5: step "preprocess" has 11 outputs. AWS allows 10'],
    ),
    Case(
        "raw: data/breast_cancer.csv",
        "code: data",
        "raw: data",
        ['15:7: "code" cannot be the name of an input: it is taken. Choose another'],
    ),
    Case(
        "raw: data/breast_cancer.csv",
        "raw data: data",
        "raw.data: data",
        [
            (
                '15:7: "raw data" cannot be the name of an input. Use letters, digits, ., - and _, '
                "beginning with a letter or digit"
            )
        ],
    ),
    Case(
        "      raw: data/breast_cancer.csv",
        many("      i{}: x", 10, "\n"),
        many("      i{}: x", 9, "\n"),
        ['14:5: step "preprocess" has 10 inputs. AWS allows 9'],
    ),
    Case(
        "      train: ${{ steps.preprocess.outputs.train }}",
        many("      i{}: x", 21, "\n"),
        many("      i{}: x", 20, "\n"),
        ['20:5: step "train" has 21 inputs. AWS allows 20'],
    ),
    Case(
        '["--test-size", "0.2"]',
        "[a, " + "x" * 257 + "]",
        "[a, " + "x" * 256 + "]",
        ["13:15: argument 2 has 257 characters. AWS allows 256"],
    ),
    Case(
        '["--test-size", "0.2"]',
        f"[{many('a', 101, ', ')}]",
        f"[{many('a', 100, ', ')}]",
        ['13:5: step "preprocess" has 101 args. AWS allows 100'],
    ),
    Case(
        '["--test-size", "0.2"]',
        '["a\\nb"]',
        '["a\\tb"]',
        ["13:12: argument 1 holds a line break, which AWS does not allow"],
    ),
    Case(
        IN_TRAIN,
        IN_TRAIN + "    env: {A-B: 1}\n",
        IN_TRAIN + "    env: {A_B: 1}\n",
        [
            (
                '20:11: "A-B" cannot be the name of an environment variable. Use letters, digits and _, '
                "beginning with a letter or _"
            )
        ],
    ),
    Case(
        IN_TRAIN,
        IN_TRAIN + "    env: {A: " + "x" * 513 + "}\n",
        IN_TRAIN + "    env: {A: " + "x" * 512 + "}\n",
        ['20:14: the value of "A" has 513 characters. AWS allows 512'],
    ),
    Case(
        IN_PREPROCESS,
        IN_PREPROCESS + "    env: {A: " + "x" * 257 + "}\n",
        IN_PREPROCESS + "    env: {A: " + "x" * 256 + "}\n",
        ['13:14: the value of "A" has 257 characters. AWS allows 256'],
    ),
    Case(
        IN_PREPROCESS,
        IN_PREPROCESS + "    env:\n" + many("      A{}: 1\n", 101, ""),
        IN_PREPROCESS + "    env:\n" + many("      A{}: 1\n", 100, ""),
        ['13:5: step "preprocess" has 101 environment variables. AWS allows 100'],
    ),
    Case(
        "      max_depth: ${{",
        "      sagemaker_program: ${{",
        "      program: ${{",
        [
            (
                '23:7: "sagemaker_program" cannot be the name of a hyperparameter. Use printable '
                "characters, not beginning with sagemaker_"
            )
        ],
    ),
    Case(
        "      max_depth: ${{ params.max_depth }}",
        "      a: " + "x" * 2499,
        "      a: " + "x" * 2498,
        ['23:10: the value of "a" has 2501 characters. AWS allows 2500'],
    ),
    Case(
        "      max_depth: ${{ params.max_depth }}",
        many("      h{}: 1", 96, "\n"),
        many("      h{}: 1", 95, "\n"),
        ['22:5: step "train" has 96 hyperparameters. AWS allows 95'],
    ),
    Case(
        IN_TRAIN,
        IN_TRAIN + """    request: {HyperParameters: {x: '"a\\u0000b"'}}\n""",
        IN_TRAIN + """    request: {HyperParameters: {x: '"a b; c"'}}\n""",
        ['20:36: hyperparameter "x": the value holds a character that no argument can hold: U+0000'],
    ),
    Case(
        "      max_depth: ${{ params.max_depth }}",
        f"      {'x' * 236}: a b",
        f"      {'x' * 235}: a b",
        [(f'23:245: hyperparameter "{"x" * 80}": the name has 236 characters; with this value it can have 235')],
    ),
    Case(
        "      max_depth: ${{ params.max_depth }}",
        many("      h{}: " + "x" * 2400, 48, "\n"),
        many("      h{}: " + "x" * 2400, 47, "\n"),
        ["23:7: all hyperparameters have 115622 characters; a training image can take 114688"],
    ),
    *(
        Case(
            IN_TRAIN,
            IN_TRAIN + f'    request: {{HyperParameters: {{{name}: "true"}}}}\n',
            IN_TRAIN + f'    request: {{HyperParameters: {{{name}: "false"}}}}\n',
            [
                (
                    f'20:{35 + len(name)}: hyperparameter "{name}": several processes for one training job are not '
                    "supported; the script would run once"
                )
            ],
        )
        for name in sorted(DISTRIBUTED)
    ),
    Case(
        IN_TRAIN,
        IN_TRAIN + "    request: {HyperParameters: {sagemaker_program: x.py, sagemaker_mlci_start: '{}'}}\n",
        IN_TRAIN + "    request: {HyperParameters: {sagemaker_region: eu-west-1, a b: '[1, 2]'}}\n",
        [
            '20:52: "sagemaker_program" is for the script that "run" names. Remove it',
            ('20:80: hyperparameter "sagemaker_mlci_start": names that begin with sagemaker_mlci_ are mlci\'s own'),
        ],
    ),
    Case(
        "instance: ml.m5.xlarge",
        "instance: m5.xlarge",
        "instance: ml.m5.xlarge",
        ['7:13: "m5.xlarge" is not an instance type. Did you mean "ml.m5.xlarge"?'],
    ),
    Case(
        "instance: ml.m5.xlarge",
        "instance: large",
        "instance: ml.trn1.2xlarge",
        ['7:13: "large" is not an instance type. Such as ml.m5.xlarge'],
    ),
    Case(
        "instance: ml.m5.xlarge",
        "instance_count: 0",
        "instance_count: 1",
        ['7:19: "instance_count" must be at least 1, but is the integer 0'],
    ),
    Case(
        "instance: ml.m5.xlarge",
        "instance_count: 101",
        "instance_count: 100",
        ["7:19: a processing job has at most 100 instances, not 101"],
    ),
    Case(
        "instance: ml.m5.xlarge",
        "volume_gb: 16385",
        "volume_gb: 16384",
        ['7:14: "volume_gb" must be at most 16384, but is the integer 16385'],
    ),
    Case(
        "timeout: 30m",
        "timeout: 30",
        "timeout: 30s",
        [
            (
                '8:12: "timeout" must be a duration such as 30m, but is the integer 30. Say the unit: '
                '"30s", "30m" or "30h"'
            )
        ],
    ),
    Case("timeout: 30m", 'timeout: "30"', "timeout: 1h30m", ['8:12: "30" has no unit. Say which: 30s, 30m or 30h']),
    Case(
        "timeout: 30m",
        "timeout: 30 minutes",
        "timeout: 30m",
        ['8:12: "30 minutes" is not a duration. Write it as 90s, 30m, 2h, 1h30m or 1d'],
    ),
    Case(
        "timeout: 30m",
        "timeout: 1.5h",
        "timeout: 1h30m",
        ['8:12: "1.5h" is not a duration. Write it as 90s, 30m, 2h, 1h30m or 1d'],
    ),
    Case("timeout: 30m", "timeout: 0s", "timeout: 1s", ['8:12: "timeout" must be at least 1s']),
    Case(
        "timeout: 30m",
        "timeout: 9d1s",
        "timeout: 9d",
        ['8:12: a processing job runs for at most 9d, and "timeout" is 9d1s'],
    ),
    Case(
        IN_TRAIN,
        IN_TRAIN + "    timeout: 28d1s\n",
        IN_TRAIN + "    timeout: 28d\n",
        ['20:14: a training job runs for at most 28d, and "timeout" is 28d1s'],
    ),
    Case(
        "  image: xgboost:1.7-1 ",
        "  # ",
        "  image: xgboost:1.7-1 ",
        [
            (
                '10:3: step "preprocess" has no image. Add "image: xgboost:1.7-1", or another, to the '
                'step or to "defaults"'
            ),
            ('17:3: step "train" has no image. Add "image: xgboost:1.7-1", or another, to the step or to "defaults"'),
            (
                '24:3: step "evaluate" has no image. Add "image: xgboost:1.7-1", or another, to the step '
                'or to "defaults"'
            ),
        ],
    ),
    Case(
        "image: xgboost:1.7-1",
        "image: xgboost",
        "image: 1.dkr.ecr.eu-west-1.amazonaws.com/x@sha256:0",
        [
            (
                '6:10: "xgboost" is not an image. Write framework:version, such as xgboost:1.7-1, '
                "the image's full URI, or {build: <folder>}"
            )
        ],
    ),
    Case(
        "image: xgboost:1.7-1",
        "image: -v/:/host",
        "image: mine.example/host:7",
        [
            (
                '6:10: "-v/:/host" is not an image. Write framework:version, such as xgboost:1.7-1, '
                "the image's full URI, or {build: <folder>}"
            )
        ],
    ),
    Case(
        "raw: data/breast_cancer.csv",
        "raw: /data/x.csv",
        "raw: data/x.csv",
        [('15:12: "/data/x.csv" lies outside of the repository. Paths are relative to the flow file\'s folder')],
    ),
    Case(
        "raw: data/breast_cancer.csv",
        "raw: ~/x.csv",
        "raw: ../x.csv",
        ['15:12: "~/x.csv" lies outside of the repository. Paths are relative to the flow file\'s folder'],
    ),
    Case(
        "raw: data/breast_cancer.csv",
        "raw: C:\\data\\x.csv",
        "raw: data/x.csv",
        [
            (
                '15:12: "C:\\data\\x.csv" is a path of Windows. Paths are relative to the flow file\'s '
                "folder, and are written with /"
            )
        ],
    ),
    Case(
        "raw: data/breast_cancer.csv",
        "raw: s3://Bucket/x",
        "raw: s3://bucket/x",
        [
            (
                '15:12: "Bucket" cannot be an S3 bucket\'s name. It has 3 to 63 lower-case letters, '
                "digits, . and -, and begins and ends with a letter or digit"
            )
        ],
    ),
    Case(
        "raw: data/breast_cancer.csv",
        "raw: S3://bucket/x",
        "raw: s3://bucket/x",
        ['15:12: "S3://bucket/x" is neither a path nor an s3:// URI. Write s3:// in lower case'],
    ),
    Case(
        "raw: data/breast_cancer.csv",
        "raw: https://example.com/x",
        "raw: s3://bucket/x",
        [
            (
                '15:12: "https://example.com/x" is neither a path nor an s3:// URI. Paths are relative to '
                "the flow file's folder"
            )
        ],
    ),
    Case(
        "run: src/breast_cancer/train.py",
        'run: ""',
        "run: x",
        ["19:10: the path is empty. Paths are relative to the flow file's folder"],
    ),
    Case(
        "run: src/breast_cancer/train.py", "run: ./", "run: ./x", ['19:10: "./" is a folder, and "run" names a script']
    ),
    Case(
        "run: src/breast_cancer/preprocess.py",
        "run: " + "x" * 227,
        "run: " + "x" * 226,
        ["12:10: the script's path has 227 characters. AWS allows 226"],
    ),
    Case(
        IN_DEFAULTS,
        IN_DEFAULTS + "  include: [/etc/*]\n",
        IN_DEFAULTS + "  include: [etc/*]\n",
        ['9:13: "/etc/*" lies outside of the repository. Paths are relative to the flow file\'s folder'],
    ),
    Case(
        AT_TOP,
        AT_TOP + "aws: {bucket: A_B}\n",
        AT_TOP + "aws: {bucket: a-b}\n",
        [
            (
                '2:15: "A_B" cannot be an S3 bucket\'s name. It has 3 to 63 lower-case letters, digits, . '
                "and -, and begins and ends with a letter or digit"
            )
        ],
    ),
]

_YAML = [
    Case(
        "  max_depth: 4\n",
        "  max_depth: 4\n  max_depth: 3\n",
        "  max_depth: 4\n  other: 3\n",
        ['4:3: the key "max_depth" is given twice, first on line 3. Remove one'],
    ),
    Case(
        "  max_depth: 4\n",
        "  max_depth: 4\n  on: 1\n",
        "  max_depth: 4\n  on_: 1\n",
        [
            (
                "4:3: the key on without quotes is a boolean to some readers of YAML, and a text to "
                'others. Write "on": in quotes'
            )
        ],
    ),
    Case(
        "  max_depth: 4\n",
        "  max_depth: 4\n  1: 1\n",
        "  max_depth: 4\n  _1: 1\n",
        ["4:3: a key must be text, but this one is the integer 1. Put it in quotes"],
    ),
    Case(
        "  max_depth: 4\n",
        "  max_depth: 99999999999999999999\n",
        '  max_depth: "99999999999999999999"\n',
        ["3:14: the number 99999999999999999999 is too large. Put it in quotes if it is a text"],
    ),
    Case(
        "raw: data/breast_cancer.csv",
        "raw: yes",
        'raw: "yes"',
        [
            (
                "15:12: yes without quotes is a boolean to some readers of YAML, and a text to others. "
                'Write "yes" in quotes for the text, or true for the boolean'
            )
        ],
    ),
    Case(
        '["--test-size", "0.2"]',
        "[--flag, Off]",
        '[--flag, "Off"]',
        [
            (
                "13:20: Off without quotes is a boolean to some readers of YAML, and a text to others. "
                'Write "Off" in quotes for the text, or false for the boolean'
            )
        ],
    ),
    Case(
        '["--test-size", "0.2"]',
        "[${{ inputs.raw }}]",
        '["${{ inputs.raw }}"]',
        ['13:13: a reference inside [ ] or { } must be in quotes. Write "${{ … }}"'],
    ),
    Case(
        '["--test-size", "0.2"]', '["a\\0b"]', '["a\\\\0b"]', ["13:12: a text cannot hold a NUL character. Remove it"]
    ),
    Case(
        "run: src/breast_cancer/train.py",
        "run: {{ params.max_depth }}",
        "run: ${{ params.max_depth }}.py",
        [
            (
                "19:11: a key must be text, but this one is a list or a mapping. A reference is written "
                "${{ params.name }}, with a $"
            )
        ],
    ),
    Case(
        "run: src/breast_cancer/train.py",
        "run: !!python/name:os.system x",
        "run: !!str x",
        ["19:10: the YAML tag !!python/name:os.system is not allowed. Remove it"],
    ),
    Case(
        "run: src/breast_cancer/train.py",
        "run: !Ref x",
        "run: ! x",
        ["19:10: the YAML tag !Ref is not allowed. Remove it"],
    ),
    Case(
        "run: src/breast_cancer/train.py",
        "\trun: x",
        "run: x",
        ["19:5: a tab stands where YAML wants spaces. Indent with spaces"],
    ),
    Case(
        "run: src/breast_cancer/train.py",
        "run: x: y",
        "run: 'x: y'",
        [
            (
                '19:11: there is a ":" where no key can be. Check the indentation of this line, or put a '
                'value that contains ": " in quotes'
            )
        ],
    ),
    Case(
        "run: src/breast_cancer/train.py",
        " run: x",
        "run: x",
        [
            (
                '19:9: there is a ":" where no key can be. Check the indentation of this line, or put a '
                'value that contains ": " in quotes'
            )
        ],
    ),
    Case(
        "run: src/breast_cancer/train.py",
        "run: @x",
        "run: '@x'",
        ['19:10: a value cannot begin with "@". Put it in quotes'],
    ),
    Case(
        "run: src/breast_cancer/train.py",
        "run: 'x",
        "run: 'x'",
        ["19:10: a quote is opened here and not closed. Add the closing quote"],
    ),
    Case(
        "run: src/breast_cancer/train.py",
        "run: *x",
        "run: '*x'",
        ["19:10: the alias *x has no anchor before it. Put a text that begins with * in quotes"],
    ),
    Case(
        "run: src/breast_cancer/train.py",
        "run: *",
        "run: '*'",
        [
            (
                "19:11: a value that begins with * is an alias, and with & an anchor, and this one has no "
                "name. Put the value in quotes"
            )
        ],
    ),
    Case(
        "run: src/breast_cancer/train.py",
        "run x.py",
        "run: x.py",
        ['20:5: a key has no ":" after it, on this line or the one before. Write key: value'],
    ),
    Case(
        "run: src/breast_cancer/train.py",
        'run: "a\\d"',
        "run: 'ad'",
        [
            (
                "19:12: a backslash in double quotes begins an escape, and this one is unknown. Use "
                "single quotes, or double the backslash"
            )
        ],
    ),
    Case(
        "outputs: [train, test]",
        "outputs: [train, test",
        "outputs: [train, test]",
        [
            (
                "17:8: the list or mapping in brackets is not closed, or lacks a comma. Check the "
                "brackets, and put values with special characters in quotes"
            )
        ],
    ),
    Case(
        "    outputs: [evaluation]",
        "   outputs: [evaluation]",
        "    outputs: [evaluation]",
        [
            (
                "30:4: the indentation does not fit what is above. Keys of one mapping, and the dashes of "
                "one list, stand in one column"
            )
        ],
    ),
    Case(
        "gate:\n",
        "---\ngate:\n",
        "gate:\n",
        ["32:1: the file holds a second document. Keep one, and remove the line with ---"],
    ),
    Case(
        "defaults:\n",
        "defaults:\n  <<: 3\n",
        "defaults:\n  <<: {volume_gb: 40}\n",
        ["6:7: << merges mappings only. Give it an alias of a mapping"],
    ),
]

_ALL = [*_REFERENCES, *_KEYS_AND_TYPES, *_ORDER, *_RULES, *_LIMITS_OF_AWS, *_YAML]
_NAMES = [case.problems[0][:60] for case in _ALL]


@pytest.mark.parametrize("case", _ALL, ids=_NAMES)
def test_what_is_wrong_is_said_where_it_is(case: Case) -> None:
    assert problems_of(changed(case.old, case.wrong)) == case.problems


@pytest.mark.parametrize("case", _ALL, ids=_NAMES)
def test_the_twin_is_accepted(case: Case) -> None:
    assert loaded(changed(case.old, case.right)).name


def test_all_problems_of_a_file_are_shown_at_once() -> None:
    text = EXAMPLE
    wrong = [
        ("flow: breast-cancer", "flow: breast_cancer"),
        ("timeout: 30m", "timeout: 30"),
        ("run: src/breast_cancer/preprocess.py", "rnu: src/breast_cancer/preprocess.py"),
        ("steps.preprocess.outputs.train", "steps.preproces.outputs.train"),
        ("metric: evaluate.auc", "metric: evaluat.auc"),
        ("    min: 0.9", "    min: high"),
    ]
    for old, new in wrong:
        text = text.replace(old, new, 1)
    assert [problem.partition(" ")[0] for problem in problems_of(text)] == [
        "1:7:",
        "8:12:",
        "12:5:",
        "21:14:",
        "33:13:",
        "36:10:",
    ]


def test_a_step_that_does_not_load_hides_no_other() -> None:
    text = changed("uses: training", "uses: trainning").replace("outputs: [evaluation]", "outputs: evaluation")
    assert problems_of(text) == [
        f'18:11: "uses" must be {STEP_TYPE_CHOICES}, but is the text "trainning". Did you mean "training"?',
        '30:14: "outputs" must be a list, but is the text "evaluation". Write [evaluation]',
    ]


def test_every_circle_is_named() -> None:
    pairs = "".join(f"  {a}: {{uses: training, run: x.py, after: {b}}}\n" for a, b in ("ab", "ba", "cd", "dc"))
    assert problems_of(changed("steps:\n", f"steps:\n{pairs}")) == [
        '10:3: "a" needs "b" and "b" needs "a". Steps cannot wait for each other in a circle',
        '12:3: "c" needs "d" and "d" needs "c". Steps cannot wait for each other in a circle',
    ]


def test_a_message_is_one_line_of_printable_characters() -> None:
    for problem in problems_of(changed("run: src/breast_cancer/train.py", 'run: "a\\e[31m\\nb"')):
        assert problem.isprintable()
