"""Where a student's code runs: a process that has imported everything, and a confined fork per submission.

This file is started by sandbox.py, alone, as `python inside_sandbox.py CONTROL_FD SETTINGS`, inside
bubblewrap; it must not need anything of `autograder`, and imports the course only once it knows where that
lies. Nothing here decides anything: the judge does, in its own process, from the arrays that come back. So
student code may do to this process what it likes. It can only spoil its own answers.

    warm process   imports torch, matplotlib, the course; compiles the renderer; waits on its control socket
      └ for each submission, with a socket of its own:
        opener     new user, PID, mount, IPC and network namespaces, private folders, limits; then ends
          └ init   first process of the PID namespace; when it ends, the kernel kills all that was started
              └ runner   no rights, a system-call filter; runs cells and calls functions as the socket asks

The checks' questions come over the socket too (`Runner.hear`), and some ask back in the middle of a call
(`Runner.ask`). The wire (`send`, `receive`) is used on both sides: a length, a header in JSON, and the bytes
of arrays; no pickles.
"""

import base64
import contextlib
import ctypes
import errno
import functools
import gc
import importlib
import io
import json
import math
import os
import pkgutil
import platform
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import types
import warnings

import numpy as np

HEAD = struct.Struct("<4sII")  # magic, bytes of the header, bytes of the arrays
MAGIC = b"dlp1"
DTYPES = {"float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"}
HELLO = b"pid "  # comes first on a session's socket, with a handle on its first process
GO = b"g"  # answers it, once the grader holds and bounds that process
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError, MemoryError)
MOST_FILES = 96  # open ones of a process: what waits in pipes and sockets no limit counts
# Of RLIMIT_CORE: at 0 the system still starts a program that takes cores, outside, perhaps as root: core(5).
NO_CORE = 1
MOST_HEADER = 8 * 2**20  # bytes; a cell's source is in it
PIECE, PAUSE = 4096, 0.001  # bytes of a message that come at least before a pause, and its seconds
MOST_ANSWER = 2**16  # bytes of an answer's; while the grader reads it, nobody watches the memory


# --- the wire


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


def receive(sock, most_bytes, until=None, most_header=MOST_HEADER):
    """Receives a message. -> (head, {name: NumPy array}), or None at the end

    most_bytes, most_header: that the arrays and the head may have; until: time.monotonic() at which
    TimeoutError is raised. Raises Violation where the bytes are no such message.
    """
    start = _exactly(sock, HEAD.size, until)
    if start is None:
        return None
    magic, header, body = HEAD.unpack(start)
    if magic != MAGIC or header > most_header or body > most_bytes:
        raise Violation("a message that is none, or too long")
    text, data = _exactly(sock, header, until), _exactly(sock, body, until)
    if text is None or data is None:
        return None
    try:
        head = json.loads(text)
        return head, _unpacked(head.pop("arrays"), data)
    except UNREADABLE as error:
        raise Violation(f"a message that cannot be read ({type(error).__name__})") from None


def _unpacked(described, data):
    """The arrays of a message. described: [[name, dtype, shape], ...], whatever a student's process sent"""
    arrays, at = {}, 0
    if not isinstance(described, list) or len(described) > 64:
        raise Violation("too many arrays")
    for name, dtype, shape in described:
        known = isinstance(name, str) and dtype in DTYPES and len(shape) <= 8
        if not known or any(type(n) is not int or n < 0 for n in shape):
            raise Violation("an array that is none")
        count = math.prod(shape)
        size = count * np.dtype(dtype).itemsize
        if at + size > len(data):
            raise Violation("an array longer than its bytes")
        array = np.frombuffer(data, dtype, count, at).reshape(shape)
        # A truth is a byte, 0 or 1; of others nobody knows what torch makes.
        arrays[name] = array.view(np.uint8) != 0 if dtype == "bool" else array.copy()
        at += size
    if at != len(data):
        raise Violation("bytes that belong to no array")
    return arrays


