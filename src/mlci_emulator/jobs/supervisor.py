"""The process that every local job starts in: it makes the job's `/opt/ml`, starts the script, and outlives all of it.

`mlci_emulator.jobs.process` starts it by path with `python -I -S`, so it imports the standard library only, and of
that little: a job must cost next to nothing over its script. It may be started ahead of its job: it waits for one.

What comes in on standard input: four bytes of length, then an order (a dict, marshalled: both ends are the same
interpreter, and `json` would cost more than all the rest), then a byte for "stop". End of file means that mlci gave up
or died, by SIGKILL too: everything is killed at once. What goes out on the status pipe is one marshalled tuple:

    ("ended", wait status)   the script ran to its end, and nothing of it is left
    ("unstartable", text)    its entry point could not be executed
    ("refused", text)        the isolation could not be set up
    no tuple at all          all of it was killed

So what goes wrong in here is never mistaken for a script's own exit code.

In a namespace the script's parent is process 1 of a PID namespace: when that ends, the kernel kills all that is in it,
also what called setsid and forked twice, and PDEATHSIG ties it to this process. Elsewhere on Linux this process is the
"subreaper" that orphans fall back to, and it kills its descendants. On macOS it kills the script's process group; a
process that leaves the group escapes it there.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import marshal
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

CONTAINER = "/opt/ml"
IS_LINUX = sys.platform == "linux"

# Source: include/uapi/linux/sched.h, mount.h and prctl.h of Linux.
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID = 0x00020000, 0x10000000, 0x20000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 8192, 16384, 1 << 18
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36

#: How long to go on killing descendants that don't go: one that runs as another user can't be killed.
SWEEP_S = 5.0

_libc = ctypes.CDLL(None, use_errno=True)


class Refused(Exception):
    """The isolation that was asked for does not work here; the text says what was refused."""


class Unstartable(Exception):
    """The script's entry point can't be executed; the text is the system's."""


def main() -> NoReturn:
    """Wait for an order, carry it out, and exit; what came of it is told on the status pipe, not by the exit code."""
    os.umask(0o022)
    status = int(sys.argv[1])
    os.set_inheritable(status, False)
    control = os.dup(0)  # not inheritable, unlike 0 itself
    order = _read_order(control)
    if order is not None:
        try:
            _carry_out(order, control, status)
        except Refused as error:
            _tell(status, "refused", str(error))
        except Unstartable as error:
            _tell(status, "unstartable", str(error))
        except BaseException as error:  # noqa: BLE001 - whatever it is, it must not look like the script's end
            _tell(status, "refused", f"{type(error).__name__}: {error}")
    os._exit(0)


def _read_order(control: int) -> dict[str, Any] | None:
    length = int.from_bytes(_read_exactly(control, 4), "big")
    data = _read_exactly(control, length)
    return marshal.loads(data) if data else None


