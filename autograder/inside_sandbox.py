"""Where a student's code runs: a process that has imported everything, and a confined fork of it for each
submission.

This file is started by sandbox.py, alone, as `python inside_sandbox.py CONTROL_FD SETTINGS`, inside
bubblewrap; it must not need anything of `autograder`. Nothing here decides anything: the judge does, in its
own process, from the arrays that come back. So student code may do to this process what it likes. It can only
spoil its own answers.

    warm process   imports torch, matplotlib, the course; compiles the renderer; waits on its control socket
      └ for each submission, with a socket of its own:
        doorman    new user, PID, mount, IPC and network namespaces, private folders, limits; then ends
          └ init   first process of the PID namespace; when it ends, the kernel kills all that the submission started
              └ player   no rights, a system-call filter; runs cells and calls functions as the socket asks

The wire (`send`, `receive`) is used on both sides: a length, a header in JSON, and the bytes of arrays; no
pickles.
"""

import contextlib
import ctypes
import gc
import io
import json
import os
import platform
import resource
import signal
import socket
import struct
import sys
import tempfile
import time
import warnings

HEAD = struct.Struct("<4sII")  # magic, bytes of the header, bytes of the arrays
MAGIC = b"dlp1"
DTYPES = {"float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"}
HELLO = b"pid "  # comes first on a session's socket, with a handle on its first process
MOST_HEADER = 8 * 2**20  # bytes; pictures are in it


# --- the wire
# ---------------------------------------------------------------------------------------------------


class Violation(Exception):
    """What came is not what this protocol knows."""


def send(sock, head, arrays=None):
    """Sends a message. head: a dict that JSON can hold; arrays: {name: NumPy array}."""
    described, blobs = [], []
    for name, value in (arrays or {}).items():
        described.append([name, str(value.dtype), list(value.shape)])
        blobs.append(value.tobytes())
    text = json.dumps({**head, "arrays": described}).encode()
    body = b"".join(blobs)
    sock.sendall(HEAD.pack(MAGIC, len(text), len(body)) + text + body)


def receive(sock, most_bytes, until=None):
    """Receives a message, of which the arrays have at most `most_bytes`. -> (head, {name: NumPy array}), or
    None at the end

    until: time.monotonic() at which TimeoutError is raised. Raises Violation where the bytes are no such
    message.
    """
    start = exactly(sock, HEAD.size, until)
    if start is None:
        return None
    magic, header, body = HEAD.unpack(start)
    if magic != MAGIC or header > MOST_HEADER or body > most_bytes:
        raise Violation("a message that is none, or too long")
    text, data = exactly(sock, header, until), exactly(sock, body, until)
    if text is None or data is None:
        return None
    try:
        head = json.loads(text)
        described = head.pop("arrays")
        return head, unpacked(described, data)
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
        OverflowError,
        MemoryError,
    ) as error:
        raise Violation(f"a message that cannot be read ({type(error).__name__})") from None


def unpacked(described, data):
    import numpy as np

    arrays, at = {}, 0
    if not isinstance(described, list) or len(described) > 64:
        raise Violation("too many arrays")
    for name, dtype, shape in described:
        if (
            not isinstance(name, str)
            or dtype not in DTYPES
            or len(shape) > 8
            or any(type(n) is not int or n < 0 for n in shape)
        ):
            raise Violation("an array that is none")
        count = 1
        for n in shape:
            count *= n
        size = count * np.dtype(dtype).itemsize
        if at + size > len(data):
            raise Violation("an array longer than its bytes")
        arrays[name] = np.frombuffer(data, dtype, count, at).reshape(shape).copy()
        at += size
    if at != len(data):
        raise Violation("bytes that belong to no array")
    return arrays


def exactly(sock, count, until=None):
    """-> count bytes, or None where the other side has closed"""
    parts = []
    while count:
        if until is not None:
            sock.settimeout(max(0.001, until - time.monotonic()))
        try:
            part = sock.recv(min(count, 2**20))
        except ConnectionError:
            return None
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


# --- confinement
# ------------------------------------------------------------------------------------------------

