"""The starter with secrets: the script gets its variables, and its output has none of the values."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlci.stage.starter import mlci_start
from mlci.stage.starter.mlci_start_secrets import MASK, forms, mask_files, masker
from support.examples import examples

STARTER = Path(mlci_start.__file__).parent
SECRETS = {
    "sources": {"wandb": {"service": "ssm", "id": "/team/wandb", "variable": "MLCI_SECRET_WANDB"}},
    "variables": {"WANDB_API_KEY": [["wandb"]], "HEADER": ["Bearer ", ["wandb"], "!"]},
}


def run(tmp_path: Path, source: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """The starter's process in a job whose starter gets these variables."""
    code = tmp_path / "code"
    code.mkdir()
    for file in STARTER.glob("mlci_start*.py"):
        shutil.copy(file, code)
    (code / "x.py").write_text(source)
    document = {"run": {"script": "x.py"}, "import_roots": [], "secrets": SECRETS}
    (code / "mlci_start.json").write_text(json.dumps(document))
    (tmp_path / "output").mkdir()
    command = [sys.executable, str(code / "mlci_start.py")]
    environment = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run(command, env=environment, capture_output=True, check=False, timeout=60)


def test_the_script_gets_its_variables_and_no_other(tmp_path: Path) -> None:
    source = (
        "import json, os, sys\n"
        "names = [name for name in os.environ if 'SECRET' in name]\n"
        "key, header = os.environ['WANDB_API_KEY'], os.environ['HEADER']\n"
        "json.dump([names, key[::-1], header[::-1]], sys.stdout)\n"
    )
    done = run(tmp_path, source, MLCI_SECRET_WANDB="s3cret-value")
    assert json.loads(done.stdout) == [[], "eulav-terc3s", "!eulav-terc3s reraeB"]
    assert done.returncode == 0


def test_no_value_is_in_the_output_however_it_is_written(tmp_path: Path) -> None:
    source = (
        "import json, os, sys, time, urllib.parse\n"
        "value = os.environ['WANDB_API_KEY']\n"
        "print('plain', value, repr(value), json.dumps(value), urllib.parse.quote(value, safe=''))\n"
        "for part in (value[:7], value[7:]):\n"
        "    sys.stdout.write(part); sys.stdout.flush(); time.sleep(0.05)\n"
        "sys.stdout.write('\\r50 % ' + value + '\\r')\n"
        "print('error', value, file=sys.stderr)\n"
        "os.system('echo child $WANDB_API_KEY')\n"
        "raise RuntimeError(os.environ['HEADER'])\n"
    )
    value = 'first "line" & more\n{\nsecond line\n'
    done = run(tmp_path, source, MLCI_SECRET_WANDB=value)
    output = done.stdout + done.stderr
    assert done.returncode == 1
    assert b"RuntimeError: Bearer ***" in done.stderr
    assert b"child ***" in done.stdout
    assert not [form for form in forms(value) if form.encode() in output], output


def test_a_value_in_a_line_that_is_printed_in_parts_is_masked(tmp_path: Path) -> None:
    """It lies around the place where the line would be cut: where what is read reaches the limit of 1 MiB."""
    source = (
        "import os, sys\n"
        "value = os.environ['WANDB_API_KEY']\n"
        "for padding in range(0, 100, 7):\n"
        "    sys.stdout.write('x ' * (557046 + padding) + value + ' ' + 'y' * 99)\n"
    )
    done = run(tmp_path, source, MLCI_SECRET_WANDB="s3cret-value-" + 40 * "z")
    assert done.returncode == 0
    assert len(done.stdout) > 15 << 20
    assert b"***" in done.stdout
    assert b"s3cret-value" not in done.stdout
    assert b"zzzz" not in done.stdout


def test_files_that_say_why_the_script_failed_are_masked(tmp_path: Path) -> None:
    source = (
        "import os, sys\n"
        "with open('../output/failure', 'w') as stream: stream.write('key ' + os.environ['WANDB_API_KEY'] + ' fails')\n"
        "sys.exit(3)\n"
    )
    done = run(tmp_path, source, MLCI_SECRET_WANDB="s3cret-value")
    assert done.returncode == 3
    assert (tmp_path / "output" / "failure").read_text() == "key *** fails"


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"MLCI_SECRET_WANDB": ""}, "its value is empty"),
        ({}, "nothing says in which region the job runs"),
        ({"AWS_REGION": "eu-central-1"}, "the job has no credentials for AWS"),
    ],
)
def test_a_secret_that_cannot_be_read_ends_the_job_before_the_script(
    tmp_path: Path, variables: dict[str, str], reason: str
) -> None:
    done = run(tmp_path, "print('started')", **variables)
    assert (done.returncode, done.stdout) == (1, b"")
    expected = f'mlci_start.py: the secret "wandb" (ssm:/team/wandb) can\'t be read: {reason}\n'
    assert done.stderr.decode() == expected


def test_overlapping_values_are_masked_as_one() -> None:
    assert masker(["abcdef", "defghi"])(b"x abcdefghi y") == b"x *** y"
    assert masker(["aa"])(b"aaa aaaa b") == b"*** *** b"


def test_a_file_without_secrets_keeps_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "failure").write_bytes(b"\xff\x00 no secret\r\n")
    mask_files(str(tmp_path), masker(["s3cret"]))
    assert (tmp_path / "failure").read_bytes() == b"\xff\x00 no secret\r\n"


#: No mask can be taken for a part of a secret.
TEXT = st.text(st.characters(exclude_characters="*\0", codec="utf-8"), min_size=1, max_size=20)
VALUES = st.lists(st.lists(TEXT, min_size=1, max_size=3).map("\n".join), min_size=1, max_size=3)


@given(values=VALUES, data=st.data())
@settings(max_examples=examples(200))
def test_no_form_of_a_value_is_left_in_a_line(values: list[str], data: st.DataObject) -> None:
    every = sorted({form for value in values for form in forms(value)})
    parts = st.one_of(TEXT, st.sampled_from(every)) if every else TEXT
    line = "".join(data.draw(st.lists(parts, max_size=6))).encode()
    masked = masker(values)(line)
    assert not [form for form in every if form.encode() in masked]
    if not any(form.encode() in line for form in every):
        assert masked == line


@given(values=VALUES, before=st.binary(max_size=8), after=st.binary(max_size=8))
@settings(max_examples=examples(100))
def test_what_stands_beside_a_value_stays(values: list[str], before: bytes, after: bytes) -> None:
    value = next((form for text in values for form in forms(text)), None)
    if value is None or any(form.encode() in before + after for text in values for form in forms(text)):
        return
    masked = masker(values)(before + value.encode() + after)
    assert MASK in masked
    assert len(masked) <= len(before) + len(MASK) + len(after) + len(MASK)
