"""Confines what students wrote: a warm process under bubblewrap, forked for each submission.

    with Sandbox("bwrap", bundle) as sandbox:    # once per worker: imports torch, compiles the renderer
        with sandbox.open() as session:          # once per submission: about 50 ms
            session.run("x = 1")                 # a cell
            session.take("rodrigues")            # the functions of an exercise, as they are now
            session.call("rodrigues", 0, inputs, seconds=10)    # what they make of a case

What a submission finds: no network; Python and the system's libraries, read-only; the bundle, read-only; /tmp
and its own folder, of bounded size, which nobody sees afterwards; no other process; no right; the limits of
`Limits`. This is the side that is trusted; inside_sandbox.py does the inner half.

What all its processes use together the kernel bounds, where it offers that (cgroup.py), else it is watched
from here (watcher.py). Sandboxes share no user: if root grades, each has a number of its own, `NOBODIES`;
else each session has a user namespace of its own, in which the kernel counts its processes and signals, and
what is counted for the user all the same (files on their way, inotify, room in pipes) is refused, or only
makes pipes smaller. Each has a core of its own, as long as there are enough, and runs on no other: processes
that wake each other from core to core leave next to nothing of any to others. Whatever goes wrong with a
session ends it, with all that it started: `Lost` says why.
"""

import contextlib
import json
import os
import platform
import pwd
import random
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from course_lib.check import core
from course_lib.errors import CourseError
from lessons.build import ROOT

from . import cgroup, questions
from . import inside_sandbox as inside
from .allowance import Allowance, Meter
from .records import MOST_PICTURE, is_png
from .watcher import Watcher, family

