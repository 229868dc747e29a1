"""Command lines → what a step starts."""

from __future__ import annotations

import pytest

from mlci.scaffold.shell_command import StartCommand, parse_command

FILES = {"src/train.py", "scripts/fetch.sh", "bin/tool"}


@pytest.mark.parametrize(
    ("command", "start"),
    [
        ("python src/train.py", StartCommand("src/train.py")),
        ("python3.11 -u ./src/train.py --depth 3", StartCommand("src/train.py", ("--depth", "3"))),
        ("python src/train.py 'a b' \"c\"", StartCommand("src/train.py", ("a b", "c"))),
        ("python src/train.py --match '*.csv'", StartCommand("src/train.py", ("--match", "*.csv"))),
        ("python -m pkg.train model.depth=6", StartCommand("-m pkg.train", ("model.depth=6",))),
        ("bash scripts/fetch.sh x", StartCommand("scripts/fetch.sh", ("x",))),
        ("./scripts/fetch.sh x", StartCommand("scripts/fetch.sh", ("x",))),
        ("SEED=1 python src/train.py", StartCommand("src/train.py", (), (("SEED", "1"),))),
        ("dvc-viewer show", StartCommand("dvc-viewer", ("show",))),
        ("jupyter nbconvert --execute a.ipynb", StartCommand("jupyter", ("nbconvert", "--execute", "a.ipynb"))),
    ],
)
def test_a_plain_command_is_started_without_a_shell(command: str, start: StartCommand) -> None:
    assert parse_command([command], FILES.__contains__) == start


@pytest.mark.parametrize(
    "command",
    [
        "python src/train.py > log.txt",
        "python src/train.py && python src/evaluate.py",
        "cat data/*.csv",
        "echo $HOME",
        "python -c 'print(1)'",
        "python src/train.py 'unfinished",
        "/usr/bin/env python src/train.py",
        "SEED=1",
    ],
)
def test_what_needs_a_shell_gets_one(command: str) -> None:
    assert parse_command([command], FILES.__contains__) == StartCommand("sh", ("-c", command))


def test_several_commands_run_one_after_the_other() -> None:
    assert parse_command(["python a.py", "python b.py"], FILES.__contains__) == StartCommand(
        "sh", ("-c", "python a.py && python b.py")
    )
