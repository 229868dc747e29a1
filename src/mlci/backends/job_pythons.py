"""The interpreter of each local job: the project's, or an environment that holds the step's requirements file."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mlci.backends.project_python import ProjectPython
from mlci.backends.requirements_environments import EnvironmentBase, EnvironmentStore
from mlci.errors import InputError, Problem
from mlci.plan.models import Plan, PlannedStep
from mlci.stage.image_contents import ImageContents, image_contents
from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from typing_extensions import Self

#: Tells the starter that a requirements file of this digest is installed. `starter/mlci_start_requirements.py` has it.
INSTALLED = "MLCI_INSTALLED_REQUIREMENTS"
#: The built-in algorithms that train here, each by the package of its name.
_PACKAGES_OF_ALGORITHMS = frozenset(["xgboost"])
#: Other distributions of a package, which differ in how it was built.
_ALIASES = {"xgboost": ("xgboost-cpu",), "tensorflow": ("tensorflow-cpu", "tensorflow-intel")}


@dataclass(frozen=True)
class PythonDescription:
    """An interpreter: its full version, and the folders that hold its packages."""

    version: str
    sites: tuple[str, ...]

    @property
    def minor_version(self) -> str:
        """The version as X.Y."""
        return ".".join(self.version.split(".")[:2])


@dataclass(frozen=True)
class JobInterpreter:
    """The interpreter of a job, its variables, and the folders of programs that come after its own on PATH."""

    executable: str
    variables: Mapping[str, str]
    folders: tuple[str, ...] = ()


class JobPythons:
    """Chooses interpreters for the jobs of one run, and warns once where an image holds other versions.

    `describe` returns what an interpreter is, None where it does not answer.
    """

    def __init__(
        self,
        project: ProjectPython,
        environments: EnvironmentStore,
        path: str,
        describe: Callable[[str], PythonDescription | None],
        log: Callable[[str], None],
    ) -> None:
        self._project, self._environments, self._path = project, environments, path
        self._describe, self._log = describe, log
        self._lock = threading.Lock()
        self._warnings: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._environments.close()

    def of(self, step: PlannedStep, log_file: Path, is_stopped: Callable[[], bool]) -> JobInterpreter | None:
        """Returns the interpreter of a step's job; None stands for the project's own.

        Makes the environment of the step's requirements file, if there is none yet.

        Raises: EnvironmentFailed
        """
        contents = image_contents(step.image)
        requirements = step.code.requirements if step.code else None
        if requirements is None:
            self._compare(contents, self._project.executable)
            return None
        base = self._base(contents)
        python = self._environments.get(requirements, base, log_file, is_stopped)
        if python is None:
            return None  # the run was stopped meanwhile
        self._compare(contents, str(python))
        below = (os.path.dirname(self._project.executable),) if base.sites else ()
        return JobInterpreter(str(python), {INSTALLED: requirements.digest}, below)

    def software(self) -> dict[str, str]:
        """Returns the version of the project's Python as `python`, and that of each distribution which it imports."""
        described = self._describe(self._project.executable)
        return {"python": described.version, **installed_versions(described.sites)} if described else {}

    def check(self, planned: Plan) -> None:
        """Raises InputError, for a step whose algorithm trains by a package that the project's Python lacks."""
        problems = []
        for name, step in planned.flow.steps.items():
            algorithm = step.values.get("algorithm")
            package = algorithm.partition(":")[0] if isinstance(algorithm, str) and name in planned.steps else ""
            if package not in _PACKAGES_OF_ALGORITHMS:
                continue
            python = self._project.executable
            described = self._describe(python)
            if described and not installed_versions(described.sites, _names(package)):
                at = planned.flow.position("steps", name, "algorithm")
                what = f'step "{name}": {algorithm} trains here by the package {package}, which {python} lacks'
                hint = f"Install it: {python} -m pip install {package}"
                problems.append(Problem(at.file, at.line, at.column, what, hint))
        if problems:
            raise InputError(problems)

    def _base(self, contents: ImageContents | None) -> EnvironmentBase:
        """Returns what an environment is made from: the image's Python where it is here, else the project's.

        Above the Python of an environment of the project's, its packages are there as well: they stand in for what the
        image holds. Packages of another Python, or mlci's own, are not.
        """
        project = self._project.executable
        found = self._describe(project)
        is_other = found is None or (contents is not None and found.minor_version != contents.python)
        if contents is not None and is_other and not self._project.is_fixed:
            other = shutil.which(f"python{contents.python}", path=self._path)
            described = self._describe(other) if other else None
            if other and described and described.minor_version == contents.python:
                return EnvironmentBase(other, described.version, (), f"the Python of {contents.image}")
        version = found.version if found else ""
        if found is None or self._project.is_own:
            return EnvironmentBase(project, version, (), "without other packages")
        return EnvironmentBase(project, version, found.sites, f"above the packages of {project}")

    def _compare(self, contents: ImageContents | None, python: str) -> None:
        """Warns where an image holds other versions than the interpreter of its job."""
        if contents is None:
            return
        described = self._describe(python)
        differences = image_differences(contents, described) if described else ""
        with self._lock:
            is_new = bool(differences) and differences not in self._warnings
            self._warnings.add(differences)
        if is_new:
            self._log(f"warning: {differences}")


def image_differences(contents: ImageContents, here: PythonDescription) -> str:
    """Returns a sentence on what an image holds and what is here instead; "" where major and minor versions agree."""
    there, local = [], []
    if contents.python != here.minor_version:
        there.append(f"Python {contents.python}")
        local.append(f"Python {here.minor_version}")
    installed = installed_versions(here.sites, (name for each in contents.packages for name in _names(each)))
    for package, version in contents.packages.items():
        found = next((installed[name] for name in _names(package) if name in installed), None)
        if found is not None and _minor(found) != _minor(version):
            there.append(f"{package} {version}")
            local.append(f"{package} {found}")
    return f"{contents.image} holds {', '.join(there)}; the job runs here with {', '.join(local)}" if there else ""


def _names(package: str) -> tuple[str, ...]:
    return (package, *_ALIASES.get(package, ()))


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]


def installed_versions(sites: Iterable[str], packages: Iterable[str] | None = None) -> dict[str, str]:
    """Returns the versions of those packages that are installed, read from the names of their metadata's folders.

    For None, they are all packages. The first folder counts that has one, as for Python itself.

    Source: https://packaging.python.org/en/latest/specifications/recording-installed-packages/
    """
    wanted, found = None if packages is None else set(packages), dict[str, str]()
    for folder in sites:
        try:
            entries = os.listdir(folder)
        except OSError:
            continue
        for entry in sorted(entries):
            match = _METADATA.fullmatch(entry)
            name = re.sub(r"[-_.]+", "-", match[1]).lower() if match else ""
            if match and (wanted is None or name in wanted):
                found.setdefault(name, match[2])
    return found


_METADATA = re.compile(r"(.+?)-([^-]+)(?:-py[^-]*)?\.(?:dist|egg)-info")