MOST_ASKED = 2**16  # bytes of the arrays of a question that is asked back: the answer is computed out here
COURSE = "/course"  # where the bundle lies inside
PROGRAM = "/inside_sandbox.py"  # where the program lies inside
NOBODIES = range(64001, 64513)  # the user's number inside, if root grades: one that no account has
START = 300.0  # seconds until a warm process must be ready
OUR_PACKAGES = ("autograder", "course_lib", "dolphins", "lessons", "solutions")


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    Seconds are of the processor, as `core.time_limit` counts them: a busy machine costs nobody points. By the
    clock those of a cell or call may be CLOCK times as many; all of it has a time of its own (allowance.py).
    """

    memory_mb: int = 3000
    processes: int = 48  # threads count as well
    file_mb: int = 200
    disk_mb: int = 500
    cell_seconds: float = 30.0
    call_seconds: float = core.SECONDS  # of a property's case, at most
    total_seconds: float = 120.0  # of all its processes and sessions together
    clock_seconds: float = 300.0  # by the clock, for all of it
    grace_seconds: float = 5.0  # by the clock, after its time, for an answer before the session is ended
    message_mb: int = 64
    pictures: int = 4  # of a cell
    picture_bytes: int = MOST_PICTURE


class Lost(Exception):
    """A session ended before its time. Its text says why, for the student."""


@dataclass(frozen=True)
class Cell:
    """What became of a cell. error: (name, text) or None; pictures: PNG in base64."""

    error: tuple | None
    pictures: list


class Sandbox:
    """A warm process in which submissions are run, one at a time. Used in a `with`.

    kind: "bwrap", or "none" for no confinement at all; bundle: folder of the course as students have it.
    bounds, once it was started: "cgroup" or "watcher", by which memory is bounded.
    """

    def __init__(self, kind, bundle, limits=Limits(), warm=True):
        if kind not in ("bwrap", "none"):
            raise CourseError(f"There is no sandbox {kind!r}; there are bwrap and none.")
        self.kind, self.bundle, self.limits, self.warm = kind, Path(bundle).resolve(), limits, warm
        self.process = self.control = self.scratch = self.home = self.number = self.core = None

    @property
    def bounds(self):
        return "watcher" if self.home is None else "cgroup"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Starts the warm process. Raises CourseError where that fails."""
        self.control, theirs = socket.socketpair()
        confined = self.kind == "bwrap"
        self.scratch = tempfile.mkdtemp(prefix="dolphins-sandbox-")
        if confined and os.geteuid() == 0:
            self.number = _Number()
        self.core = _Core() if confined else None
        settings = {
            "confined": confined,
            "user": self.number and self.number.value,
            "core": self.core and self.core.value,
            "warm": self.warm,
            "course": COURSE if confined else str(self.bundle),
            "scratch": self.scratch,
            "limits": asdict(self.limits),
            "below_tmp": [path for path in python_folders() if _below(path, "/tmp")],
        }
        self.home, scope = (cgroup.home(), []) if confined else (None, [])
        if confined:
            scope = [] if self.home else cgroup.scope()
            environment = os.environ  # of bubblewrap and systemd-run
            confine = [*scope, *_bubblewrap(self.bundle, ENVIRONMENT | INSIDE), "--"]
            command = [*confine, sys.executable, "-I", PROGRAM]
        else:
            environment = ENVIRONMENT | os.environ | {"HOME": self.scratch, "MPLCONFIGDIR": self.scratch}
            command = [sys.executable, "-I", inside.__file__]
        command += [str(theirs.fileno()), json.dumps(settings)]
        self.log = tempfile.TemporaryFile()
        streams = {"stdin": subprocess.DEVNULL, "stdout": self.log, "stderr": self.log}
        self.process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], env=environment, start_new_session=True, **streams
        )
        theirs.close()
        try:
            answer = inside.receive(self.control, 0, time.monotonic() + START)
        except TimeoutError:
            answer = {"fault": f"the warm process was not ready after {START:g} s"}, {}
        except inside.Violation as error:
            answer = {"fault": str(error)}, {}
        self.control.settimeout(None)
        if answer is None or "ready" not in answer[0]:
            said = answer[0].get("fault") if answer else self.said()
            self.stop()
            raise CourseError(f"The sandbox ({self.kind}) did not start: {said}")
        if scope and (folder := cgroup.folder_of(self.process.pid)):
            self.home = cgroup.opened(folder)

    def said(self):
        """The last that the warm process wrote."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        self.log.seek(0)
        text = self.log.read().decode(errors="replace").strip()
        return text[-300:] or f"it ended with code {self.process.poll()}"

    def stop(self):
        """Ends the warm process."""
        if self.process is not None:
            self.control.close()
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            self.process.wait()
            self.log.close()
            self.process = None
        if self.scratch is not None:
            shutil.rmtree(self.scratch, ignore_errors=True)
            self.scratch = None
        for held in filter(None, (self.number, self.core)):
            held.close()
        self.number = self.core = None

    def open(self, allowance=None):
        """A fork of the warm process for one submission. -> Session

        allowance: an Allowance, what is left to its submission; None for a whole one.
        """
        for attempt in (1, 2):
            ours, theirs = socket.socketpair()
            try:
                with theirs:
                    socket.send_fds(self.control, [b"o"], [theirs.fileno()])
                return Session(ours, self, allowance or Allowance(self.limits))
            except (Lost, inside.Violation, OSError) as error:
                ours.close()
                if attempt == 2:
                    raise CourseError(f"The sandbox ({self.kind}) takes no submission: {error}") from None
                self.stop()
                self.start()

    def bound(self, session):
        """What bounds a session from now on: its control group, else a watcher."""
        if self.home is not None:
            with contextlib.suppress(OSError):
                group = cgroup.Group(self.home, self.limits)
                try:
                    group.take(session.pid)
                    return group
                except OSError:
                    group.close()
                    raise
            self.home = None
        return Watcher(session.pid, self.limits, session.confined, session.kill)


class _Held:
    """A number that one sandbox of this machine has, and no other.

    The lock is a name for a socket: the kernel gives it once, and takes it back when its process ends.
    """

    lock = None

    def hold(self, value, name):
        """Whether the number was free; it is held from now on."""
        self.value, self.lock = value, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with contextlib.suppress(OSError):
            self.lock.bind(f"\0dolphins-{name}-{value}")
            return True
        self.close()
        return False

    def close(self):
        self.lock.close()


class _Core(_Held):
    """The core that a sandbox runs on; where all have one already, one of them."""

    def __init__(self):
        cores = [*os.sched_getaffinity(0)]
        random.shuffle(cores)  # where this machine is busy otherwise is not known
        any(self.hold(core, "core") for core in cores)


class _Number(_Held):
    """A user's number for a sandbox, which no account of this machine has."""

    def __init__(self):
        for number in NOBODIES:
            if self.hold(number, "sandbox"):
                try:
                    pwd.getpwuid(number)
                except KeyError:
                    return
                self.close()
        raise CourseError(f"""All user numbers from {NOBODIES[0]} to {NOBODIES[-1]} are taken, by accounts or
            by sandboxes that run here. Grade with fewer workers at once.""")


