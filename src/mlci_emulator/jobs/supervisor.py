"""Runs as a process of its own: sets up a job's `/opt/ml`, runs the script, and kills every process that it leaves.

`mlci_emulator.jobs.process` starts this file with `python -I -S`, so it imports the standard library only, and little
of that: starting a job must cost almost nothing. It may be started ahead of its job; it waits for a request.

Standard input carries four bytes of length, then the launch request (a marshalled dict: both ends are the same
interpreter, and importing `json` would take longer than all the rest), then a byte that means "stop". The end of file
means that mlci gave up or died, even by SIGKILL: all processes are killed at once. The status pipe carries one
marshalled tuple:

    ("exited", wait status)     the script ended, and none of its processes is left
    ("not_executable", text)    the entry point could not be executed
    ("setup_failed", text)      the isolation could not be set up
    no tuple at all             all processes were killed

An error in this process is therefore never mistaken for a script's own exit code.

In a namespace the script's parent is process 1 of a PID namespace: when that ends, the kernel kills every process in
the namespace, also one that called setsid and forked twice. PDEATHSIG ties process 1 to this process. A job that runs
in an image's files has a namespace, too, and a chroot. Where a container has to be removed, a child of this process
does all the rest, and this process removes the container after the child's end, however that comes. Elsewhere on
Linux this process is the "subreaper" that adopts orphans, and it kills its descendants; if the script kills it,
`leftover_processes` does so. On macOS it kills the script's process group; a process that leaves the group escapes.
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

TYPE_CHECKING = False  # importing typing takes as long as most of the rest
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

CONTAINER = "/opt/ml"
TEMPORARY, SHARED_MEMORY = "/tmp", "/dev/shm"
HOSTS_FILE, RESOLVER_FILE = "/etc/hosts", "/etc/resolv.conf"
IS_LINUX = sys.platform == "linux"

# Source: include/uapi/linux/sched.h, mount.h and prctl.h of Linux.
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x00020000, 0x10000000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 8192, 16384, 1 << 18
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36

#: The time after which descendants that don't end are left: one that runs as another user can't be killed.
SWEEP_S = 5.0

_libc = ctypes.CDLL(None, use_errno=True)


class SetupError(Exception):
    """The requested isolation does not work here; the text says what the system rejected."""


class ExecError(Exception):
    """The script's entry point can't be executed; the text is the system's message."""


def main() -> NoReturn:
    """Wait for a request, run it, and exit. The status pipe carries the result; the exit code is always 0.

    With the argument "network", hold a network instead.
    """
    os.umask(0o022)
    if sys.argv[1] == "network":
        _hold_network()
    status = int(sys.argv[1])
    os.set_inheritable(status, False)
    control = os.dup(0)  # not inheritable, unlike 0 itself
    request = _read_request(control)
    if request is not None:
        try:
            if request["removal"]:
                _run_before_removal(request, control, status)
            else:
                _run_request(request, control, status)
        except SetupError as error:
            _report_status(status, "setup_failed", str(error))
        except ExecError as error:
            _report_status(status, "not_executable", str(error))
        except BaseException as error:  # noqa: BLE001 - no error in here may look like the script's end
            _report_status(status, "setup_failed", f"{type(error).__name__}: {error}")
    os._exit(0)


def _read_request(control: int) -> dict[str, Any] | None:
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


def _report_status(status: int, what: str, value: int | str) -> None:
    with contextlib.suppress(BrokenPipeError):  # mlci is gone
        os.write(status, marshal.dumps((what, value)))


