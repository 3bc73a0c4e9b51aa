"""Where students' files are read: a process of its own, so that nothing in them can stop a class.

    look(prepare, data, release)  ->  what prepare(data, release) gives

Collecting, repair, the judge's preparation and the reports read what students made through this alone.
Whatever a file does to the code that reads it, be it that it raises, hangs, fills the memory or ends the
process, becomes one exception, `Refused`, which says what happened; the next file finds a new process. So the
caller needs no list of what can go wrong: it notes that somebody is to look at this one by hand, and goes on.
A CourseError of the function comes out as it is: it is a message about the file.

This is no sandbox: what runs here is the course's own code, and no student's. It does without torch, and so
starts in a quarter of a second.
"""

import atexit
import contextlib
import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
from multiprocessing.connection import Connection, Pipe

from course_lib.errors import CourseError

SECONDS = 60  # of the processor, for one call
WAIT = 300.0  # seconds until a call is given up, however busy the machine is
MEMORY = 2 * 2**30  # bytes that a call may need beyond what the process has when it is ready
PROGRAM = "import sys; from autograder.boundary import serve; serve(int(sys.argv[1]))"


class Refused(CourseError):
    """What one student's file did to the code that looked at it, in a sentence."""


class _Reader:
    """The process, and the connection to it."""

    def __init__(self):
        self.pipe, theirs = Pipe()
        with theirs:
            command = [sys.executable, "-c", PROGRAM, str(theirs.fileno())]
            self.process = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, start_new_session=True
            )

    def ask(self, request):
        """-> (kind, value) of its answer, unless the process does not live to give one"""
        try:
            self.pipe.send(request)
            if not self.pipe.poll(WAIT):
                return "ended", f"reading it had not come to an end after {WAIT:g} s"
            return self.pipe.recv()
        except (EOFError, OSError):
            code = self.process.wait(5)
            if code == -signal.SIGPROF:
                return "ended", f"reading it took more than {SECONDS} s of the processor"
            return "ended", f"it ended the process that read it (code {code})"

    def stop(self):
        self.pipe.close()
        self.process.kill()
        self.process.wait()


_lock = threading.Lock()
_reader = None


def look(function, *arguments):
    """Calls a function of a module in the process that reads. -> function(*arguments)

    Arguments and value must be what pickle knows. Raises Refused where the function does not come to its end
    within SECONDS and MEMORY.
    """
    global _reader
    with _lock:
        _reader = _reader or _Reader()
        try:
            kind, value = _reader.ask((SECONDS, function, arguments))
        except BaseException:  # what it answers later would be taken for another's
            close()
            raise
        if kind == "ended":
            close()
    if kind == "given":
        return value
    raise (CourseError if kind == "said" else Refused)(value)


@atexit.register
def close():
    """Ends the process that reads; the next `look` starts another."""
    global _reader
    if _reader is not None:
        _reader.stop()
        _reader = None


# --- the other side


def serve(number):
    """The process: calls what it is sent. number: of the open file descriptor of its connection"""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who calls
    _limit(resource.RLIMIT_CORE, 1)  # at 0 a program that takes cores would be run all the same: core(5)
    _limit(resource.RLIMIT_AS, _addresses() + MEMORY)
    with Connection(number) as pipe, contextlib.suppress(EOFError, OSError):
        while True:
            pipe.send_bytes(_answer(pipe.recv_bytes()))


def _answer(request):
    """What a request comes to, pickled: ("given", value), ("said", text) or ("raised", text)."""
    try:
        seconds, function, arguments = pickle.loads(request)
        signal.setitimer(signal.ITIMER_PROF, seconds)  # when it is over, SIGPROF ends the process
        return pickle.dumps(("given", function(*arguments)), pickle.HIGHEST_PROTOCOL)
    except CourseError as error:
        return pickle.dumps(("said", str(error)))
    except BaseException as error:
        return pickle.dumps(("raised", f"reading it failed ({type(error).__name__}{_words(error)})"))


def _words(error):
    """What an exception says of itself, if it can. -> text"""
    with contextlib.suppress(Exception):
        return f": {' '.join(str(error).split())[:200]}" if str(error) else ""
    return ""


def _addresses():
    """Bytes of addresses that this process has; where that cannot be seen, none of it is counted."""
    with contextlib.suppress(OSError), open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _limit(which, value):
    """Lowers a limit, as far as the system has it."""
    with contextlib.suppress(ValueError, OSError):
        hard = resource.getrlimit(which)[1]
        resource.setrlimit(which, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