def _read_exactly(file: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = os.read(file, size - len(data))
        if not part:
            return b""
        data += part
    return data


def _tell(status: int, what: str, value: int | str) -> None:
    with contextlib.suppress(BrokenPipeError):  # mlci is gone; nobody is left to tell
        os.write(status, marshal.dumps((what, value)))


def _carry_out(order: dict[str, Any], control: int, status: int) -> None:
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    if order["mode"] == "namespace":
        folder = os.stat(order["folder"])
        _enter_namespace(order["folder"], order["stage"])
        init = os.fork()
        if init == 0:
            _be_process_one(order, folder, log, control, status)
        os.close(status)  # process 1 tells; when it is gone, mlci reads the end of file
        _watch(init, control, order["grace_s"], lambda: _signal(init, signal.SIGKILL))
        return
    if IS_LINUX:
        _check(_libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")
    child = _start(order, log)
    ended = _watch(child, control, order["grace_s"], lambda: _kill_descendants(child))
    _kill_descendants(child)
    _tell(status, "ended", ended)


# --- The namespace ---------------------------------------------------------------------------------------------------


def _enter_namespace(folder: str, stage: str) -> None:
    """A mount namespace in which `/opt/ml` is `folder`, and a PID namespace for the next child, as root or not."""
    if not IS_LINUX:
        raise Refused("namespaces are a feature of Linux")
    try:
        try:
            _check(_libc.unshare(CLONE_NEWNS | CLONE_NEWPID), "unshare")
        except PermissionError:
            _enter_user_namespace()
        _mount("none", "/", "", MS_REC | MS_PRIVATE)
        _show_as_container(folder, stage)
    except OSError as error:
        raise Refused(error.strerror or str(error)) from error


def _enter_user_namespace() -> None:
    # The user keeps its own id in there. Its rights over the namespace end with the script's exec, as for any user.
    uid, gid = os.geteuid(), os.getegid()
    _check(_libc.unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def _show_as_container(folder: str, stage: str) -> None:
    """Mount `folder` on `/opt/ml`. Where that does not exist, and can't be made, `/opt` becomes a copy that has it."""
    if os.path.isdir(CONTAINER) and not os.path.islink(CONTAINER):
        _mount(folder, CONTAINER, "", MS_BIND | MS_REC)
        return
    parent, name = os.path.split(CONTAINER)
    _mount("tmpfs", stage, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755")
    for entry in os.scandir(parent):
        if entry.name != name:
            _show_again(entry, os.path.join(stage, entry.name))
    os.mkdir(os.path.join(stage, name))
    _mount(folder, os.path.join(stage, name), "", MS_BIND | MS_REC)
    _mount(stage, parent, "", MS_MOVE)


def _show_again(entry: os.DirEntry[str], place: str) -> None:
    if entry.is_symlink():
        os.symlink(os.readlink(entry.path), place)
        return
    if entry.is_dir():
        os.mkdir(place)
    else:
        os.close(os.open(place, os.O_CREAT | os.O_WRONLY))
    # What this user can't reach outside, it can't reach in there.
    with contextlib.suppress(PermissionError, FileNotFoundError):
        _mount(entry.path, place, "", MS_BIND | MS_REC)


def _be_process_one(order: dict[str, Any], folder: os.stat_result, log: int, control: int, status: int) -> NoReturn:
    try:
        os.close(control)
        _check(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")
        if not os.path.samestat(os.stat(CONTAINER), folder):
            raise Refused(f"{CONTAINER} is not the job's folder, although the mount succeeded")
        # A container that hides parts of /proc forbids it; the old one works too, and lists more.
        with contextlib.suppress(OSError):
            _mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
        if not order["argv"]:  # a probe: it was to be set up, and no more
            _tell(status, "ended", 0)
            os._exit(0)
        script: list[int] = []
        signal.signal(signal.SIGTERM, lambda *_: _signal(script[0], signal.SIGTERM) if script else os._exit(0))
        script.append(_start(order, log))
        while True:
            child, ended = os.wait()
            if child == script[0]:
                _tell(status, "ended", ended)
                os._exit(0)
    except Unstartable as error:
        _tell(status, "unstartable", str(error))
    except BaseException as error:  # noqa: BLE001 - as in main
        _tell(status, "refused", f"{type(error).__name__}: {error}" if not isinstance(error, Refused) else str(error))
    os._exit(0)


# --- The script ------------------------------------------------------------------------------------------------------


def _start(order: dict[str, Any], log: int) -> int:
    """Start the script and return its process id. No shell comes between: one would drop `SM_HP_MAX-DEPTH`."""
    reader, writer = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            if IS_LINUX:
                _check(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")
                if os.getppid() != parent:
                    os._exit(0)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(log, 1)
            os.dup2(log, 2)
            for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and exec would hand that on
                signal.signal(number, signal.SIG_DFL)
            os.chdir(order["cwd"])
            os.execvpe(order["argv"][0], order["argv"], order["env"])
        except OSError as error:  # execvpe names the last folder of PATH that it looked in, which helps nobody
            where = order["cwd"] if error.filename == order["cwd"] else order["argv"][0]
            os.write(writer, f"{where}: {error.strerror}".encode("utf-8", "replace"))
        except BaseException as error:  # noqa: BLE001 - this is the child: it must not go on
            os.write(writer, f"{type(error).__name__}: {error}".encode("utf-8", "replace"))
        os._exit(127)
    os.close(writer)
    with open(reader, "rb") as file:
        problem = file.read().decode()
    if problem:
        os.waitpid(child, 0)
        raise Unstartable(problem)
    return child


def _watch(child: int, control: int, grace_s: float, kill: Callable[[], None]) -> int:
    """Wait for the child and return its wait status; pass on a stop: SIGTERM first, and `kill` after the grace."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    waiting = [reader, control]
    kill_at: float | None = None
    while True:
        ended = _reap(child)
        if ended is not None:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return ended
        if kill_at is not None and time.monotonic() >= kill_at:
            kill()
            kill_at = time.monotonic() + grace_s
        ready = select.select(waiting, [], [], None if kill_at is None else max(0.0, kill_at - time.monotonic()))[0]
        if reader in ready:
            os.read(reader, 512)
        if control in ready:
            if os.read(control, 1):
                _signal(child, signal.SIGTERM)
                kill_at = time.monotonic() + grace_s
            else:
                waiting.remove(control)
                kill_at = time.monotonic()


def _reap(child: int) -> int | None:
    """Collect every child that ended; the wait status of this one if it is among them."""
    ended = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended if ended is not None else signal.SIGKILL
        if pid == 0:
            return ended
        if pid == child:
            ended = status


def _kill_descendants(child: int) -> None:
    """Kill all that descends from this process, and wait until it is gone."""
    if not IS_LINUX:
        _signal(-child, signal.SIGKILL)
        return
    give_up = time.monotonic() + SWEEP_S
    while time.monotonic() < give_up:
        found = _descendants()
        if not found:
            return
        for pid in found:
            _signal(pid, signal.SIGKILL)
        time.sleep(0.002)
        if child not in found:
            _reap(child)
        else:
            return  # the watcher collects it, and comes back for those that are left


def _descendants() -> list[int]:
    """The processes below this one, zombies too, from /proc; a subreaper's descendants hang together below it."""
    if not _has_children():
        return []
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    parent = int(file.read().rpartition(b")")[2].split(None, 2)[1])
            except (OSError, ValueError, IndexError):
                continue  # it just ended
            children.setdefault(parent, []).append(int(name))
    found: list[int] = []
    ahead = [os.getpid()]
    while ahead:
        below = children.get(ahead.pop(), [])
        found += below
        ahead += below
    return found


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


# --- The system ------------------------------------------------------------------------------------------------------


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    arguments = (os.fsencode(source), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), data.encode())
    _check(_libc.mount(*arguments), f"mount {target}")


def _check(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}") if code else OSError(errno.EIO, what)


if __name__ == "__main__":
    main()
