"""The services put together, in a process of its own, because importing moto is for ever."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_PROGRAM = """\
import io, pathlib, sys
from mlci_emulator.server.data_folder import DataFolder
from mlci_emulator.server.service_assembly import EmulatorServices, ServerContext

folder = DataFolder(pathlib.Path(sys.argv[1]))
log = lambda line: print(line, file=sys.stderr)
parts = EmulatorServices(folder, ServerContext({}, {}, sys.executable, "auto", log))
print("moto at the start:", "moto" in sys.modules, "botocore:", "botocore" in sys.modules)

def ask(service, target):
    credential = f"AWS4-HMAC-SHA256 Credential=KEY/20261125/us-east-1/{service}/aws4_request"
    environ = {
        "REQUEST_METHOD": "POST", "PATH_INFO": "/", "QUERY_STRING": "", "HTTP_AUTHORIZATION": credential,
        "HTTP_X_AMZ_TARGET": target, "CONTENT_TYPE": "application/x-amz-json-1.1", "CONTENT_LENGTH": "2",
        "HTTP_HOST": "localhost:4566", "SERVER_NAME": "localhost", "SERVER_PORT": "4566", "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(b"{}"),
    }
    said = []
    answer = b"".join(parts.application(environ, lambda status, headers: said.append((status, dict(headers)))))
    print(said[0][0], answer.decode(), [name for name in said[0][1] if name.lower().startswith("access-control")])

ask("sagemaker", "SageMaker.ListTrainingJobs")
print("moto after a request of ours:", "moto" in sys.modules)
ask("ssm", "AmazonSSM.DescribeParameters")
print("moto after a request of its own:", "moto" in sys.modules)
parts.close()
"""


def test_moto_is_imported_when_it_is_first_asked_and_says_nothing_to_browsers(tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", _PROGRAM, str(tmp_path)], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == [
        "moto at the start: False botocore: False",
        '200 OK {"TrainingJobSummaries": []} []',
        "moto after a request of ours: False",
        '200 OK {"Parameters": []} []',
        "moto after a request of its own: True",
    ]


_TWO_THREADS = """\
import pathlib, sys, threading
from mlci_emulator.server.moto_services.journal import Journal
from mlci_emulator.server.moto_services.moto_server import MotoServer

moto = MotoServer(Journal(pathlib.Path(sys.argv[1])), "123456789012", print)
with moto._lock:  # as a thread that loads moto holds it
    asked = threading.Thread(target=lambda: moto.backend("logs", "us-east-1").__enter__())
    asked.start()
    asked.join(1)
    print("moto, while another thread loads it:", "moto" in sys.modules)
asked.join()
print("moto afterwards:", "moto" in sys.modules)
"""


def test_one_thread_at_a_time_imports_moto(tmp_path: Path) -> None:
    """Of two, each with half of the package, one would end in KeyError: 'moto'."""
    command = [sys.executable, "-c", _TWO_THREADS, str(tmp_path / "journal")]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == ["moto, while another thread loads it: False", "moto afterwards: True"]