def _exactly(sock, count, until=None):
    """-> count bytes, or None where the other side has closed"""
    data = bytearray()
    while count:
        if until is not None:
            sock.settimeout(max(0.001, until - time.monotonic()))
        try:
            part = sock.recv(min(count, 2**20))
        except ConnectionError:
            return None
        if not part:
            return None
        data += part
        count -= len(part)
        if len(part) < min(count, PIECE):  # who sends byte by byte keeps nobody busy who reads
            time.sleep(PAUSE)
    return bytes(data)


# --- confinement

libc = ctypes.CDLL(None, use_errno=True)
NEW_NS, NEW_CGROUP, NEW_UTS, NEW_IPC = 0x20000, 0x02000000, 0x4000000, 0x8000000
NEW_USER, NEW_PID, NEW_NET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 8, 4096, 16384, 1 << 18
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP = 1, 4, 24, 38, 22
PR_SET_THP_DISABLE, PR_SCHED_CORE, PR_SET_MEMORY_MERGE = 41, 62, 67


def _check(result, what):
    if result:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def _mount(source, target, kind, flags, data=None):
    source, kind, data = (text and text.encode() for text in (source, kind, data))
    _check(libc.mount(source, target.encode(), kind, flags, data), f"mount of {target}")


def _mount_tmpfs(target, flags, data):
    _mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV | flags, data)


def _new_namespaces():
    """Enters new namespaces of all kinds. The user keeps their number; every right holds only in here."""
    uid, gid = os.getuid(), os.getgid()
    _check(libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), "prctl")  # else the files below belong to root
    _check(libc.unshare(NEW_USER | NEW_NS | NEW_IPC | NEW_PID | NEW_NET | NEW_UTS), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def _private_folders(settings):
    """/tmp, the notebook's folder, /dev/shm of this submission alone, bounded; no /proc, no terminals."""
    _mount(None, "/", None, MS_REC | MS_PRIVATE)
    # A Python that lies below /tmp must stay.
    pythons = {path: os.open(path, os.O_PATH) for path in settings["below_tmp"]}
    size = f"size={settings['limits']['disk_mb']}m"
    _mount_tmpfs("/tmp", 0, f"{size},huge=never,nr_inodes=20000,mode=1777")
    for path, handle in pythons.items():
        os.makedirs(path)
        _mount(f"/proc/self/fd/{handle}", path, None, MS_BIND)
        os.close(handle)
    for folder in ("/tmp/home", "/tmp/work"):
        os.mkdir(folder)
    _mount("/tmp/work", settings["course"] + "/notebooks", None, MS_BIND)
    _mount_tmpfs("/dev/shm", MS_NOEXEC, "size=16m,huge=never,nr_inodes=1000,mode=1777")
    _mount_tmpfs("/dev/pts", MS_NOEXEC | MS_RDONLY, "size=4k,nr_inodes=2")
    _mount("/dev/null", "/dev/zero", None, MS_BIND)  # mapped, it would be memory that no limit counts
    _mount_tmpfs("/proc", MS_NOEXEC | MS_RDONLY, "size=4k,nr_inodes=2")


def _set_limits(limits, processes):
    """Limits of each process; what all of them together use is bounded from outside."""
    memory = limits["memory_mb"] * 2**20
    most = {
        resource.RLIMIT_CORE: NO_CORE,
        resource.RLIMIT_CPU: int(limits["total_seconds"]),
        resource.RLIMIT_FSIZE: limits["file_mb"] * 2**20,
        resource.RLIMIT_NOFILE: MOST_FILES,
        resource.RLIMIT_DATA: _has_already("VmData:") + memory,
        resource.RLIMIT_AS: _has_already("VmSize:") + 2 * memory,  # else page tables alone fill the machine
        resource.RLIMIT_MSGQUEUE: 0,
    }
    if processes:  # counted within the namespace; outside of one they would be the user's
        most[resource.RLIMIT_NPROC] = limits["processes"]
        most[resource.RLIMIT_SIGPENDING] = 1024  # timers count here too
        most[resource.RLIMIT_MEMLOCK] = 0
    for which, value in most.items():
        hard = resource.getrlimit(which)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (value, value))


