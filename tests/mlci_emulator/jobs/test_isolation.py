"""The choice of an isolation mode, and the replacement of paths."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci_emulator.jobs.isolation import command_in_folder, environment_in_folder
from support.local_jobs import JobHarness

#: A user namespace that allows no further ones, and in which nobody may mount: much like a plain container.
CONTAINER = "echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-sys_admin {command}"


def refused(command: str) -> list[str]:
    return ["unshare", "--user", "--map-root-user", "sh", "-c", CONTAINER.format(command=command)]


def test_auto_falls_back_where_namespaces_are_refused(harness: JobHarness) -> None:
    tools = shutil.which("unshare") and shutil.which("setpriv")
    if not tools or subprocess.run(refused("true"), capture_output=True, check=False).returncode != 0:
        pytest.skip("no way here to refuse namespaces")
    here = Path(__file__)
    program = harness.root / "driver.py"
    program.write_text(
        f"import sys; sys.path[:0] = [{str(here.parents[3] / 'src')!r}, {str(here.parents[2])!r}]\n"
        "from pathlib import Path\nfrom support.local_jobs import JobHarness\n"
        f"harness = JobHarness(Path({str(harness.root)!r}))\n"
        "with harness.jobs() as jobs:\n"
        '    script = \'import sys; open(sys.argv[1] + "/x", "w")\'\n'
        "    entry = ['python3', '/opt/ml/processing/input/code/script.py', '/opt/ml/processing/output/out']\n"
        "    done = harness.process(script, jobs, AppSpecification={'ImageUri': 'x', 'ContainerEntrypoint': entry})\n"
        "print(done['ProcessingJobStatus'], harness.reports, list(harness.store.list('s3://b/out')))\n"
    )
    done = subprocess.run(
        refused(shlex.join([sys.executable, str(program)])), capture_output=True, text=True, check=False
    )
    assert re.match(r"Completed \[.isolation: (link|paths) ", done.stdout), done.stderr
    assert done.stdout.endswith("['s3://b/out/x']\n")


@given(st.lists(st.text(st.characters(exclude_characters="\0"), max_size=20)))
def test_what_has_no_container_path_stays_as_it_is(words: list[str]) -> None:
    plain = [word for word in words if "/opt/ml" not in word]
    assert command_in_folder("/w", plain) == tuple(plain)
    assert environment_in_folder("/w", dict.fromkeys(plain, "x/opt/ml/")) == dict.fromkeys(plain, "x/opt/ml/")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("/opt/ml/", "/w/"),
        ("/opt/ml", "/w"),
        ("/opt/ml/a=/opt/ml/b", "/w/a=/opt/ml/b"),
        ("--x=/opt/ml/a\nb", "--x=/w/a\nb"),
        ("-x=/opt/ml/a", "-x=/w/a"),
        ("--x=y=/opt/ml/a", "--x=y=/opt/ml/a"),
        ("/opt/mlflow", "/opt/mlflow"),
        ("", ""),
    ],
)
def test_where_a_path_is_replaced(word: str, expected: str) -> None:
    assert command_in_folder("/w", [word]) == (expected,)
