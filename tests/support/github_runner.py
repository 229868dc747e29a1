"""GitHub's runner, pretended: a job's steps, their scripts in fresh processes, and caches with their scopes.

What it knows of expressions, of caches and of the files of commands is what
https://docs.github.com/en/actions/reference/workflows-and-actions says about them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from support.git_repositories import git
from support.project import clean_environment

_NAME = re.compile(r"(?<![\w'/.-])(github|steps|env|runner|needs)((?:\.[\w-]+)+)")


@dataclass(frozen=True)
class Event:
    """The event that starts a run. `number` is a pull request's."""

    name: str
    ref: str
    sha: str
    base: str = ""
    number: int | None = None
    base_sha: str = ""
    head_sha: str = ""


@dataclass
class Hosted:
    """A repository on GitHub: its caches, by scope, in the order in which they were saved, and its artifacts."""

    origin: Path
    home: Path
    caches: dict[str, list[tuple[str, Path]]] = field(default_factory=dict)
    runs: int = 0

    def restore(self, event: Event, prefix: str, workspace: Path) -> str:
        """Restores the newest cache whose key begins so, of the run's own scope or of its base; returns its key."""
        for scope in dict.fromkeys((event.ref, f"refs/heads/{event.base}", "refs/heads/main")):
            for key, folder in reversed(self.caches.get(scope, [])):
                if key.startswith(prefix):
                    shutil.copytree(folder, workspace, dirs_exist_ok=True)
                    return key
        return ""

    def save(self, event: Event, key: str, pattern: str, workspace: Path) -> None:
        folder = self.home / f"cache-{sum(map(len, self.caches.values()))}"
        for found in workspace.glob(pattern):
            shutil.copytree(found, folder / found.relative_to(workspace))
        self.caches.setdefault(event.ref, []).append((key, folder))