def _has_already(what):
    """Bytes of data or of addresses that the warm process has."""
    return _reserved().get(what, 2**33)


@functools.cache
def _reserved():
    """What the warm process has before it forks: imports alone reserve much that is never touched."""
    with contextlib.suppress(OSError), open("/proc/self/status") as file:
        rows = [line.split() for line in file if line.startswith(("VmData:", "VmSize:"))]
        return {row[0]: int(row[1]) * 1024 for row in rows}
    return {}


def _give_up_rights():
    """No capability is left, and none can come back."""
    _check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    header = struct.pack("=II", 0x20080522, 0)
    _check(libc.capset(header, bytes(24)), "capset")
    # Of a huge page a process can give back all but 4 KB, and still keep the whole of it.
    _check(libc.prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), "prctl")


# System calls that nobody's solution needs: new namespaces and mounts, other processes' memory, sessions
# (each has its own share of the processor), interfaces of the kernel with a history of holes; and those by
# which the kernel keeps what no limit counts: pages in pipes and sockets that no mapping has any more, open
# files on their way to somebody, sockets with names (many may write to one), keys, attributes, rules,
# watches, policies of memory; by which one sandbox leaves word for another in files that both can read: what
# of them is in memory, locks; and by which it takes others' time: on their cores, at the disk. Numbers:
# linux/arch/x86/entry/syscalls/syscall_64.tbl; asm-generic/unistd.h
_MACHINES = ("x86_64", "aarch64")
_REFUSED = {
    "ptrace": (101, 117), "shmget": (29, 194), "syslog": (103, 116), "setsid": (112, 157),
    "pivot_root": (155, 41), "mount": (165, 40), "umount2": (166, 39), "swapon": (167, 224),
    "reboot": (169, 142), "init_module": (175, 105), "add_key": (248, 217), "request_key": (249, 218),
    "keyctl": (250, 219), "unshare": (272, 97), "perf_event_open": (298, 241), "fanotify_init": (300, 262),
    "open_by_handle_at": (304, 265), "setns": (308, 268), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "finit_module": (313, 273), "memfd_create": (319, 279),
    "kexec_file_load": (320, 294), "bpf": (321, 280), "userfaultfd": (323, 282), "acct": (163, 89),
    "quotactl": (179, 60), "kcmp": (312, 272), "mq_open": (240, 180), "msgget": (68, 186),
    "semget": (64, 190), "modify_ldt": (154, None), "io_setup": (206, 0),
    "vmsplice": (278, 75), "splice": (275, 76), "tee": (276, 77), "sendfile": (40, 71),
    "sendmsg": (46, 211), "sendmmsg": (307, 269), "bind": (49, 200), "listen": (50, 201),
    "connect": (42, 203), "setsockopt": (54, 208), "setxattr": (188, 5), "lsetxattr": (189, 6),
    "fsetxattr": (190, 7), "inotify_init": (253, None), "inotify_init1": (294, 26), "mbind": (237, 235),
    "set_mempolicy": (238, 237), "migrate_pages": (256, 238), "move_pages": (279, 239),
    "remap_file_pages": (216, 234), "seccomp": (317, 277), "fadvise64": (221, 223), "readahead": (187, 213),
    "mincore": (27, 232), "preadv2": (327, 286), "pwritev2": (328, 287), "flock": (73, 32),
    "sched_setaffinity": (203, 122), "sched_setscheduler": (144, 119), "sched_setparam": (142, 118),
    "sched_setattr": (314, 274), "ioprio_set": (251, 30), "sync": (162, 81), "syncfs": (306, 267),
}  # fmt: skip
# Each waits until the disk has written all that it holds, whatever file it is asked for: they say that it is
# done. What a submission writes is in memory.
_AS_IF_DONE = {"fsync": (74, 82), "fdatasync": (75, 83), "sync_file_range": (277, 84), "msync": (26, 227)}
# The same numbers everywhere: io_uring, open_tree to fspick, pidfd_getfd, process_madvise, mount_setattr,
# quotactl_fd, landlock, memfd_secret, set_mempolicy_home_node, cachestat, statmount, listmount.
_NEWER = (425, 426, 427, 428, 429, 430, 431, 432, 433, 438, 440, 442, 443, 444, 445, 446, 447, 450, 451, 457)
_NEWER += (458,)
_NEWEST = 462  # mseal, of Linux 6.10; what came later nobody has thought through: as if it were not there
_LOOKED_AT = {  # by their arguments; arch: the number by which the kernel names the machine
    "arch": (0xC000003E, 0xC00000B7), "clone": (56, 220), "clone3": (435, 435), "ioctl": (16, 29),
    "mmap": (9, 222), "socket": (41, 198), "socketpair": (53, 199), "fcntl": (72, 25), "prctl": (157, 167),
    "madvise": (28, 233), "close_range": (436, 436), "setrlimit": (160, 164), "prlimit64": (302, 261),
    "open": (2, None), "openat": (257, 56), "openat2": (437, 437),
}  # fmt: skip
NAMESPACES = NEW_NS | NEW_CGROUP | NEW_UTS | NEW_IPC | NEW_USER | NEW_PID | NEW_NET
CLONE_FILES, CLONE_THREAD = 0x400, 0x10000  # a thread without the first has open files that nobody counts
CLOSE_RANGE_UNSHARE = 2  # the same for a thread that is there
OF_PIDFD, OF_PIDFDS = 0xFFFFFFF0, 0xFF00  # mask and value of ioctls that open namespaces
TIOCSTI = 0x5412  # puts characters into the terminal that the grader was started from
SHARED_ANONYMOUS = 0x21  # mmap's: memory that belongs to nobody's count once it is unmapped
HUGE = 0x40000  # mmap's: pages of another pool, in nobody's count
POPULATE = 0x8000  # mmap's: all pages at once, which no signal stops
KEPT = (6, 7, 37, 38, 1024, 1026, 1031)  # fcntl's: locks, leases, notices, without number; F_SETPIPE_SZ
DIRECT = {0xC000003E: 0x4000, 0xC00000B7: 0x10000}  # open's, by machine: past what is in memory, to the disk
F_SETFL = 4  # fcntl's: sets the same of an open file
# prctl's; PR_SCHED_CORE: whether a core's other half stands still meanwhile.
SETTINGS = (PR_SET_SECCOMP, PR_SET_THP_DISABLE, PR_SCHED_CORE, PR_SET_MEMORY_MERGE)
ADVICE = (12, 22, 23)  # madvise's: mergeable; all pages at once, to read and to write
# Of sockets: within the machine, IPv4, IPv6; others are no part of the network namespace.
FAMILIES = (1, 2, 10)

