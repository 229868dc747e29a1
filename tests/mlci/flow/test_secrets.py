"""`secrets:` in a flow: their sources, the variables that hold them, and all places where none may stand."""

from __future__ import annotations

import pytest

from mlci.flow.models import Secret, SecretValue
from support.flow_texts import AT_TOP, IN_DEFAULTS, IN_PREPROCESS, IN_TRAIN, changed, loaded, problems_of, with_lines

ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:team/hub-AbC123"
DECLARED = "secrets: {wandb: 'ssm:/team/wandb'}\n"


def declared(text: str) -> str:
    return text.replace(AT_TOP, AT_TOP + DECLARED, 1)


def with_secret(source: str) -> str:
    return with_lines(AT_TOP, f"secrets: {{wandb: {source}}}")


@pytest.mark.parametrize(
    ("written", "secret"),
    [
        ("'ssm:/team/wandb'", Secret("wandb", "ssm", "/team/wandb")),
        ("'ssm:wandb.key'", Secret("wandb", "ssm", "wandb.key")),
        ("'secretsmanager:team/hub'", Secret("wandb", "secretsmanager", "team/hub")),
        (f"'secretsmanager:{ARN}'", Secret("wandb", "secretsmanager", ARN)),
        ("{from: 'ssm:/team/wandb'}", Secret("wandb", "ssm", "/team/wandb")),
        (
            "{from: 'ssm:/team/wandb', pull_request: true, kms_key: alias/team}",
            Secret("wandb", "ssm", "/team/wandb", "alias/team", allows_pull_requests=True),
        ),
    ],
)
def test_a_source(written: str, secret: Secret) -> None:
    flow = loaded(with_secret(written))
    assert flow.secrets == {"wandb": secret}
    assert flow.used_secrets == ()


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("'ssn:/x'", 'its service is missing or unknown. Did you mean "ssm:/x"?'),
        ("wandb", "its service is missing or unknown. Write ssm:/path/of/parameter, or secretsmanager:name"),
        (
            "'ssm:team/wandb'",
            "Parameter Store allows no such name. Its name has letters, digits and . _ -, and a path ",
        ),
        ("'ssm:/team/*'", "Parameter Store allows no such name"),
        ("'ssm:/team/wandb:3'", "Parameter Store allows no such name"),
        ("'ssm:/aws/x'", 'names of parameters that begin with "aws" or "ssm" are AWS\'s own'),
        (
            "'ssm:/mlci/breast-cancer/wandb'",
            "parameters below /mlci/ are mlci's settings, and builds of pull requests ",
        ),
        ("'ssm:arn:aws:ssm:us-east-1:123456789012:parameter/x'", "a parameter is named, without an ARN"),
        ("'secretsmanager:a?'", "Secrets Manager allows no such name"),
        ("'secretsmanager:${Other}'", "Secrets Manager allows no such name"),
        ("'secretsmanager:arn:aws:secretsmanager:eu-central-1:123456789012:secret:hub'", "the ARN is not a secret's"),
        ("{from: ''}", "its service is missing or unknown"),
    ],
)
def test_a_source_that_is_none(written: str, problem: str) -> None:
    [found] = problems_of(with_secret(written))
    assert found.startswith(("2:18: ", "2:25: "))
    assert f"is no source of a secret: {problem}" in found


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("{form: 'ssm:/x'}", '2:19: unknown key "form" in secret "wandb". Did you mean "from"?'),
        ("{pull_request: true}", '2:11: secret "wandb" lacks "from". Add from: ssm:<parameter>, or secretsmanager:<'),
        ("{from: 'ssm:/x', pull_request: 'yes'}", '2:49: "pull_request" must be true or false, but is the text "yes"'),
        ("3", '2:18: the secret "wandb" must be text or a mapping, but is the integer 3. Write ssm:/path/of/parame'),
        ("'ssm:/${{ params.max_depth }}'", '2:24: "secrets" takes no references: rights in AWS are derived from it'),
    ],
)
def test_a_form_that_is_none(written: str, problem: str) -> None:
    [found] = problems_of(with_secret(written))
    assert found.startswith(problem)


def test_names_and_all_problems_at_once() -> None:
    text = with_lines(AT_TOP, "secrets: {a-b: 'ssm:/x', a_b: 'ssm:/y', 'a b': 'ssm:/z', c: [], d: 'x:y'}")
    assert [found.partition(": ")[2][:45] for found in problems_of(text)] == [
        'the secrets "a-b" and "a_b" have one variable',
        '"a b" cannot be the name of a secret. Use let',
        'the secret "c" must be text or a mapping, but',
        '"x:y" is no source of a secret: its service i',
    ]
    assert problems_of(with_lines(AT_TOP, "secrets: [wandb]")) == [
        '2:10: "secrets" must be a mapping, but is a list. Write "name: ssm:/path/of/parameter"'
    ]


