"""`getResolvedOptions`, which reads the arguments of a Glue job as AWS's function of that name does.

Its behaviour is that of https://github.com/awslabs/aws-glue-libs (awsglue/utils.py), of which nothing is copied: named
options are required, others are passed over, abbreviations do not count, and the options of job bookmarks can't be
asked for. Standard library only; Python 3.6 and newer.
"""

import argparse

TYPE_CHECKING = False  # importing typing takes time, and older Pythons lack its names
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn

_BOOKMARKS = ("job-bookmark-enable", "job-bookmark-disable", "job-bookmark-pause")
#: The older option with the same meaning, by its values.
_CONTINUATIONS = {
    "continuation-enabled": "job-bookmark-enable",
    "continuation-readonly": "job-bookmark-pause",
    "continuation-ignore": "job-bookmark-disable",
}
#: Glue's own options, which a script can't declare. Those with values have a closed set.
_RESERVED = {
    "job-bookmark-option": _BOOKMARKS,
    "continuation-option": tuple(_CONTINUATIONS),
    "job-bookmark-from": None,
    "job-bookmark-to": None,
    "JOB_ID": None,
    "JOB_RUN_ID": None,
    "SECURITY_CONFIGURATION": None,
    "encryption-type": ("sse-s3",),
    "enable-data-lineage": None,
}
_DIRECTORIES = ("TempDir", "RedshiftTempDir")


class GlueArgumentError(Exception):
    """The arguments lack an option, or have a value that Glue does not know."""


class GlueArgumentParser(argparse.ArgumentParser):
    """A parser that raises an error in the place of ending the process."""

    def error(self, message: str) -> "NoReturn":
        raise GlueArgumentError(message)


def getResolvedOptions(  # noqa: N802 - Glue's name
    args: "Sequence[str]", options: "Sequence[str]", allow_abbrev: bool = False
) -> "dict[str, Any]":
    """Return the values of the options by their names; `args` begins with the script, as sys.argv does.

    Raises: GlueArgumentError, RuntimeError for an option that is Glue's own.
    """
    parser = GlueArgumentParser(allow_abbrev=allow_abbrev)
    for name, values in _RESERVED.items():
        if name in options:
            raise RuntimeError("Using reserved arguments " + name)
        parser.add_argument("--" + name, choices=values, required=False)
    for name in _DIRECTORIES:
        parser.add_argument("--" + name, required=False)
    for name in options:
        if name not in _DIRECTORIES:
            parser.add_argument("--" + name, required=True)
    found = vars(parser.parse_known_args(args[1:])[0])
    directory = found["TempDir"] or found["RedshiftTempDir"]
    found.update(TempDir=directory, RedshiftTempDir=directory)
    continuation = found.pop("continuation_option")
    if found["job_bookmark_option"] is None:
        found["job_bookmark_option"] = _CONTINUATIONS.get(continuation, "job-bookmark-disable")
    ranges = [found["job_bookmark_from"], found["job_bookmark_to"]]
    if found["job_bookmark_option"] == "job-bookmark-pause":
        if ranges.count(None) == 1:
            raise RuntimeError("Missing option or value for job-bookmark-" + ("from" if ranges[0] is None else "to"))
    elif None not in ranges:
        raise RuntimeError("job-bookmark-from and job-bookmark-to are for job-bookmark-pause")
    return found