LOAD, AND, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06  # of BPF
ALLOW, KILL, PERMISSION, NOT_THERE = 0x7FFF0000, 0x80000000, 0x00050000 | 1, 0x00050000 | 38  # of seccomp
DONE = 0x00050000  # without an error


def _op(code, k, yes=0, no=0):
    """An instruction of BPF. yes, no: how many it skips where its comparison holds, or not"""
    return struct.pack("=HBBI", code, yes, no, k)


def _any_of(values):
    """Skips the instruction after these if the loaded value is one of them."""
    return [_op(EQUAL, value, len(values) - n, 0) for n, value in enumerate(values)]


def _rules(refused, done, known):
    """The seccomp filter. -> list of instructions"""
    allow, refuse = _op(RETURN, ALLOW), _op(RETURN, PERMISSION)

    def argument(n):
        return _op(LOAD, 16 + 8 * n)

    def when(name, *rules):
        """For one system call these rules, the last of which returns; for others nothing."""
        return [_op(EQUAL, known[name], 0, len(rules)), *rules] if known[name] is not None else []

    rules = [_op(LOAD, 4), _op(EQUAL, known["arch"], 1, 0), _op(RETURN, KILL)]
    rules += [_op(LOAD, 0), _op(AT_LEAST, 0x40000000, 0, 1), _op(RETURN, KILL)]  # x86's other numbering
    rules += [_op(AT_LEAST, _NEWEST + 1, 0, 1), _op(RETURN, NOT_THERE)]
    for name in ("clone3", "openat2"):  # their flags cannot be seen: clone and openat, then
        rules += when(name, _op(RETURN, NOT_THERE))
    for numbers, answer in ((refused, refuse), (done, _op(RETURN, DONE))):
        for number in sorted(numbers):
            rules += [_op(EQUAL, number, 0, 1), answer]
    direct = [_op(ANY_BIT, DIRECT[known["arch"]], 0, 1), refuse, allow]
    rules += when("open", argument(1), *direct) + when("openat", argument(2), *direct)
    thread = [_op(AND, CLONE_THREAD | CLONE_FILES), _op(EQUAL, CLONE_THREAD, 0, 1)]
    rules += when("clone", argument(0), _op(ANY_BIT, NAMESPACES, 0, 1), refuse, *thread, refuse, allow)
    rules += when("close_range", argument(2), _op(ANY_BIT, CLOSE_RANGE_UNSHARE, 0, 1), refuse, allow)
    opens = [_op(AND, OF_PIDFD), _op(EQUAL, OF_PIDFDS, 0, 1)]
    rules += when("ioctl", argument(1), _op(EQUAL, TIOCSTI, 0, 1), refuse, *opens, refuse, allow)
    shared = [_op(AND, SHARED_ANONYMOUS), _op(EQUAL, SHARED_ANONYMOUS, 0, 1)]
    whole = [_op(ANY_BIT, HUGE | POPULATE, 0, 1), refuse]
    rules += when("mmap", argument(3), *whole, *shared, refuse, allow)
    for name in ("socket", "socketpair"):
        rules += when(name, argument(0), *_any_of(FAMILIES), refuse, allow)
    kept = [*_any_of(KEPT), _op(EQUAL, F_SETFL, 1, 4), refuse]
    rules += when("fcntl", argument(1), *kept, argument(2), *direct)
    for name, n, values in (("prctl", 0, SETTINGS), ("madvise", 2, ADVICE)):
        rules += when(name, argument(n), *_any_of(values), allow, refuse)
    core = [_op(EQUAL, resource.RLIMIT_CORE, 1, 0), allow]
    rules += when("setrlimit", argument(0), *core, refuse)
    # To read a limit no new one is given, in neither half of its address.
    new = [argument(2), _op(EQUAL, 0, 0, 3), _op(LOAD, 36), _op(EQUAL, 0, 0, 1), allow]
    rules += when("prlimit64", argument(1), *core, *new, refuse)
    return [*rules, allow]