class Session:
    """One submission inside.

    Whatever it started is gone when this is closed. Raises Lost where it died or was ended.
    """

    def __init__(self, sock, sandbox, allowance):
        self.sock, self.limits, self.confined = sock, sandbox.limits, sandbox.kind == "bwrap"
        self.pidfd, self.bounds, self.meter, self.allowance = None, None, None, allowance
        self.devices = ""  # what is said of lines that ask for a GPU
        self.heard = set()  # exercises whose questions it was told
        start = time.monotonic() + START
        try:
            sock.settimeout(START)
            hello = sock.recv(len(inside.HELLO), socket.MSG_PEEK)
            if hello == inside.HELLO:  # else it is a message that says what failed
                self.pidfd = socket.recv_fds(sock, len(inside.HELLO), 1)[1][0]
                self.pid = _pid_of(self.pidfd)
                self.bounds = sandbox.bound(self)
                group = self.bounds.folder if isinstance(self.bounds, cgroup.Group) else None
                self.meter = Meter(self.pid, group, allowance, self.kill)
                sock.sendall(inside.GO)
            answer = inside.receive(sock, 0, start, inside.MOST_ANSWER)
            if answer is None or "open" not in answer[0]:
                raise Lost(answer[0].get("fault", "it did not open") if answer else "it ended at once")
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends it and everything that it started."""
        if self.pidfd is not None:
            if self.meter is not None:
                self.meter.close()
            self.kill()
            # Readable once it is gone, and with it its whole namespace.
            select.select([self.pidfd], [], [], 10.0)
            if self.bounds is not None:
                self.bounds.close()
            os.close(self.pidfd)
            self.pidfd = None
        self.sock.close()

    def kill(self):
        """Ends its processes: of a confined one the first, and with it the kernel ends the others."""
        if not self.confined:
            for pid in family(self.pid):
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def run(self, source, pictures=False):
        """Runs a cell. -> Cell"""
        answer, shown = self.ask("run", self.limits.cell_seconds, source=source, pictures=pictures)
        error = answer.get("error")
        if error is not None:
            error = text_of(error, 0, 60), text_of(error, 1, 300)
        found = (picture.tobytes().decode("ascii", "replace") for picture in shown.values())
        found = [picture for picture in found if is_png(picture, self.limits.picture_bytes)]
        return Cell(error, found[: self.limits.pictures])

    def take(self, exercise):
        """Keeps the functions of an exercise as they are now, for `call`."""
        functions = questions.exercises()[exercise].functions
        self.ask("take", self.limits.grace_seconds, exercise=exercise, functions=functions)

    def call(self, exercise, index, inputs, seconds):
        """What the functions of an exercise make of a case of property `index`.

        inputs: {name: tensor} -> ({name: tensor}, None), or (None, (key, text)) where it did not come to that
        """
        if exercise not in self.heard:
            modules = questions.modules_of(exercise)
            self.ask("hear", self.limits.grace_seconds, exercise=exercise, modules=modules)
            self.heard.add(exercise)
        inputs, partner = core.sides(questions.exercises()[exercise].properties[index], inputs)
        case = {"exercise": exercise, "index": index, "may_ask": partner is not None}
        answer, outputs = self.ask("call", seconds, _as_arrays(inputs), partner, **case)
        complaint = answer.get("complaint")
        if complaint is not None:
            return None, (text_of(complaint, 0, 60), text_of(complaint, 1, 800))
        return _as_tensors(outputs) | (partner.seen() if partner else {}), None

    def ask(self, act, seconds, arrays=None, partner=None, **details):
        """Sends a request and waits for its answer, watching time and memory. -> (head, arrays)

        partner: answers what is asked back in between.
        """
        if self.pidfd is None:
            raise Lost("it has ended already")
        ticket = secrets.token_hex(8)  # an answer that was sent before the question does not have it
        head = {"act": act, "seconds": seconds, "ticket": ticket, **details}
        last = self.allowance.until
        until = min(last, time.monotonic() + core.CLOCK * seconds + self.limits.grace_seconds)
        try:
            self.sock.settimeout(max(0.1, until - time.monotonic()))
            inside.send(self.sock, head, arrays)
            answer = self.receive(until)
            while answer is not None and partner is not None and "asks" in answer[0]:
                inside.send(self.sock, {}, _as_arrays(self.answer_of(partner, *answer)))
                answer = self.receive(until)
        except inside.Violation as error:
            self.lose(f"it sent {error}")
        except TimeoutError:
            if until == last:
                self.lose(f"all of it took more than {self.allowance.clock:g} s")
            self.lose("it did not stop when its time was over")
        except OSError:
            self.lose("its process had ended")
        if answer is None:
            self.lose("its process ended (did it crash, or call exit?)")
        if answer[0].get("ticket") != ticket:
            self.lose("it answered what nobody asked")
        self.devices = text_of([answer[0].get("devices")], 0, 1200)
        return answer

    def receive(self, until):
        return inside.receive(self.sock, self.limits.message_mb * 2**20, until, inside.MOST_ANSWER)

    def answer_of(self, partner, head, arrays):
        """What a partner answers. -> {name: tensor}. Raises Lost where the question is none."""
        if sum(value.nbytes for value in arrays.values()) > MOST_ASKED:
            self.lose("it asked more than there is to ask")
        try:
            return partner(head["asks"], **_as_tensors(arrays))
        except Exception as error:  # whatever the student's process sent
            self.lose(f"it asked what has no answer ({type(error).__name__})")

    def lose(self, why):
        """Ends the session, and says why."""
        if self.bounds is not None and self.bounds.exceeded:
            why = f"it used more than {self.limits.memory_mb} MB of memory"
        elif self.meter is not None and self.meter.exceeded:
            why = f"all its processes together computed for more than {self.allowance.most:g} s"
        elif self.bounds is not None and self.bounds.failed:
            why = f"its memory could not be watched ({self.bounds.failed})"
        self.close()
        raise Lost(why)


def _as_arrays(tensors):
    return {name: value.detach().contiguous().numpy() for name, value in tensors.items()}


def _as_tensors(arrays):
    return {name: torch.from_numpy(value) for name, value in arrays.items()}


def text_of(value, index, most):
    """A text out of what a student's process said: one line, printable, of bounded length."""
    try:
        text = value[index]
    except (TypeError, IndexError, KeyError):
        text = ""
    text = text if isinstance(text, str) else ""
    return " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * most]).split())[:most]


