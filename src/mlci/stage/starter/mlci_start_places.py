"""Puts inputs where a script reads them, and what it writes into its outputs, by paths relative to the working folder.

An input is linked: its only file, where that has one of the names that are expected, else its folder. A model's archive
is unpacked before. An output is moved when the script has succeeded: the content of a folder, or a file under its own
name. What the code has at an output's path is removed before the script starts, so that nothing old counts as written.
"""

import difflib
import functools
import os
import shutil
import sys
import tarfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from mlci.stage.starter.mlci_start import ScriptJob

#: The folder of the code in which archives are unpacked.
_UNPACKED = ".mlci_inputs"
#: The file in an input that is empty, which is not linked. `mlci.plan.models` has the same, and a test compares them.
_EMPTY = ".mlci-empty"


def prepare(value: "Dict[str, List[Dict[str, Any]]]", job: "ScriptJob") -> None:
    """Link the inputs, and make room for the outputs.

    Folders are relative to the code's, and paths to the working folder.
    """
    for place in value.get("inputs", []):
        link_input(place, job)
    for place in value.get("outputs", []):
        make_room(os.path.join(job.working_dir, place["path"]))
        job.after.append(functools.partial(move_output, place, job))


def link_input(place: "Dict[str, Any]", job: "ScriptJob") -> None:
    """Link an input to its path; `names` are those that its only file may have, and `archive` is unpacked."""
    folder = os.path.normpath(os.path.join(job.folder, place["folder"]))
    if place.get("archive") and os.path.isfile(os.path.join(folder, place["archive"])):
        folder = unpack(os.path.join(folder, place["archive"]), os.path.join(job.folder, _UNPACKED, place["name"]))
    files = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    path = os.path.join(job.working_dir, place["path"])
    remove(path)
    if files == [_EMPTY]:
        return
    target = folder
    if len(files) == 1 and files[0] in place["names"]:
        target = os.path.join(folder, files[0])
    make_folder(os.path.dirname(path), place["path"])
    os.symlink(target, path)


def unpack(archive: str, folder: str) -> str:
    """Return the folder with an archive's content."""
    with tarfile.open(archive) as packed:
        if hasattr(tarfile, "data_filter"):
            packed.extractall(folder, filter="data")
        else:
            packed.extractall(folder)
    return folder


def make_room(path: str) -> None:
    """Remove the file at an output's path, or the files below it; the folders around and below it stay, or are made."""
    if os.path.isdir(path) and not os.path.islink(path):
        for name in os.listdir(path):
            remove(os.path.join(path, name))
    else:
        remove(path)
        make_folder(os.path.dirname(path), path)


def make_folder(path: str, wanted: str) -> None:
    """Make the folder that holds a path."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        sys.exit("mlci: {} can't be made for {}: {}".format(path, wanted, error.strerror))


def remove(path: str) -> None:
    """Remove a file, a link or a folder, if there is one."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def move_output(place: "Dict[str, Any]", job: "ScriptJob") -> None:
    """Move what the script wrote into its output; SystemExit if it wrote nothing.

    Of several instances, only the first has to write something.
    """
    path = os.path.join(job.working_dir, place["path"])
    folder = os.path.normpath(os.path.join(job.folder, place["folder"]))
    if not os.path.exists(path):
        if not job.is_first_host():
            return
        sys.exit(missing(place, job.working_dir))
    os.makedirs(folder, exist_ok=True)
    if os.path.isdir(path):
        for name in sorted(os.listdir(path)):
            put(os.path.join(path, name), os.path.join(folder, name))
    else:
        put(path, os.path.join(folder, os.path.basename(path)))


def put(source: str, target: str) -> None:
    """Move a file or a folder to a place; a link is replaced by what it leads to, because no store keeps links."""
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
        for name in sorted(os.listdir(source)):
            put(os.path.join(source, name), os.path.join(target, name))
    elif os.path.islink(source):
        shutil.copyfile(source, target)
    else:
        shutil.move(source, target)


def missing(place: "Dict[str, Any]", working_dir: str) -> str:
    """Return the message for an output that the script did not write, with what is there instead."""
    parent, name = os.path.split(place["path"])
    try:
        names = sorted(os.listdir(os.path.join(working_dir, parent)))
    except OSError:
        names = []
    near = difflib.get_close_matches(name, names, 1)
    there = "did the script write {}?".format(os.path.join(parent, near[0])) if near else ""
    if not there:
        shown = ", ".join(names[:10]) or "nothing"
        there = "{} holds {}".format(parent or "the working folder", shown)
    return 'mlci: output "{}": the script wrote no {}; {}'.format(place["name"], place["path"], there)