def _rules_of(column):
    """The filter for a machine of `_MACHINES`. -> (numbers that it refuses, {name: number}, instructions)"""
    refused, done = ({numbers[column] for numbers in of.values()} - {None} for of in (_REFUSED, _AS_IF_DONE))
    known = {name: numbers[column] for name, numbers in _LOOKED_AT.items()}
    return refused | {*_NEWER}, known, _rules(refused | {*_NEWER}, done, known)


def _filter_system_calls():
    """Installs a seccomp filter. Raises OSError where this machine has none that is known here."""
    if platform.machine() not in _MACHINES:
        raise OSError(f"no list of system calls for {platform.machine()}")
    _, _, rules = _rules_of(_MACHINES.index(platform.machine()))
    code = ctypes.create_string_buffer(b"".join(rules))
    header = struct.pack("@HP", len(rules), ctypes.addressof(code))
    _check(libc.prctl(PR_SET_SECCOMP, 2, ctypes.c_char_p(header), 0, 0), "seccomp")


# --- the warm process


def _fault(error):
    """What is said of something that failed here."""
    return {"fault": f"{type(error).__name__}: {error}"[:500]}


def main():
    """The warm process: gets ready, then forks for each submission that its control socket asks for."""
    control = socket.socket(fileno=int(sys.argv[1]))
    settings = json.loads(sys.argv[2])
    try:
        if settings["user"]:  # started by root: from here on somebody whom nothing belongs to
            os.setgroups([])
            os.setresgid(*[settings["user"]] * 3)
            os.setresuid(*[settings["user"]] * 3)
        if settings["confined"]:
            with contextlib.suppress(OSError):  # where that core has gone
                os.sched_setaffinity(0, {settings["core"]})
            _check(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")
        sys.path.insert(0, settings["course"])
        if settings["warm"]:
            _warm_up()
        _reserved()
        gc.collect()
        gc.freeze()
    except BaseException as error:
        send(control, _fault(error))
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
                _open_session(session, settings)
            except BaseException as error:
                with contextlib.suppress(Exception):
                    send(session, _fault(error))
            os._exit(0)
        os.close(fds[0])
        os.waitpid(child, 0)  # the opener ends soon; what it opened for goes on


def _warm_up():
    """All that a submission may need, imported and compiled before it comes: a fork has it for nothing."""
    import matplotlib

    matplotlib.use("agg")
    import plotly.io
    import torch
    from matplotlib import pyplot

    import course_lib
    from course_lib import dolphin_model, show, video
    from course_lib.assets import clip_files, find_pack
    from course_lib.check import devices
    from course_lib.kal import dibr

    devices.hide_gpus()
    torch.set_num_threads(1)
    importlib.import_module("IPython.core.interactiveshell")
    for module in pkgutil.iter_modules(course_lib.__path__, "course_lib."):
        importlib.import_module(module.name)
    if any(name[:2] > "02" for name in os.listdir(sys.path[0] + "/notebooks")):  # which render
        dibr.warm((2, 3, 1, 1))  # exercise 4's features
        torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # any optimiser imports much of torch
    sys.modules.setdefault("rfc3987_syntax", None)  # two seconds' worth of grammar, which nobody here needs
    str(plotly.io.renderers.default)  # imports nbformat, and with it much
    readers = (dolphin_model, "load_model"), (dolphin_model.model_file, "import_mesh")
    with _reading_ahead(*readers, (clip_files, "read_images")):
        model = dolphin_model.DolphinModel(find_pack())
        video.SegmentedVideo(find_pack())
    # What is done for the first time loads much: one of each kind of figure, the skinning.
    figure, axes = pyplot.subplots(1, 2, layout="constrained")
    axes[0].imshow(np.zeros((2, 2, 3)))
    axes[1].plot([0, 1], label="warm")
    axes[1].set_title("warm")
    figure.savefig(io.BytesIO())
    pyplot.close("all")
    theta = torch.zeros(2, model.LBS.n_joints, 3)
    moves = model(theta[:, :1], theta[:, 1:], torch.zeros(2, 1, 3))["vertices"]
    show.mesh_viewer(moves, model.F)._repr_mimebundle_()
    show.lines(np.zeros(2), {"warm": np.zeros(2)}, "x", "y")._repr_mimebundle_()


@contextlib.contextmanager
def _reading_ahead(*readers):
    """What these functions read in the block, each fork finds ready the first time that it calls them so.

    readers: (module, name of a function). The second time it is read again: the first may have been changed.
    """
    ready, ahead = {}, [True]

    def reader(function):
        @functools.wraps(function)
        def read(*arguments, **options):
            key = function, arguments, tuple(sorted(options.items()))
            if ahead:
                ready[key] = function(*arguments, **options)
                return ready[key]
            return ready.pop(key) if key in ready else function(*arguments, **options)

        return read

    for module, name in readers:
        setattr(module, name, reader(getattr(module, name)))
    yield
    ahead.clear()


def _open_session(session, settings):
    """The opener: begins the processes of a submission, and sends the grader a handle on the first."""
    if settings["confined"]:
        _new_namespaces()
        _private_folders(settings)
    else:
        os.setsid()
    init = os.fork()
    if init:
        socket.send_fds(session, [HELLO], [os.pidfd_open(init)])
        return
    if session.recv(len(GO)) != GO:
        os._exit(0)
    os.setsid()
    if settings["confined"]:
        # The first process of a namespace has odd rules for signals: not for students.
        runner = os.fork()
        if runner:
            session.close()
            with contextlib.suppress(ChildProcessError):
                while os.wait()[0] != runner:
                    pass
            os._exit(0)
    try:
        serve(session, settings)
    finally:
        os._exit(0)


# --- the runner


def serve(session, settings):
    """The runner: gives up what it could do harm with, and answers what the socket asks until that closes."""
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
    _set_limits(settings["limits"], processes=settings["confined"])
    if settings["confined"]:
        _give_up_rights()
        _filter_system_calls()
    os.register_at_fork(after_in_child=session.close)  # what a student forks does not answer for them
    send(session, {"open": True})
    runner = Runner(settings, session)
    acts = {"run": runner.run, "take": runner.take, "hear": runner.hear, "call": runner.call}
    while (message := receive(session, settings["limits"]["message_mb"] * 2**20)) is not None:
        head, arrays = message
        answer, outputs = acts[head["act"]](head, arrays)
        send(session, {"ticket": head["ticket"], "devices": runner.here.advice, **answer}, outputs)


ELSEWHERE = "Where your notebook is graded,"
_READ_ONLY = f"{ELSEWHERE} only the notebook's own folder and /tmp can be written."
_NO_NETWORK = f"{ELSEWHERE} there is no network."
_FORBIDDEN = {  # what an error means that nobody who wrote the notebook at home has ever seen
    errno.EPERM: f"{ELSEWHERE} this is not allowed.",
    errno.EACCES: _READ_ONLY,
    errno.EROFS: _READ_ONLY,
    errno.ENOSPC: f"{ELSEWHERE} there is less room for files.",
    errno.EFBIG: f"{ELSEWHERE} there is less room for files.",
    errno.EAGAIN: f"{ELSEWHERE} there may be fewer processes and threads at a time.",
    errno.ENETUNREACH: _NO_NETWORK,
    socket.EAI_AGAIN: _NO_NETWORK,
    socket.EAI_NONAME: _NO_NETWORK,
}
_NO_COMMAND = f"It failed. {ELSEWHERE} there is no network, and nothing can be installed."


def _meaning(error):
    """What an error, or what it came from, means in a sandbox; None where that is what it means anywhere."""
    for _ in range(8):  # it may be one of a circle
        code = error.errno if isinstance(error, OSError) else None
        if code in _FORBIDDEN:
            return _FORBIDDEN[code]
        reason = getattr(error, "reason", None)  # urllib's
        error = reason if isinstance(reason, OSError) else error.__cause__ or error.__context__
        if error is None:
            return None


class Runner:
    """Runs cells and calls functions for one submission."""

    def __init__(self, settings, session):
        from IPython.core.interactiveshell import InteractiveShell

        from course_lib import check as checks
        from course_lib.check.devices import OnCPU

        self.settings, self.session, self.checks, self.here = settings, session, checks, OnCPU()
        self.shell = InteractiveShell.instance()
        self.shell.history_manager.enabled = False
        # Nobody reads them here, and long ones are slow.
        self.shell.showtraceback = self.shell.showsyntaxerror = lambda *_, **__: None
        self.given = {}  # exercise -> the functions as they were at its check
        self.exercises = {}  # exercise -> what it asks, once that was heard
        self.failed = []  # of the commands (!pip ...) of a cell
        self.withheld = checks.core.withheld  # as it is before a student may replace it
        self.before = {name: dict(vars(one)) for name, one in sys.modules.items() if "course_lib" in name}
        if settings["confined"]:
            self.shell.system = self.system

    def system(self, command):
        """A command of a cell. IPython's own way wants a terminal, and there is none."""
        command = self.shell.var_expand(command, depth=1)
        code = self.shell.user_ns["_exit_code"] = subprocess.call(command, shell=True)
        if code:
            self.failed.append(command)

    def run(self, head, arrays):
        """Runs a cell as a notebook would. -> what went wrong, and the pictures, as bytes of base64"""
        from IPython.utils.capture import capture_output

        core, pictures, self.failed = self.checks.core, [], []
        try:
            with capture_output() as captured:
                sys.stdout, sys.stderr = core.Printed(keep=0), core.Printed(keep=0)
                with self.here, core.time_limit(head["seconds"]):
                    result = self.shell.run_cell(head["source"], store_history=False, silent=False)
                    error = result.error_before_exec or result.error_in_exec
        except BaseException as other:  # core.TooLong, SystemExit and kin
            error = other
        if head["pictures"]:
            with contextlib.suppress(Exception):
                pictures = _pictures_of(captured.outputs, self.settings["limits"])
        with contextlib.suppress(Exception):
            from matplotlib import pyplot

            pyplot.close("all")
        if error is not None:
            self.here.note_error(error)
        said = None if error is None else self.words_of(error)
        if said is None and self.failed:
            said = [f"!{self.failed[0]}"[:60], _NO_COMMAND]
        texts = enumerate(np.frombuffer(text.encode(), np.uint8) for text in pictures)
        return {"error": said}, {f"picture {number}": text for number, text in texts}

    def words_of(self, error):
        """-> [name, text] of what a cell raised"""
        text = ""
        with contextlib.suppress(Exception):
            text = " ".join(str(error).split())[:200]
            if self.settings["confined"] and (meaning := _meaning(error)):
                text = f"{text}. {meaning}"
        return [type(error).__name__[:60], text]

    def take(self, head, arrays):
        """Keeps the functions of an exercise as they are at its check."""
        functions = {name: self.shell.user_ns.get(name) for name in head["functions"]}
        self.given[head["exercise"]] = types.SimpleNamespace(**functions)
        return {}, None

    def hear(self, head, arrays):
        """Takes in what an exercise asks: modules of the checks, with calls alone, which were not here."""
        for name, text in head["modules"]:
            module = types.ModuleType(f"{self.checks.__name__}.{name}")
            module.__package__ = self.checks.__name__
            sys.modules[module.__name__] = module
            setattr(self.checks, name, module)
            path = f"{os.path.dirname(self.checks.__file__)}/{name}.py"  # a name of no student's file
            exec(compile(text, path, "exec"), vars(module))
        self.exercises[head["exercise"]] = getattr(module, head["exercise"])
        return {}, None

    def call(self, head, arrays):
        """What the student's functions make of a case. -> outputs, or a complaint"""
        import torch

        core, exercise = self.checks.core, self.exercises[head["exercise"]]
        given = self.given.get(head["exercise"])
        missing = core.not_defined(exercise, given)
        if missing is not None:
            return {"complaint": list(missing)}, None
        inputs = {name: torch.from_numpy(value) for name, value in arrays.items()}
        if head["may_ask"]:
            inputs["ask"] = functools.partial(self.ask, head["ticket"])
        prop = exercise.properties[head["index"]]
        with self.here, self.withheld(exercise, self.before):
            outputs, complaint, _ = core.attempt(prop, given, inputs, head["seconds"])
        if complaint is not None:
            return {"complaint": [str(complaint[0])[:60], str(complaint[1])[:800]]}, None
        outputs = {name: value.detach().cpu().contiguous().numpy() for name, value in outputs.items()}
        return {"complaint": None}, outputs

    def ask(self, ticket, what, **tensors):
        """Asks who judges, in the middle of a call. -> dict of tensors"""
        import torch

        arrays = {name: value.detach().cpu().contiguous().numpy() for name, value in tensors.items()}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})  # else half an answer is left
        try:
            send(self.session, {"ticket": ticket, "asks": what}, arrays)
            _, arrays = receive(self.session, self.settings["limits"]["message_mb"] * 2**20)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return {name: torch.from_numpy(value) for name, value in arrays.items()}


def _pictures_of(outputs, limits):
    """What a cell shows: what was displayed, and matplotlib's figures. -> list of PNG in base64"""
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