def _pid_of(pidfd):
    """The number that a process has here."""
    for line in Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines():
        if line.startswith("Pid:"):
            return int(line.split()[1])
    raise Lost("its process cannot be seen from here")


# --- bubblewrap

ENVIRONMENT = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS", "NUMBA")}
ENVIRONMENT |= dict.fromkeys(
    ["DOLPHINS_SMALL", "HF_HUB_OFFLINE", "PIP_NO_INPUT", "PYTHONDONTWRITEBYTECODE"], "1"
)
ENVIRONMENT |= {"MPLBACKEND": "agg", "PLOTLY_RENDERER": "json"}
INSIDE = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp/home", "TMPDIR": "/tmp", "LANG": "C.UTF-8"}
INSIDE |= {"MPLCONFIGDIR": "/tmp/matplotlib", "NUMBA_CACHE_DIR": "/tmp/numba"}
INSIDE |= {"USER": "student", "LOGNAME": "student", "PIP_NO_INDEX": "1"}
CONFINED = """--die-with-parent --new-session --unshare-pid --unshare-ipc --unshare-net --unshare-uts
    --unshare-cgroup-try --hostname dolphins --clearenv"""
# Root becomes nobody inside, and is then held to limits as any user is.
AS_ROOT = "--cap-drop ALL --cap-add CAP_SETUID --cap-add CAP_SETGID"
AT_LAST = "--proc /proc --dev /dev --chdir /tmp --remount-ro /dev --remount-ro /"
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SETTINGS = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "fonts", "localtime")  # of /etc