libc = ctypes.CDLL(None, use_errno=True)
NEW_NS, NEW_UTS, NEW_IPC, NEW_USER, NEW_PID, NEW_NET = (
    0x20000,
    0x4000000,
    0x8000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 8, 4096, 16384, 1 << 18
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP = 1, 4, 24, 38, 22


def check(result, what):
    if result:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def mount(source, target, kind, flags, data=None):
    check(
        libc.mount(
            source and source.encode(), target.encode(), kind and kind.encode(), flags, data and data.encode()
        ),
        f"mount of {target}",
    )


def new_namespaces():
    """Enters new namespaces of all kinds. The user keeps their number; every right holds only in here."""
    uid, gid = os.getuid(), os.getgid()
    check(libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), "prctl")  # else the files below belong to root
    check(libc.unshare(NEW_USER | NEW_NS | NEW_IPC | NEW_PID | NEW_NET | NEW_UTS), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def private_folders(settings):
    """/tmp, the notebook's folder and /dev/shm of this submission alone, bounded; without /proc and the
    terminals."""
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    limits = settings["limits"]
    pythons = {
        path: os.open(path, os.O_PATH) for path in settings["below_tmp"]
    }  # a Python that lies there must stay
    mount(
        "tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, f"size={limits['disk_mb']}m,nr_inodes=20000,mode=1777"
    )
    for path, handle in pythons.items():
        os.makedirs(path)
        mount(f"/proc/self/fd/{handle}", path, None, MS_BIND)
        os.close(handle)
    for folder in ("/tmp/home", "/tmp/work"):
        os.mkdir(folder)
    mount("/tmp/work", settings["course"] + "/notebooks", None, MS_BIND)
    mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=16m,nr_inodes=1000,mode=1777")
    mount("tmpfs", "/dev/pts", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, "size=4k,nr_inodes=2")
    mount("/dev/null", "/dev/zero", None, MS_BIND)  # mapped, it would be memory that no limit counts
    mount("tmpfs", "/proc", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, "size=4k,nr_inodes=2")


def set_limits(limits, processes=True):
    """Limits of each process; what all of them together use is watched from outside."""

    def limit(which, value):
        hard = resource.getrlimit(which)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (value, value))

    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_CPU, int(limits["total_seconds"]))
    limit(resource.RLIMIT_FSIZE, limits["file_mb"] * 2**20)
    limit(resource.RLIMIT_NOFILE, 96)  # what waits in sockets and pipes is counted nowhere else
    limit(resource.RLIMIT_DATA, has_already("VmData") + limits["memory_mb"] * 2**20)
    limit(
        resource.RLIMIT_AS, has_already("VmSize") + 2 * limits["memory_mb"] * 2**20
    )  # else page tables alone fill the machine
    limit(resource.RLIMIT_MEMLOCK, 2**16)
    if hasattr(resource, "RLIMIT_MSGQUEUE"):
        limit(resource.RLIMIT_MSGQUEUE, 0)
    if processes:  # counted within the namespace; outside of one they would be the user's
        limit(resource.RLIMIT_NPROC, limits["processes"])


_had = {}


def has_already(what):
    """Bytes of data or of addresses that the warm process has; imports alone reserve much that is never
    touched."""
    if not _had:
        with contextlib.suppress(OSError), open("/proc/self/status") as file:
            _had.update(
                {
                    line.split(":")[0]: int(line.split()[1]) * 1024
                    for line in file
                    if line.startswith(("VmData", "VmSize"))
                }
            )
    return _had.get(what, 2**33)


def give_up_rights():
    """No capability is left, and none can come back."""
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    header = struct.pack("=II", 0x20080522, 0)
    check(libc.capset(header, bytes(24)), "capset")


