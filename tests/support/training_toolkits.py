"""Runs a code unit with SageMaker's real training toolkits, and the same script as a person would, to compare them.

An environment of each toolkit is made once by pip, in MLCI_TOOLKITS or a temporary folder. Each run gets an environment
of its own on top, because the XGBoost image installs the code into it, and a folder of its own for /opt/ml, which the
toolkits take from SAGEMAKER_BASE_DIR.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Files = Mapping[str, str]

TIMEOUT_S = 180

#: Functions that stand for the images whose packages no registry has. Each makes the image's own call.
IMAGES = '''
def xgboost():
    """sagemaker-xgboost-container at v3.0-5, src/sagemaker_xgboost_container/training.py, train()"""
    import sagemaker_containers.beta.framework as framework

    env = framework.training_env()
    framework.modules.run_module(
        env.module_dir, env.to_cmd_args(), env.to_env_vars(), env.module_name, capture_error=False
    )


def scikit_learn():
    """sagemaker-scikit-learn-container at eae7b6b, src/sagemaker_sklearn_container/training.py, train()"""
    from sagemaker_training import entry_point, environment, runner

    env = environment.Environment()
    entry_point.run(
        uri=env.module_dir,
        user_entry_point=env.user_entry_point,
        args=env.to_cmd_args(),
        env_vars=env.to_env_vars(),
        runner_type=runner.ProcessRunnerType,
    )
'''


@dataclass(frozen=True)
class Environment:
    """Packages of an image that matter here. `python` is the version that the image has, or "" for the running one."""

    name: str
    packages: tuple[str, ...]
    package: str
    python: str = ""
    without_dependencies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Toolkit:
    """An image's way to start a script. `quotes` is False where hyperparameters pass through a shell unquoted."""

    name: str
    environment: Environment
    module: str
    quotes: bool = True


#: sagemaker-xgboost-container at v1.7-1: requirements.txt, and Python 3.8 in docker/1.7-1/base/Dockerfile.cpu.
CONTAINERS = Environment(
    "sagemaker-containers 2.8.6.post2",
    (
        *("sagemaker-containers==2.8.6.post2", "flask==1.1.1", "jinja2==2.11.3", "markupsafe==1.1.1"),
        *("itsdangerous==2.0.1", "werkzeug==0.15.6", "protobuf==3.20.1", "cryptography==39.0.1", "wheel==0.36.2"),
        "setuptools<58",  # markupsafe 1.1.1 builds with no newer one
    ),
    "sagemaker_containers",
    "3.8",
)
#: The serving half of the images; it needs no server to import a script, and call its functions.
INFERENCE = Environment(
    "sagemaker-inference",
    ("six", "numpy", "scipy", "setuptools<81", "wheel"),
    "sagemaker_inference",
    without_dependencies=("sagemaker-inference",),
)
TRAINING_5_0 = Environment(
    "sagemaker-training 5.0.0",
    ("sagemaker-training==5.0.0", "setuptools<81", "wheel"),
    "sagemaker_training",
    without_dependencies=("sagemaker_pytorch_training==3.0.0",),
)
TRAINING_NEWEST = Environment(
    "sagemaker-training, newest",
    ("sagemaker-training", "setuptools<81", "wheel"),
    "sagemaker_training",
    without_dependencies=("sagemaker_pytorch_training",),
)
_PYTORCH = "sagemaker_pytorch_container.training:main"

TOOLKITS = (
    Toolkit("xgboost", CONTAINERS, "mlci_images:xgboost"),
    Toolkit("scikit-learn-5.0", TRAINING_5_0, "mlci_images:scikit_learn"),
    Toolkit("pytorch-5.0", TRAINING_5_0, _PYTORCH, quotes=False),
    Toolkit("scikit-learn-newest", TRAINING_NEWEST, "mlci_images:scikit_learn"),
    Toolkit("pytorch-newest", TRAINING_NEWEST, _PYTORCH),
)


class Missing(Exception):
    """The Python that an environment needs is not on this machine."""


