"""Where the values of parameters come from, and the pattern of the files that a flow reads."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from mlci.backends.aws.cloudformation_stacks import Stack
from mlci.errors import InputError
from mlci.provision.context import RepositoryContext
from mlci.provision.parameter_values import changed_values, file_pattern, resolve_values
from mlci.provision.stack_parameters import PARAMETERS
from mlci.stage import CodeUnit, DataUnit, Repository, Staged, StagedFile
from mlci.step_types.script_start import ScriptStart

CONNECTION = "arn:aws:codeconnections:eu-west-1:123456789012:connection/00000000-0000-0000-0000-000000000000"


def around(name: str | None = "octo/model", base_branch: str | None = "trunk") -> RepositoryContext:
    origin = f"github.com/{name}" if name else None
    return RepositoryContext(Path(), "flows/flow.yaml", base_branch, lambda: "^(x)$", origin)


def test_each_value_is_from_the_first_place_that_has_it() -> None:
    present = {"RunRetention": "30", "Repository": "octo/old", "BaseBranch": "old", "FlowFile": "old.yaml"}
    values = resolve_values({"RunRetention": "7", "BaseBranch": "new"}, present, around())
    assert set(values) == {parameter.name for parameter in PARAMETERS}
    assert (values["RunRetention"], values["BaseBranch"]) == ("7", "new")
    assert values["Repository"] == "octo/old"
    assert values["FlowFile"] == "flows/flow.yaml"
    assert values["CodeRetention"] == "180"


def test_git_says_what_nobody_else_does() -> None:
    values = resolve_values({}, {}, around())
    assert (values["Repository"], values["BaseBranch"]) == ("octo/model", "trunk")
    assert resolve_values({}, {}, around(base_branch=None))["BaseBranch"] == "main"
    with pytest.raises(InputError, match="--repository: missing"):
        resolve_values({}, {}, around(name=None))
    elsewhere = replace(around(name=None), origin="gitlab.com/octo/model")
    with pytest.raises(InputError, match=r"gitlab\.com/octo/model, is not on github\.com\..*--github-host"):
        resolve_values({}, {}, elsewhere)
    assert resolve_values({"Repository": "octo/x"}, {}, elsewhere)["Repository"] == "octo/x"


def test_the_host_of_a_github_enterprise_server_is_named_once() -> None:
    at = replace(around(), origin="github.example.com/octo/model")
    enterprise = {"GitHubHost": "github.example.com", "Connection": CONNECTION}
    assert resolve_values(enterprise, {}, at)["Repository"] == "octo/model"
    assert resolve_values({}, enterprise, at)["GitHubHost"] == "github.example.com"
    with pytest.raises(InputError, match=r"github\.example\.com/octo/model, is not on github\.com"):
        resolve_values({}, {}, at)
    with pytest.raises(InputError, match=r'^--github-host: "https://github\.example\.com" is not the name of a host'):
        resolve_values({"GitHubHost": "https://github.example.com"}, {}, at)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"Connection": ""}, r"--connection: missing; the stack can't create a connection to github\.example\.com"),
        ({"Trigger": "actions", "RepositoryId": "1"}, '--trigger: "actions" is for github.com'),
        ({"GitHubHost": "octo.ghe.com"}, r"--github-host: AWS connects to .*, not to octo\.ghe\.com"),
        ({"GitHubHost": "https://github.example.com"}, '--github-host: "https://github.example.com" is not the name'),
    ],
)
def test_what_a_github_enterprise_server_lacks_is_told(options: dict[str, str], problem: str) -> None:
    enterprise = {"GitHubHost": "github.example.com", "Connection": CONNECTION, "Repository": "octo/model"}
    assert resolve_values(enterprise, {}, around())["GitHubHost"] == "github.example.com"
    with pytest.raises(InputError, match=problem):
        resolve_values({**enterprise, **options}, {}, around())


def test_an_empty_value_is_one() -> None:
    assert resolve_values({"ChangedFiles": ""}, {"ChangedFiles": "x"}, around())["ChangedFiles"] == ""
    assert resolve_values({"ChangedFiles": "inputs"}, {}, around())["ChangedFiles"] == "^(x)$"


def test_only_what_differs_is_shown() -> None:
    values = resolve_values({"RunRetention": "7"}, {}, around())
    assert ("RunRetention", None, "7") in changed_values(values, None)
    assert ("CodeRetention", None, "180") not in changed_values(values, None)
    stack = Stack("1", "mlci-x", "CREATE_COMPLETE", parameters={**values, "RunRetention": "90"})
    assert changed_values(values, stack) == [("RunRetention", "90", "7")]


def staged(names: list[str], folder: str | None = None) -> Staged:
    files = tuple(StagedFile(name, "0", 0, Path(name)) for name in names)
    data = {folder: DataUnit(folder, (), is_folder=True)} if folder else {}
    return Staged({"train": CodeUnit(ScriptStart({"script": names[0]}), files, files)}, data, {})


def test_the_pattern_of_what_a_flow_reads(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    repository = Repository(tmp_path, tmp_path)
    pattern = file_pattern(repository, "flow.yaml", staged(["src/train.py", "src/a-b.py"], "data"))
    for name in ("flow.yaml", "buildspec.yaml", "src/train.py", "src/a-b.py", "data/deep/x.csv"):
        assert re.fullmatch(pattern, name), name
    for name in ("README.md", "src/trainXpy", "src/other.py", "x/flow.yaml", "database.csv"):
        assert not re.fullmatch(pattern, name), name


def test_many_files_are_named_by_their_folders(tmp_path: Path) -> None:
    repository = Repository(tmp_path, tmp_path)
    pattern = file_pattern(repository, "flow.yaml", staged([f"src/module_{number:04}.py" for number in range(500)]))
    assert pattern == "^(buildspec\\.yaml|flow\\.yaml|src/.*)$"
    with pytest.raises(InputError, match="too many files"):
        file_pattern(repository, "flow.yaml", staged([f"src/folder_{number:04}/x.py" for number in range(500)]))
