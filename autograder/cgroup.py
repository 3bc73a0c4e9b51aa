"""The kernel's own bounds for a session: a control group (cgroup v2) of its own, where the system offers one.

In its group the kernel counts all memory, that of files, pipes, sockets and its own notes included, and ends
the session that needs more; and it bounds processes and the processor. To make groups, a process needs a
folder of the cgroup file system that is its own to write in. There are three ways to one:

    delegated    systemd gave it to us: dolphins was started with `systemd-run --scope -p Delegate=yes`
    systemd-run  it gives one to each warm process: `--user --scope`; if root grades, without --user
    root         without systemd, as in a container: below our own group

A group that has members cannot bound groups below it, so the members first move into a `LEAF` of their own.
Files and rules: Documentation/admin-guide/cgroup-v2.rst of Linux; systemd.io/CGROUP_DELEGATION.
"""

import contextlib
import functools
import itertools
import os
import shutil
import subprocess
import time
from pathlib import Path

LEAF = "dolphins-itself"
NEEDED = {"memory", "pids"}
SCOPE = "systemd-run --scope --quiet --collect --property=Delegate=yes --"
TRIED = 10.0  # seconds that systemd has for its answer
_numbers = itertools.count()


class Group:
    """The control group of a session. home: the folder to make it in; limits: sandbox.Limits.

    Raises OSError where it cannot be made.
    """

    failed = None  # a watcher may fail, the kernel does not

    def __init__(self, home, limits):
        self.folder = Path(home, f"dolphins-{os.getpid()}-{next(_numbers)}")
        self.folder.mkdir()
        try:
            self.set("memory.max", limits.memory_mb * 2**20)
            self.set("memory.oom.group", 1)  # whoever is over: all of the session ends
            self.set("pids.max", limits.processes + 2)  # two are the sandbox's own
            with contextlib.suppress(FileNotFoundError):  # no swap, or none that is counted
                self.set("memory.swap.max", 0)
            with contextlib.suppress(FileNotFoundError):  # systemd may keep `cpu` to itself
                self.set("cpu.max", "100000 100000")  # one core
        except OSError:
            self.close()
            raise

    def set(self, name, value):
        # Without O_CREAT: what is not there is said to be not there.
        with os.fdopen(os.open(self.folder / name, os.O_WRONLY | os.O_TRUNC), "w") as file:
            file.write(str(value))

    def take(self, pid):
        """Moves a process in; what it starts from then on is in it too. Raises OSError."""
        self.set("cgroup.procs", pid)

    @property
    def exceeded(self):
        """Whether the kernel ended a process here for want of memory."""
        with contextlib.suppress(OSError):
            lines = (self.folder / "memory.events").read_text().splitlines()
            return any(line.startswith("oom_kill ") and line != "oom_kill 0" for line in lines)
        return False

    def close(self):
        """Ends all that is in it, and removes it."""
        with contextlib.suppress(OSError):
            self.set("cgroup.kill", 1)
        end = time.monotonic() + 2
        while not _removed(self.folder) and time.monotonic() < end:
            time.sleep(0.005)


def _removed(folder):
    with contextlib.suppress(FileNotFoundError):
        try:
            folder.rmdir()
        except OSError:  # somebody in it has not ended yet
            return False
    return True


# --- where groups can be made


@functools.cache
def home():
    """The folder that sessions of this process have their groups in, or None: by delegation, or as root."""
    folder = folder_of("self")
    if folder is None or _systemd() and not _delegated(folder):
        return None
    return opened(folder)


@functools.cache
def scope():
    """The words before a command by which systemd runs it in a group that is ours; [] where it does not."""
    if folder_of("self") is None or not _systemd() or shutil.which("systemd-run") is None:
        return []
    words = SCOPE.split()
    if os.geteuid():
        words.insert(1, "--user")
    try:
        done = subprocess.run([*words, "true"], capture_output=True, timeout=TRIED, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return words if done.returncode == 0 else []


def folder_of(pid, proc="/proc"):
    """The folder of the group that a process is in, or None where there is no cgroup v2 with controllers."""
    try:
        mounts = [line.split() for line in Path(proc, "self/mountinfo").read_text().splitlines()]
        root, mount = next(row[3:5] for row in mounts if "cgroup2" in row[row.index("-") :])
        groups = Path(proc, str(pid), "cgroup").read_text().splitlines()
        group = next(line[3:] for line in groups if line.startswith("0::"))
        folder = Path(mount, os.path.relpath(group, root))
        folder = folder.parent if folder.name == LEAF else folder
        return folder if _words(folder / "cgroup.controllers") >= NEEDED else None
    except (OSError, StopIteration):
        return None


def opened(folder):
    """Makes a group one that bounds groups below it, its members moved into a leaf. -> folder, or None"""
    with contextlib.suppress(OSError):
        for _ in range(5):  # while some move, others may be born
            with contextlib.suppress(OSError):
                _enable(folder, {"cpu"} & _words(folder / "cgroup.controllers") | NEEDED)
            if _words(folder / "cgroup.subtree_control") >= NEEDED:
                _sweep(folder)
                return folder
            (folder / LEAF).mkdir(exist_ok=True)
            for pid in (folder / "cgroup.procs").read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    (folder / LEAF / "cgroup.procs").write_text(pid)
    return None


def _enable(folder, names):
    (folder / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in sorted(names)))


def _sweep(folder):
    """Removes the groups of graders that were killed: they are empty."""
    for group in folder.glob("dolphins-[0-9]*-*"):
        if not Path("/proc", group.name.split("-")[1]).exists():
            _removed(group)


def _words(path):
    return set(path.read_text().split())


def _systemd():
    return Path("/run/systemd/system").is_dir()  # sd_booted(3)


def _delegated(folder):
    """Whether systemd gave this group to us."""
    for name in ("user.delegate", "trusted.delegate"):
        with contextlib.suppress(OSError):
            if os.getxattr(folder, name) == b"1":
                return True
    return False