# System calls that nobody's solution needs: new namespaces and mounts, other processes' memory, memory and
# keys that no limit counts, sessions (each has its own share of the processor), interfaces of the kernel with
# a history of holes. Numbers: linux/arch/x86/entry/syscalls/syscall_64.tbl; asm-generic/unistd.h
_REFUSED = {
    "x86_64": {
        "ptrace": 101,
        "shmget": 29,
        "syslog": 103,
        "setsid": 112,
        "pivot_root": 155,
        "mount": 165,
        "umount2": 166,
        "swapon": 167,
        "reboot": 169,
        "init_module": 175,
        "add_key": 248,
        "request_key": 249,
        "keyctl": 250,
        "unshare": 272,
        "perf_event_open": 298,
        "fanotify_init": 300,
        "open_by_handle_at": 304,
        "setns": 308,
        "process_vm_readv": 310,
        "process_vm_writev": 311,
        "finit_module": 313,
        "memfd_create": 319,
        "kexec_file_load": 320,
        "bpf": 321,
        "userfaultfd": 323,
        "acct": 163,
        "quotactl": 179,
        "kcmp": 312,
        "mq_open": 240,
        "msgget": 68,
        "semget": 64,
        "modify_ldt": 154,
        "io_setup": 206,
    },
    "aarch64": {
        "ptrace": 117,
        "shmget": 194,
        "syslog": 116,
        "setsid": 157,
        "pivot_root": 41,
        "mount": 40,
        "umount2": 39,
        "swapon": 224,
        "reboot": 142,
        "init_module": 105,
        "add_key": 217,
        "request_key": 218,
        "keyctl": 219,
        "unshare": 97,
        "perf_event_open": 241,
        "fanotify_init": 262,
        "open_by_handle_at": 265,
        "setns": 268,
        "process_vm_readv": 270,
        "process_vm_writev": 271,
        "finit_module": 273,
        "memfd_create": 279,
        "kexec_file_load": 294,
        "bpf": 280,
        "userfaultfd": 282,
        "acct": 89,
        "quotactl": 60,
        "kcmp": 272,
        "mq_open": 180,
        "msgget": 186,
        "semget": 190,
        "io_setup": 0,
    },
}
# io_uring_setup, open_tree, ... : the same numbers everywhere.
_NEWER = (425, 428, 429, 430, 431, 432, 433, 438, 442, 443, 447, 457, 458)
_LOOKED_AT = {  # by their arguments; and the number by which the kernel names the machine
    "x86_64": {
        "arch": 0xC000003E,
        "clone": 56,
        "clone3": 435,
        "ioctl": 16,
        "mmap": 9,
        "socket": 41,
        "socketpair": 53,
        "setsockopt": 54,
    },
    "aarch64": {
        "arch": 0xC00000B7,
        "clone": 220,
        "clone3": 435,
        "ioctl": 29,
        "mmap": 222,
        "socket": 198,
        "socketpair": 199,
        "setsockopt": 208,
    },
}
NAMESPACES = NEW_NS | NEW_UTS | NEW_IPC | NEW_USER | NEW_PID | NEW_NET | 0x02000000
TIOCSTI = 0x5412  # puts characters into the terminal that the grader was started from
SHARED_ANONYMOUS = 0x21  # mmap's: memory that belongs to nobody's count once it is unmapped
FAMILIES = (
    1,
    2,
    10,
)  # of sockets: within the machine, IPv4, IPv6; others are no part of the network namespace
BUFFERS = (7, 8, 32, 33)  # setsockopt's SO_SNDBUF, SO_RCVBUF and kin


def filter_system_calls():
    """Installs a seccomp filter. Raises OSError where this machine has none that is known here."""
    try:
        refused, known = _REFUSED[platform.machine()], _LOOKED_AT[platform.machine()]
    except KeyError:
        raise OSError(f"no list of system calls for {platform.machine()}") from None
    LOAD, AND, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
    ALLOW, KILL, PERMISSION, NOT_THERE = 0x7FFF0000, 0x80000000, 0x00050000 | 1, 0x00050000 | 38

    def op(code, k, yes=0, no=0):
        return struct.pack("=HBBI", code, yes, no, k)

    def argument(n):
        return op(LOAD, 16 + 8 * n)

    def when(name, *rules):
        """For one system call these rules, the last of which returns; for others nothing."""
        return [op(EQUAL, known[name], 0, len(rules)), *rules]

    allow, refuse = op(RETURN, ALLOW), op(RETURN, PERMISSION)
    rules = [
        op(LOAD, 4),
        op(EQUAL, known["arch"], 1, 0),
        op(RETURN, KILL),
        op(LOAD, 0),
        op(AT_LEAST, 0x40000000, 0, 1),
        op(RETURN, KILL),  # x86's other numbering
        *when("clone3", op(RETURN, NOT_THERE)),
    ]  # its flags cannot be seen: clone, then
    for number in sorted({*refused.values(), *_NEWER}):
        rules += [op(EQUAL, number, 0, 1), refuse]
    rules += when("clone", argument(0), op(ANY_BIT, NAMESPACES, 0, 1), refuse, allow)
    rules += when("ioctl", argument(1), op(EQUAL, TIOCSTI, 0, 1), refuse, allow)
    rules += when(
        "mmap", argument(3), op(AND, SHARED_ANONYMOUS), op(EQUAL, SHARED_ANONYMOUS, 0, 1), refuse, allow
    )
    for name in ("socket", "socketpair"):
        rules += when(
            name,
            argument(0),
            *[op(EQUAL, family, len(FAMILIES) - n, 0) for n, family in enumerate(FAMILIES)],
            refuse,
            allow,
        )
    rules += when(
        "setsockopt",
        argument(2),
        *[op(EQUAL, name, len(BUFFERS) - n, 0) for n, name in enumerate(BUFFERS)],
        allow,
        refuse,
    )
    rules.append(allow)
    code = ctypes.create_string_buffer(b"".join(rules))
    header = struct.pack("@HP", len(rules), ctypes.addressof(code))
    check(libc.prctl(PR_SET_SECCOMP, 2, ctypes.c_char_p(header), 0, 0), "seccomp")