def interpreter(version: str) -> str:
    """The interpreter of a version like "3.8" on this machine; the running one for "".

    Raises: Missing.
    """
    if not version:
        return sys.executable
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [shutil.which(f"python{version}"), *sorted(map(str, versions.glob(f"{version}.*/bin/python")))]
    for candidate in filter(None, found):
        answer = subprocess.run(
            [candidate, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, text=True
        )
        if answer.stdout.strip() == str(tuple(map(int, version.split(".")))):
            return candidate
    raise Missing(f"Python {version} is not on this machine")


def make_environment(environment: Environment, folder: Path) -> Path:
    """The environment's own Python; it is made if it is not there yet.

    Raises: Missing.
    """
    location = folder / environment.name.replace(" ", "-").replace(",", "")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{location.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes
        if not (location / "complete").is_file():
            _install(environment, location)
    return location / "bin" / "python"


def _install(environment: Environment, location: Path) -> None:
    base = interpreter(environment.python)
    shutil.rmtree(location, ignore_errors=True)
    subprocess.run([base, "-m", "venv", location], check=True)
    python = location / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    builders = [package for package in environment.packages if package.startswith(("setuptools", "wheel"))]
    subprocess.run([*pip, *builders], check=True)
    subprocess.run([*pip, *environment.packages], check=True)
    if environment.without_dependencies:
        subprocess.run([*pip, "--no-deps", "--no-build-isolation", *environment.without_dependencies], check=True)
    (_site_packages(python) / "mlci_images.py").write_text(IMAGES)
    (location / "complete").touch()


def _site_packages(python: Path) -> Path:
    query = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(subprocess.run([python, "-c", query], check=True, capture_output=True, text=True).stdout.strip())


@dataclass(frozen=True)
class Result:
    """How a run ended: `probe` is what the script wrote of itself, `failure` what a container reports to SageMaker."""

    exit_code: int
    log: str
    probe: Mapping[str, object]
    failure: str = ""


@dataclass(frozen=True)
class Image:
    """An environment made for one run, and the toolkit in it."""

    toolkit: Toolkit
    folder: Path
    python: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "python", self.folder / "image" / "bin" / "python")

    def build(self, environments: Path) -> None:
        """Make the environment.

        Raises: Missing.
        """
        below = make_environment(self.toolkit.environment, environments)
        subprocess.run([below, "-m", "venv", "--without-pip", self.folder / "image"], check=True)
        (_site_packages(self.python) / "below.pth").write_text(f"{_site_packages(below)}\n")
        (self.python.parent / "train").write_text(
            f"import sys\nfrom {self.toolkit.environment.package}.cli.train import main\nsys.exit(main())\n"
        )

    def train(self, archive: bytes, hyperparameters: Mapping[str, str], import_roots: Sequence[str] = ()) -> Result:
        """Run the image's `train` command on a sourcedir.tar.gz, as SageMaker does, with import roots in PYTHONPATH."""
        base, probe = self.folder / "ml", self.folder / "probe.json"
        for place in ("input/config", "input/data", "model", "output/data"):
            (base / place).mkdir(parents=True)
        source = self.folder / "sourcedir.tar.gz"
        source.write_bytes(archive)
        given = {**hyperparameters, "sagemaker_submit_directory": json.dumps(str(source))}
        configuration = {
            "hyperparameters": given,
            "inputdataconfig": {},
            "resourceconfig": {
                "current_host": "localhost",
                "current_instance_type": "ml.m5.large",
                "current_group_name": "homogeneousCluster",
                "hosts": ["localhost"],
                "instance_groups": [
                    {
                        "instance_group_name": "homogeneousCluster",
                        "instance_type": "ml.m5.large",
                        "hosts": ["localhost"],
                    }
                ],
                "network_interface_name": "lo",
            },
        }
        for name, value in configuration.items():
            (base / "input" / "config" / f"{name}.json").write_text(json.dumps(value))
        environment = {
            **self._environment(probe),
            "SAGEMAKER_BASE_DIR": str(base),
            "SAGEMAKER_TRAINING_MODULE": self.toolkit.module,
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "PIP_NO_INDEX": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        if import_roots:
            environment["PYTHONPATH"] = ":".join(str(base / "code" / root) for root in import_roots)
        command = [str(self.python), str(self.python.parent / "train")]
        failure = base / "output" / "failure"
        result = _run(command, self.folder, environment, probe, base / "code")
        return Result(result.exit_code, result.log, result.probe, failure.read_text() if failure.is_file() else "")

    def person(self, command: Sequence[str], files: Files, import_roots: Sequence[str]) -> Result:
        """Run a script in a checkout, with the image's Python for "python"."""
        checkout, probe = self.folder / "checkout", self.folder / "person.json"
        write(checkout, files)
        environment = self._environment(probe)
        if import_roots:
            environment["PYTHONPATH"] = ":".join(str(checkout / root) for root in import_roots)
        first, *rest = command
        program = str(self.python) if first == "python" else first
        return _run([program, *rest], checkout, environment, probe, checkout)

    def _environment(self, probe: Path) -> dict[str, str]:
        return {
            "PATH": f"{self.python.parent}:{os.defpath}",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PROBE_FILE": str(probe),
        }


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str], probe: Path, root: Path) -> Result:
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=TIMEOUT_S,
        check=False,
    )
    written = json.loads(probe.read_text().replace(os.path.realpath(root), "<root>")) if probe.is_file() else {}
    log = done.stdout.decode("utf-8", "replace").replace(os.path.realpath(root), "<root>")
    return Result(done.returncode, log, written)


def write(folder: Path, files: Files) -> None:
    """Put files into a folder, with the folders that they need."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