def _run_before_removal(request: dict[str, Any], control: int, status: int) -> None:
    """Run the request in a child, to which a stop is passed on, and then the command that removes the container."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writer)
        os.close(control)
        try:
            _end_with_parent(os.getppid())
            _run_request({**request, "removal": []}, reader, status)
        except SetupError as error:
            _report_status(status, "setup_failed", str(error))
        except ExecError as error:
            _report_status(status, "not_executable", str(error))
        except BaseException as error:  # noqa: BLE001 - as in main
            _report_status(status, "setup_failed", f"{type(error).__name__}: {error}")
        os._exit(0)
    os.close(reader)
    waiting = [control]
    ended, end = os.pipe()
    os.set_blocking(end, False)
    signal.set_wakeup_fd(end)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while _reap_children(child) is None:
        ready = select.select([ended, *waiting], [], [])[0]
        if ended in ready:
            os.read(ended, 512)
        if control in ready:
            message = os.read(control, 1)
            with contextlib.suppress(BrokenPipeError):
                os.write(writer, message)
            if not message:
                os.close(writer)
                waiting.remove(control)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _run_quietly(request["removal"], request["removal_environment"])


def _run_quietly(command: list[str], environment: dict[str, str]) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    actions = [(os.POSIX_SPAWN_DUP2, null, number) for number in (0, 1, 2)]
    with contextlib.suppress(OSError):
        os.waitpid(os.posix_spawn(command[0], command, environment, file_actions=actions), 0)


def _end_with_parent(parent: int) -> None:
    """Let the kernel kill this process when its parent ends."""
    if IS_LINUX:
        _check(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")
        if os.getppid() != parent:
            os._exit(0)


def _run_request(request: dict[str, Any], control: int, status: int) -> None:
    log = os.open(request["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    if request["mode"] == "namespace":
        folder = os.stat(request["folder"])
        _enter_namespace(request)
        init = os.fork()
        if init == 0:
            _run_as_init(request, folder, log, control, status)
        os.close(status)  # process 1 reports the status; when it ends, mlci reads the end of file
        _wait_for(init, control, request["grace_s"], lambda: _signal(init, signal.SIGKILL))
        return
    if IS_LINUX:
        _check(_libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")
    child = _start_script(request, log)
    wait_status = _wait_for(child, control, request["grace_s"], lambda: _kill_descendants(child))
    _kill_descendants(child)
    _report_status(status, "exited", wait_status)


# --- The namespace ---------------------------------------------------------------------------------------------------


def _enter_namespace(request: dict[str, Any]) -> None:
    """Enter a mount namespace in which the job has its own folders, and a PID namespace for the next child.

    Any user can do so. The job's own folders are `/opt/ml`, `/tmp` and `/dev/shm`. A job without a network gets a
    network namespace as well, in which there is only itself.
    """
    if not IS_LINUX:
        raise SetupError("namespaces are a feature of Linux")
    try:
        try:
            if request["network_of"]:
                _join_network(request["network_of"])
            _check(_libc.unshare(CLONE_NEWNS | CLONE_NEWPID), "unshare")
        except PermissionError:
            _enter_user_namespace(CLONE_NEWNS | CLONE_NEWPID)
        if request["is_offline"]:
            _check(_libc.unshare(CLONE_NEWNET), "unshare")
            _bring_up_loopback()
        _mount("none", "/", "", MS_REC | MS_PRIVATE)
        if request["root"]:
            _mount_in_root(request["folder"], request["root"], request["hosts"] or HOSTS_FILE)
            return
        _mount_container_path(request["folder"], request["stage"])
        if request["hosts"]:
            _mount(request["hosts"], HOSTS_FILE, "", MS_BIND)
        if request["temporary"]:
            _mount_temporary_folders(request["temporary"], request["shared_names"])
    except OSError as error:
        raise SetupError(error.strerror or str(error)) from error


def _enter_user_namespace(others: int) -> None:
    # The user keeps its id in the namespace. Its capabilities there end with the script's exec, as for any user.
    uid, gid = os.geteuid(), os.getegid()
    _check(_libc.unshare(CLONE_NEWUSER | others), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def _hold_network() -> NoReturn:
    """Make a network in which there is only a loopback, and keep it until standard input ends.

    Write an empty line when it is there, or else what the system rejected.
    """
    try:
        try:
            _check(_libc.unshare(CLONE_NEWNET), "unshare")
        except PermissionError:
            _enter_user_namespace(CLONE_NEWNET)
        _bring_up_loopback()
        answer = "\n"
    except OSError as error:
        answer = f"{error.strerror or error}\n"
    os.write(1, answer.encode())
    os.read(0, 1)
    os._exit(0)


def _join_network(holder: int) -> None:
    """Enter the network that another process holds, and its user namespace if that is another one."""
    spaces = [("net", CLONE_NEWNET)]
    if os.readlink(f"/proc/{holder}/ns/user") != os.readlink("/proc/self/ns/user"):
        spaces.insert(0, ("user", CLONE_NEWUSER))
    for name, kind in spaces:
        file = os.open(f"/proc/{holder}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        _check(_libc.setns(file, kind), "setns")
        os.close(file)


def _bring_up_loopback() -> None:
    import fcntl
    import socket
    import struct

    # Source: include/uapi/linux/sockios.h (SIOCSIFFLAGS) and if.h (IFF_UP; struct ifreq).
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, 0x8914, struct.pack("16sh14x", b"lo", 1))


def _mount_container_path(folder: str, stage: str) -> None:
    """Mount `folder` on `/opt/ml`. If `/opt/ml` does not exist, replace `/opt` by a copy that has it."""
    if os.path.isdir(CONTAINER) and not os.path.islink(CONTAINER):
        _mount(folder, CONTAINER, "", MS_BIND | MS_REC)
        return
    parent, name = os.path.split(CONTAINER)
    _mount("tmpfs", stage, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755")
    for entry in os.scandir(parent):
        if entry.name != name:
            _bind_entry(entry.path, os.path.join(stage, entry.name))
    os.mkdir(os.path.join(stage, name))
    _mount(folder, os.path.join(stage, name), "", MS_BIND | MS_REC)
    _mount(stage, parent, "", MS_MOVE)


def _check_places(root: str) -> None:
    """Check that no link of an image leads a place to mount on out of the root: it would be made on this machine."""
    real = os.path.realpath(root)
    for path in (CONTAINER, "/dev", SHARED_MEMORY, "/sys", "/proc", os.path.dirname(HOSTS_FILE)):
        place = os.path.realpath(root + path)
        if os.path.commonpath((real, place)) != real:
            raise SetupError(f"{path} of the image is a link to {place}, outside of the image's files")


def _mount_in_root(folder: str, root: str, hosts: str) -> None:
    """Mount `folder` on `/opt/ml` below the root, and what a process needs of this machine: its devices and network."""
    _check_places(root)
    os.makedirs(root + CONTAINER, exist_ok=True)
    _mount(folder, root + CONTAINER, "", MS_BIND | MS_REC)
    for path in ("/dev", "/sys"):
        os.makedirs(root + path, exist_ok=True)
        _mount(path, root + path, "", MS_BIND | MS_REC)
    if os.path.isdir(root + SHARED_MEMORY):
        _mount("tmpfs", root + SHARED_MEMORY, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    for path, source in ((HOSTS_FILE, hosts), (RESOLVER_FILE, RESOLVER_FILE)):
        if os.path.exists(source) and os.path.isdir(root + "/etc") and not os.path.islink(root + path):
            os.close(os.open(root + path, os.O_CREAT | os.O_WRONLY))
            _mount(os.path.realpath(source), root + path, "", MS_BIND)
    os.makedirs(root + "/proc", exist_ok=True)


def _mount_temporary_folders(temporary: str, shared_names: list[str]) -> None:
    """Mount `temporary` on `/tmp`, with these entries of the old one, and an empty file system on `/dev/shm`."""
    if os.path.isdir(TEMPORARY) and not os.path.islink(TEMPORARY):
        for name in shared_names:
            path = os.path.join(TEMPORARY, name)
            if os.path.lexists(path):
                _bind_entry(path, os.path.join(temporary, name))
        _mount(temporary, TEMPORARY, "", MS_BIND | MS_REC)
    if os.path.isdir(SHARED_MEMORY) and not os.path.islink(SHARED_MEMORY):
        _mount("tmpfs", SHARED_MEMORY, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")


def _bind_entry(path: str, target: str) -> None:
    if os.path.islink(path):
        os.symlink(os.readlink(path), target)
        return
    if os.path.isdir(path):
        os.mkdir(target)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY))
    # A folder that this user can't read outside of the namespace stays unreadable inside.
    with contextlib.suppress(PermissionError, FileNotFoundError):
        _mount(path, target, "", MS_BIND | MS_REC)


def _run_as_init(request: dict[str, Any], folder: os.stat_result, log: int, control: int, status: int) -> NoReturn:
    try:
        os.close(control)
        _check(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")
        if request["root"]:
            import warnings  # noqa: F401  # `execvpe` imports it, and an image may have no Python

            os.chroot(request["root"])
            os.chdir("/")
        if not os.path.samestat(os.stat(CONTAINER), folder):
            raise SetupError(f"{CONTAINER} is not the job's folder, although the mount succeeded")
        # A container that hides parts of /proc forbids this mount; the old /proc works too, and lists more processes.
        with contextlib.suppress(OSError):
            _mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
        if not request["argv"]:  # a probe of the isolation
            _report_status(status, "exited", 0)
            os._exit(0)
        script: list[int] = []
        signal.signal(signal.SIGTERM, lambda *_: _signal(script[0], signal.SIGTERM) if script else os._exit(0))
        script.append(_start_script(request, log))
        while True:
            child, wait_status = os.wait()
            if child == script[0]:
                _report_status(status, "exited", wait_status)
                os._exit(0)
    except ExecError as error:
        _report_status(status, "not_executable", str(error))
    except SetupError as error:
        _report_status(status, "setup_failed", str(error))
    except BaseException as error:  # noqa: BLE001 - as in main
        _report_status(status, "setup_failed", f"{type(error).__name__}: {error}")
    os._exit(0)


# --- The script ------------------------------------------------------------------------------------------------------


def _start_script(request: dict[str, Any], log: int) -> int:
    """Start the script without a shell, and return its process id. A shell would drop `SM_HP_MAX-DEPTH`."""
    reader, writer = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            _end_with_parent(parent)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(log, 1)
            os.dup2(log, 2)
            for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and exec would pass that on
                signal.signal(number, signal.SIG_DFL)
            if request["root"]:
                os.makedirs(request["cwd"], exist_ok=True)  # as a runtime does for WORKDIR
            os.chdir(request["cwd"])
            os.execvpe(request["argv"][0], request["argv"], request["env"])
        except OSError as error:  # execvpe names the last folder of PATH that it searched, which does not help
            path = request["cwd"] if error.filename == request["cwd"] else request["argv"][0]
            os.write(writer, f"{path}: {error.strerror}".encode("utf-8", "replace"))
        except BaseException as error:  # noqa: BLE001 - the child must not continue as a second supervisor
            os.write(writer, f"{type(error).__name__}: {error}".encode("utf-8", "replace"))
        os._exit(127)
    os.close(writer)
    with open(reader, "rb") as file:
        problem = file.read().decode()
    if problem:
        os.waitpid(child, 0)
        raise ExecError(problem)
    return child


def _wait_for(child: int, control: int, grace_s: float, kill: Callable[[], None]) -> int:
    """Wait for the child and return its wait status. On a stop, send it SIGTERM, and call `kill` after the grace."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    waiting = [reader, control]
    kill_at: float | None = None
    while True:
        wait_status = _reap_children(child)
        if wait_status is not None:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return wait_status
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


def _reap_children(child: int) -> int | None:
    """Reap every child that ended, and return the wait status of `child` if it is among them."""
    wait_status = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return wait_status if wait_status is not None else signal.SIGKILL
        if pid == 0:
            return wait_status
        if pid == child:
            wait_status = status


def _kill_descendants(child: int) -> None:
    """Kill all descendants of this process, and wait until they are gone."""
    if not IS_LINUX:
        _signal(-child, signal.SIGKILL)
        return
    deadline = time.monotonic() + SWEEP_S
    while time.monotonic() < deadline:
        pids = _descendants()
        if not pids:
            return
        for pid in pids:
            _signal(pid, signal.SIGKILL)
        time.sleep(0.002)
        if child not in pids:
            _reap_children(child)
        else:
            return  # `_wait_for` reaps it, and calls this function again for those that are left


def _descendants() -> list[int]:
    """Return the descendants of this process from /proc, zombies too. Those of a subreaper all stay below it."""
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
    pids: list[int] = []
    pending = [os.getpid()]
    while pending:
        child_pids = children.get(pending.pop(), [])
        pids += child_pids
        pending += child_pids
    return pids


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