# --- the warm process
# -------------------------------------------------------------------------------------------


def main():
    control = socket.socket(fileno=int(sys.argv[1]))
    settings = json.loads(sys.argv[2])
    try:
        if settings["user"]:  # started by root: from here on somebody whom nothing belongs to
            os.setgroups([])
            os.setresgid(*[settings["user"]] * 3)
            os.setresuid(*[settings["user"]] * 3)
        if settings["confined"]:
            check(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")
        sys.path.insert(0, settings["course"])
        if settings["warm"]:
            warm_up()
        has_already("VmData")
        gc.collect()
        gc.freeze()
    except BaseException as error:
        send(control, {"fault": f"{type(error).__name__}: {error}"[:500]})
        raise
    send(control, {"ready": True})
    warnings.simplefilter("ignore")
    while True:
        try:
            message, fds, _, _ = socket.recv_fds(control, 16, 1)
        except InterruptedError:
            continue
        if not message:
            return
        child = os.fork()
        if child == 0:
            control.close()
            session = socket.socket(fileno=fds[0])
            try:
                doorman(session, settings)
            except BaseException as error:
                with contextlib.suppress(Exception):
                    send(session, {"fault": f"{type(error).__name__}: {error}"[:500]})
            os._exit(0)
        os.close(fds[0])
        os.waitpid(child, 0)  # the doorman ends soon; what it opened for goes on


def warm_up():
    """All that a submission may need, imported and compiled before it comes: a fork has it for nothing."""
    import importlib
    import pkgutil

    import matplotlib

    matplotlib.use("agg")
    import IPython.core.interactiveshell  # noqa: F401
    import plotly.graph_objects
    import plotly.io
    import torch
    from matplotlib import pyplot

    import course_lib
    from course_lib.check import lesson3

    torch.set_num_threads(1)
    for module in pkgutil.iter_modules(course_lib.__path__, "course_lib."):
        importlib.import_module(module.name)
    if any(name[:2] > "02" for name in os.listdir(sys.path[0] + "/notebooks")):  # which render
        lesson3.warm()
    pyplot.figure().savefig(io.BytesIO())  # both load much at their first figure
    pyplot.close("all")
    plotly.graph_objects.Figure(plotly.graph_objects.Scatter3d(x=[0], y=[0], z=[0])).to_dict()
    plotly.io.renderers.default  # imports nbformat, and with it a second's worth of grammars


def doorman(session, settings):
    if settings["confined"]:
        new_namespaces()
        private_folders(settings)
    else:
        os.setsid()
    ready, go = os.pipe()
    init = os.fork()
    if init:
        socket.send_fds(session, [HELLO], [os.pidfd_open(init)])
        os.write(go, b"g")
        return
    os.read(ready, 1)  # nothing is sent before the grader holds a handle on this process
    os.setsid()
    if settings["confined"]:
        # The first process of a namespace has odd rules for signals: not for students.
        player = os.fork()
        if player:
            session.close()
            while True:
                try:
                    if os.wait()[0] == player:
                        os._exit(0)
                except ChildProcessError:
                    os._exit(0)
    try:
        play(session, settings)
    finally:
        os._exit(0)


# --- the player
# -------------------------------------------------------------------------------------------------


def play(session, settings):
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    keep = session.fileno()
    os.closerange(3, keep)
    os.closerange(keep + 1, 4096)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    if settings["confined"]:
        os.chdir(settings["course"] + "/notebooks")
    else:
        os.chdir(tempfile.mkdtemp(dir=settings["scratch"]))
        os.environ["HOME"] = os.getcwd()
    os.nice(10)  # whoever judges comes first
    set_limits(settings["limits"], processes=settings["confined"])
    if settings["confined"]:
        give_up_rights()
        filter_system_calls()
    os.register_at_fork(after_in_child=session.close)  # what a student forks does not answer for them
    send(session, {"open": True})
    player = Player(settings)
    acts = {"run": player.run, "take": player.take, "call": player.call}
    while (message := receive(session, settings["limits"]["message_mb"] * 2**20)) is not None:
        head, arrays = message
        answer, outputs = acts[head["act"]](head, arrays)
        send(session, {"ticket": head["ticket"], **answer}, outputs)


class Player:
    """Runs cells and calls functions for one submission."""

    def __init__(self, settings):
        from IPython.core.interactiveshell import InteractiveShell

        from course_lib import check as checks

        self.settings, self.checks = settings, checks
        self.shell = InteractiveShell.instance()
        self.shell.history_manager.enabled = False
        # Nobody reads them here, and long ones are slow.
        self.shell.showtraceback = self.shell.showsyntaxerror = lambda *_, **__: None
        self.given = {}  # exercise -> the functions as they were at its check

    def run(self, head, arrays):
        """Runs a cell as a notebook would. -> what went wrong, and the pictures"""
        from IPython.utils.capture import capture_output

        core, error, pictures = self.checks.core, None, []
        try:
            with capture_output() as captured:
                sys.stdout, sys.stderr = core.Printed(keep=0), core.Printed(keep=0)
                with core.time_limit(head["seconds"]):
                    result = self.shell.run_cell(head["source"], store_history=False, silent=False)
                    error = result.error_before_exec or result.error_in_exec
        except BaseException as other:  # core.TooLong, SystemExit and kin
            error = other
        if head["pictures"]:
            with contextlib.suppress(Exception):
                pictures = pictures_of(captured.outputs, self.settings["limits"])
        with contextlib.suppress(Exception):
            from matplotlib import pyplot

            pyplot.close("all")
        answer = {"error": None, "pictures": pictures}
        if error is not None:
            name, text = type(error).__name__, ""
            if isinstance(error, core.TooLong):
                name, text = "TooLong", f"stopped after {head['seconds']:g} s"
            else:
                with contextlib.suppress(Exception):
                    text = " ".join(str(error).split())[:300]
            answer["error"] = [name[:60], text]
        return answer, None

    def take(self, head, arrays):
        """Keeps the functions of an exercise as they are at its check."""
        exercise = getattr(self.checks, head["exercise"])
        self.given[head["exercise"]] = exercise.find((), self.shell.user_ns)
        return {}, None

    def call(self, head, arrays):
        """What the student's functions make of a case. -> outputs, or a complaint"""
        import torch

        core, exercise = self.checks.core, getattr(self.checks, head["exercise"])
        given = self.given.get(head["exercise"])
        missing = core.not_defined(exercise, given)
        if missing is not None:
            return {"complaint": list(missing)}, None
        inputs = {name: torch.from_numpy(value) for name, value in arrays.items()}
        inputs = core.on_device(inputs, head["device"])
        with torch.device(head["device"]):
            outputs, complaint, _ = core.attempt(
                exercise.properties[head["index"]], given, inputs, head["seconds"]
            )
        if complaint is not None:
            return {"complaint": [str(complaint[0])[:60], str(complaint[1])[:800]]}, None
        return {"complaint": None}, {
            name: value.detach().cpu().contiguous().numpy() for name, value in outputs.items()
        }


def pictures_of(outputs, limits):
    """The pictures that a cell shows, as PNG in base64: matplotlib's figures, and what was displayed. -> list
    of text"""
    import base64

    from matplotlib import pyplot

    found = []
    for output in outputs:
        data = output.data.get("image/png")
        if data:
            found.append(base64.b64encode(data).decode() if isinstance(data, bytes) else str(data))
    for number in pyplot.get_fignums()[: limits["pictures"]]:
        file = io.BytesIO()
        pyplot.figure(number).savefig(file, format="png", dpi=70)
        found.append(base64.b64encode(file.getvalue()).decode())
    return [text for text in found if len(text) <= limits["picture_bytes"]][: limits["pictures"]]


if __name__ == "__main__":
    main()