def test_variables_that_hold_secrets_are_apart() -> None:
    text = declared(
        with_lines(IN_TRAIN, "    env: {A: '${{ secrets.wandb }}', B: 'Bearer ${{ secrets.wandb }}', C: c}")
    )
    train = loaded(text).steps["train"]
    assert train.env == {"C": ("c",)}
    assert train.secrets == {"A": (SecretValue("wandb"),), "B": ("Bearer ", SecretValue("wandb"))}
    assert [secret.name for secret in loaded(text).used_secrets] == ["wandb"]


def test_defaults_hold_secrets_for_each_step_with_a_script() -> None:
    text = declared(with_lines(IN_DEFAULTS, "  env: {A: '${{ secrets.wandb }}'}"))
    flow = loaded(text.replace(IN_TRAIN, IN_TRAIN + "    env: {A: none}\n"))
    assert {name: bool(step.secrets) for name, step in flow.steps.items()} == {
        "preprocess": True,
        "train": False,
        "evaluate": True,
    }


@pytest.mark.parametrize(
    "text",
    [
        changed('["--test-size", "0.2"]', '["${{ secrets.wandb }}"]'),
        changed("max_depth: ${{ params.max_depth }}", "key: ${{ secrets.wandb }}"),
        changed("raw: data/breast_cancer.csv", "raw: data/${{ secrets.wandb }}"),
        changed("metrics: evaluation/metrics.json", "metrics: evaluation/${{ secrets.wandb }}.json"),
        changed("image: xgboost:1.7-1", "image: ${{ secrets.wandb }}"),
        with_lines(IN_TRAIN, "    request: {Environment: {KEY: '${{ secrets.wandb }}'}}"),
        with_lines(IN_TRAIN, "    request: {HyperParameters: {key: 'a ${{ secrets.wandb }}'}}"),
        with_lines(AT_TOP, "aws: {bucket: '${{ secrets.wandb }}'}"),
        changed("metric: evaluate.auc", "metric: ${{ secrets.wandb }}"),
    ],
)
def test_a_secret_stands_in_env_alone(text: str) -> None:
    [found] = problems_of(declared(text))
    assert '"${{ secrets.wandb }}" cannot stand here: requests, logs and reports would show it' in found
    assert 'Write it in "env" of the step, and read the variable in the script' in found


def test_a_secret_that_is_not_declared() -> None:
    text = with_lines(IN_TRAIN, "    env: {A: '${{ secrets.wnadb }}'}")
    assert problems_of(text) == ['20:15: the secret "wnadb" is not declared. Add secrets: {wnadb: "ssm:/<path>"}']
    assert problems_of(declared(text)) == ['21:15: the secret "wnadb" is not declared. Did you mean "wandb"?']


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (
            ["    env: {A: '${{ secrets.wandb }}${{ steps.preprocess.outputs.test }}'}"],
            '21:14: "A" holds a secret and the output of a step. Write the output in a variable of its own',
        ),
        (
            ["    env: {MLCI_SECRET_WANDB: x}"],
            (
                "21:11: variables that begin with MLCI_SECRET_ are mlci's own, and scripts don't get them. "
                "Give it another name"
            ),
        ),
        (
            ["    env: {A: '${{ secrets.wandb }}'}", "    request: {EnableNetworkIsolation: true}"],
            (
                '22:15: step "train" reads the secret "wandb" from AWS, and network isolation cuts it off from '
                "AWS. Remove one of them"
            ),
        ),
        (
            ["    request: {Environment: {MLCI_SECRET_WANDB: x}}"],
            (
                "21:29: variables that begin with MLCI_SECRET_ are mlci's own, and scripts don't get them. "
                "Give it another name"
            ),
        ),
        (["    env: {A: '${{ secrets.wandb }}'}", "    request: {EnableNetworkIsolation: false}"], None),
    ],
)
def test_a_step_that_cannot_read_its_secret(lines: list[str], problem: str | None) -> None:
    text = declared(with_lines(IN_TRAIN, *lines))
    if problem is None:
        assert loaded(text).steps["train"].secrets
    else:
        assert problems_of(text) == [problem]


def test_a_processing_step_under_isolation() -> None:
    isolated = "    request: {NetworkConfig: {EnableNetworkIsolation: true}}"
    text = declared(with_lines(IN_PREPROCESS, "    env: {A: '${{ secrets.wandb }}'}", isolated))
    assert problems_of(text)[0].startswith('15:31: step "preprocess" reads the secret "wandb" from AWS')