def _bubblewrap(bundle, environment):
    """The command line that confines: what is visible, and what is not. -> list"""
    command = [shutil.which("bwrap") or "bwrap", *CONFINED.split()]
    command += AS_ROOT.split() if os.geteuid() == 0 else ["--unshare-user"]
    for name, value in environment.items():
        command += ["--setenv", name, value]
    for path in map(Path, SYSTEM):
        if path.is_symlink():
            command += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            command += ["--ro-bind", str(path), str(path)]
    command += "--tmpfs /tmp --dir /tmp/home --chmod 1777 /tmp".split()  # first: Python may lie below it
    pythons = python_folders()
    for parent in sorted({parent for path in pythons for parent in Path(path).parents} | {Path("/etc")})[1:]:
        # Else only root may pass through what bubblewrap makes on the way.
        command += ["--perms", "0755", "--dir", str(parent)]
    for name in SETTINGS:
        command += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for path in pythons:
        command += ["--ro-bind", path, path]
    for path in masked(pythons):
        command += ["--tmpfs", path]
    command += ["--ro-bind", str(bundle), COURSE, "--ro-bind", inside.__file__, PROGRAM]
    return command + AT_LAST.split()


def python_folders():
    """Where this Python and its packages lie, outside of the system's folders, the outermost of each."""
    found = {str(Path(path)) for path in (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix)}
    found |= {os.path.realpath(path) for path in found}
    found.add(str(Path(os.path.realpath(sys.executable)).parents[1]))
    found = {path for path in found if not _below(path, *SYSTEM)}
    return sorted(path for path in found if not _below(path, *(found - {path})))


def masked(visible):
    """Folders that must not be seen within what is visible: this project's packages. -> list

    Raises CourseError where the whole checkout is visible.
    """
    there = _below(ROOT, *visible, *SYSTEM)
    if there and (ROOT / "pyproject.toml").is_file():
        raise CourseError(f"""The course lies in {ROOT}, within the folders of Python or the system, which
            submissions can read. Move it, for instance below your home.""")
    return [str(ROOT / name) for name in OUR_PACKAGES if there and (ROOT / name).is_dir()]


def refuse_if_visible(course):
    """Raises CourseError where submissions could read a course folder: others' work, solutions, the seed.

    So it is in a virtual environment that was made in the folder of one's work, python -m venv .
    """
    folders = {os.path.realpath(path) for path in (*SYSTEM, *python_folders())}
    if _below(os.path.realpath(course), *folders):
        raise CourseError(f"""{course} lies within the folders of Python or the system ({sys.prefix}), which
            submissions can read. Move it, for instance below your home.""")


def _below(path, *folders):
    """Whether a path is one of these folders, or lies in one."""
    return any(Path(path).is_relative_to(folder) for folder in folders)


def sandbox_problem():
    """Why bubblewrap cannot confine here, in a sentence; None where it can."""
    return tried_out()[0]


def tried_out():
    """Tries to confine, which takes a second. -> (None or why not, "cgroup" or "watcher" where it works)"""
    if sys.platform != "linux":
        return f"bubblewrap is for Linux, and this is {platform.system()}.", None
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed (Debian, Ubuntu: sudo apt install bubblewrap).", None
    with tempfile.TemporaryDirectory() as bundle:
        os.chmod(bundle, 0o755)
        (Path(bundle) / "notebooks").mkdir()
        try:
            with Sandbox("bwrap", bundle, warm=False) as sandbox, sandbox.open():
                return None, sandbox.bounds
        except CourseError as error:
            return f"{error}{_hint()}", None


def _hint():
    """What this system is known to forbid, and how to allow it."""
    forbidding = [
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "AppArmor forbids user namespaces here", "0"),
        ("user.max_user_namespaces", "0", "This kernel allows no user namespaces", "10000"),
    ]
    hint = ""
    for name, value, what, better in forbidding:
        with contextlib.suppress(OSError):
            if Path("/proc/sys", name.replace(".", "/")).read_text().strip() == value:
                hint = f" {what}: sudo sysctl -w {name}={better}"
    return hint