@dataclass
class JobRun:
    """One run of a job: its steps by name, with their outcome, and what they left."""

    hosted: Hosted
    event: Event
    home: Path
    skipped_scripts: Sequence[str] = ()
    #: What ended before: the results of jobs, and the artifact of the run's folder.
    needs: Mapping[str, str] = field(default_factory=dict)
    fetched: Path | None = None
    #: Variables of the runner itself, such as the address of GitHub's API.
    runner: Mapping[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)
    log: str = ""

    @property
    def workspace(self) -> Path:
        return self.home / "work"

    @property
    def summary(self) -> str:
        return (self.home / "summary").read_text()

    @property
    def artifact(self) -> Path:
        return self.home / "artifact"

    @property
    def is_success(self) -> bool:
        return "failure" not in self.outcomes.values()

    def run(self, job: Mapping[str, Any]) -> JobRun:
        """Runs the steps of a job as the workflow has it."""
        (self.home / "temp").mkdir(parents=True)
        (self.home / "summary").touch()
        self.environment = {name: self.filled(str(value)) for name, value in job.get("env", {}).items()}
        for step in job["steps"]:
            condition = str(step.get("if", "success()"))
            if not re.search(r"\b(always|success|failure)\(", condition):
                condition = f"success() && ({condition})"
            outcome = self._step(step) if self.evaluated(condition) else "skipped"
            self.outcomes[step["name"]] = outcome
            self.steps.setdefault(step.get("id", step["name"]), {})["outcome"] = outcome
        return self

    def _step(self, step: Mapping[str, Any]) -> str:
        if "uses" in step:
            given = {name: self.filled(str(value)) for name, value in step.get("with", {}).items()}
            outputs = self._action(step["uses"].partition("@")[0], given)
            self.steps[step.get("id", step["name"])] = {"outputs": outputs}
            return "success"
        return "success" if step["name"] in self.skipped_scripts else self._script(step)

    def _action(self, action: str, given: Mapping[str, str]) -> dict[str, str]:
        match action:
            case "actions/checkout":
                self._check_out(given.get("ref"))
            case "actions/setup-python":
                for name in given["cache-dependency-path"].split():
                    assert list(self.workspace.glob(name)), name
            case "actions/cache/restore":
                key = self.hosted.restore(self.event, given["restore-keys"], self.workspace)
                return {"cache-matched-key": key, "cache-hit": "false"}
            case "actions/cache/save":
                self.hosted.save(self.event, given["key"], given["path"], self.workspace)
            case "actions/upload-artifact":
                if Path(given["path"]).is_dir():
                    shutil.copytree(given["path"], self.artifact)
            case "actions/download-artifact":
                if self.fetched and self.fetched.is_dir():
                    shutil.copytree(self.fetched, given["path"])
            case _:
                raise AssertionError(action)
        return {}

    def _check_out(self, ref: str | None = None) -> None:
        """Leaves what actions/checkout leaves with `fetch-depth: 0`: remote branches, no HEAD of the remote, a branch
        for a push, and a detached merge for a pull request."""
        self.workspace.mkdir()
        git(self.workspace, "init", "-q", "-b", "never-used")
        git(self.workspace, "remote", "add", "origin", str(self.hosted.origin))
        git(self.workspace, "fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*", self.event.sha)
        if ref:
            git(self.workspace, "fetch", "-q", "origin", ref)
            git(self.workspace, "checkout", "-q", "--detach", ref)
        elif self.event.number:
            git(self.workspace, "checkout", "-q", "--detach", self.event.sha)
        else:
            git(self.workspace, "checkout", "-q", "-B", self.event.ref.removeprefix("refs/heads/"), self.event.sha)

    def _script(self, step: Mapping[str, Any]) -> str:
        file = self.home / "script.sh"
        file.write_text(step["run"])
        assert "${{" not in step["run"], "a script takes values from the environment alone"
        for name in ("env", "path"):
            (self.home / name).touch()
        (self.home / "event.json").write_text(json.dumps(self._contexts()["github"]["event"]))
        own = {name: self.filled(str(value)) for name, value in step.get("env", {}).items()}
        done = subprocess.run(
            ["bash", "-e", str(file)],
            cwd=self.workspace / step.get("working-directory", "."),
            env=clean_environment({**self._variables(), **self.environment, **own}),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        self.log += f"--- {step['name']}\n{done.stdout}{done.stderr}"
        for line in (self.home / "env").read_text().splitlines():
            name, _, value = line.partition("=")
            self.environment[name] = value
        return "success" if done.returncode == 0 else "failure"

    def _variables(self) -> dict[str, str]:
        added = (self.home / "path").read_text().split()
        own = [*reversed(added), str(Path(sys.executable).parent), os.environ["PATH"]]
        return {
            "PATH": ":".join(own),
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTOR": "ada",
            "GITHUB_BASE_REF": self.event.base,
            "GITHUB_ENV": str(self.home / "env"),
            "GITHUB_EVENT_NAME": self.event.name,
            "GITHUB_EVENT_PATH": str(self.home / "event.json"),
            "GITHUB_PATH": str(self.home / "path"),
            "GITHUB_REF": self.event.ref,
            "GITHUB_REPOSITORY": "octo/model",
            "GITHUB_RUN_ID": str(self.hosted.runs),
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_SHA": self.event.sha,
            "GITHUB_STEP_SUMMARY": str(self.home / "summary"),
            "RUNNER_TEMP": str(self.home / "temp"),
            **self.runner,
        }

    def filled(self, text: str) -> str:
        """A text with its expressions replaced."""
        return re.sub(r"\$\{\{(.*?)\}\}", lambda match: str(self.evaluated(match[1])), text)

    def evaluated(self, expression: str) -> Any:
        """An expression of the few kinds that the workflow has."""

        def looked_up(match: re.Match[str]) -> str:
            value: Any = self._contexts()[match[1]]
            for part in match[2].strip(".").split("."):
                value = value.get(part, "") if isinstance(value, dict) else ""
            return repr(value)

        code = _NAME.sub(looked_up, expression).replace("&&", " and ").replace("||", " or ")
        functions = {
            "always": lambda: True,
            "success": lambda: self.is_success,
            "format": lambda text, *values: text.format(*values),
            "hashFiles": lambda pattern: "".join(sorted(str(found) for found in self.workspace.glob(pattern))),
        }
        return eval(code.strip(), {"__builtins__": {}}, functions)

    def _contexts(self) -> dict[str, Any]:
        event = self.event
        return {
            "github": {
                "event_name": event.name,
                "ref": event.ref,
                "ref_name": event.ref.removeprefix("refs/heads/").removeprefix("refs/"),
                "base_ref": event.base,
                "run_id": self.hosted.runs,
                "run_attempt": 1,
                "repository": "octo/model",
                "token": "ghs_" + "a" * 36,
                "event": {
                    "pull_request": {
                        "number": event.number,
                        "base": {"sha": event.base_sha},
                        "head": {"sha": event.head_sha, "repo": {"full_name": "octo/model"}},
                    }
                },
            },
            "needs": {name: {"result": result} for name, result in self.needs.items()},
            "runner": {"temp": str(self.home / "temp")},
            "env": self.environment,
            "steps": self.steps,
        }


def run_workflow(hosted: Hosted, event: Event, skipped_scripts: Sequence[str] = ()) -> JobRun:
    """Runs the job `flow` of the repository's workflow, as the event's commit has it."""
    hosted.runs += 1
    return JobRun(hosted, event, hosted.home / f"run-{hosted.runs}", skipped_scripts).run(_jobs(hosted, event)["flow"])


def run_reporting_job(
    name: str, run: JobRun, home: Path, runner: Mapping[str, str], skipped_scripts: Sequence[str]
) -> JobRun:
    """Runs a job that posts, before or after the run of the flow that it is about."""
    needs = {"pending": "success", "flow": "success" if run.is_success else "failure"}
    job = _jobs(run.hosted, run.event)[name]
    return JobRun(run.hosted, run.event, home, skipped_scripts, needs, run.artifact, runner).run(job)


def _jobs(hosted: Hosted, event: Event) -> dict[str, Any]:
    text = git(hosted.origin, "show", f"{event.sha}:.github/workflows/mlci.yml")
    jobs: dict[str, Any] = yaml.safe_load(text)["jobs"]
    return jobs
