"""Starts a Glue job's script: fetches the code that lies beside this file in S3, and runs the script in it.

Glue takes one file, its ScriptLocation, which is this one. `--mlci_code` names the prefix that it lies at; all other
arguments are the script's. The script runs in this process, as Glue's own would: a Spark session is there.

Standard library and boto3, which Glue has; Python 3.6 and newer.
"""

import json
import os
import runpy
import sys
import tempfile

TYPE_CHECKING = False  # importing typing takes as long as all the rest
if TYPE_CHECKING:
    from typing import Any, Dict, List, Sequence, Tuple

#: The argument that names the prefix of the code. `mlci.step_types.glue` has the same name, and a test compares them.
CODE = "--mlci_code"
DOCUMENT = "mlci_start.json"


def main(arguments: "Sequence[str]") -> None:
    """Run the script, with the arguments that are its own."""
    uri, own = split_arguments(arguments)
    folder = tempfile.mkdtemp(prefix="mlci-code-")
    fetch(uri, folder)
    with open(os.path.join(folder, DOCUMENT), encoding="utf-8") as stream:
        document: Dict[str, Any] = json.load(stream)
    working_dir = os.path.join(folder, document.get("working_dir", ""))
    os.makedirs(working_dir, exist_ok=True)  # none of the files that are sent may lie there
    os.chdir(working_dir)
    roots = [os.path.join(folder, root) for root in document["import_roots"]]
    run = document["run"]
    if "module" in run:
        sys.path[:0] = [working_dir, *roots]
        sys.argv[1:] = own
        runpy.run_module(run["module"], run_name="__main__", alter_sys=True)
        return
    script = os.path.join(folder, run["script"])
    sys.path[:0] = [os.path.dirname(script), *roots]
    sys.argv[:] = [script, *own]
    runpy.run_path(script, run_name="__main__")


def split_arguments(arguments: "Sequence[str]") -> "Tuple[str, List[str]]":
    """Return the prefix of the code, and the arguments without it.

    >>> split_arguments(["--a", "1", "--mlci_code", "s3://b/code/", "--b", "2"])
    ('s3://b/code/', ['--a', '1', '--b', '2'])
    """
    left = list(arguments)
    for index, argument in enumerate(left):
        if argument == CODE and index + 1 < len(left):
            uri = left[index + 1]
            return uri, left[:index] + left[index + 2 :]
        if argument.startswith(CODE + "="):
            return argument[len(CODE) + 1 :], left[:index] + left[index + 1 :]
    sys.exit("mlci_start_glue.py: the job has no argument " + CODE)


def fetch(uri: str, folder: str) -> None:
    """Copy the objects below a prefix into a folder."""
    try:
        import boto3
    except ImportError:
        sys.exit("mlci_start_glue.py: this Python has no boto3, which Glue's has: pip install boto3")
    bucket, _, prefix = uri[len("s3://") :].partition("/")
    s3 = boto3.client("s3")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", []):
            path = os.path.join(folder, entry["Key"][len(prefix) :])
            os.makedirs(os.path.dirname(path), exist_ok=True)
            s3.download_file(bucket, entry["Key"], path)


if __name__ == "__main__":
    main(sys.argv[1:])
