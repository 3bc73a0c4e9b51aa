"""The boundary: whatever reading one file does, it is said in a line, and the next file is read."""

import os
import signal
import time

import pytest

from autograder import boundary
from autograder.boundary import Refused, look
from course_lib.errors import CourseError


class Silent(BaseException):
    def __str__(self):
        raise RuntimeError("no words")


def reading(what):
    """What reading a file may come to; called in the process that reads."""
    match what:
        case "value":
            return {"a": (1, b"x")}
        case "a sentence":
            raise CourseError("The file is empty.")
        case "recursion":
            return reading(what)
        case "memory":
            return len([bytes(2**28) for _ in range(40)])
        case "exit":
            raise SystemExit(3)
        case "silent":
            raise Silent
        case "hang":
            while True:
                pass
        case "dies":
            os._exit(4)
        case "crashes":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "no value":
            return lambda: None
        case "sleeps":
            signal.pause()
    raise ValueError(f"line one\nline two {what}")


REFUSED = {
    "raises": r"reading it failed \(ValueError: line one line two raises\)",
    "recursion": "RecursionError",
    "memory": "MemoryError",
    "exit": "SystemExit: 3",
    "silent": r"\(Silent\)",
    "hang": "more than 1 s of the processor",
    "dies": r"ended the process that read it \(code 4\)",
    "crashes": "code -11",
    "no value": "reading it failed",
    "sleeps": "had not come to an end after 1 s",
}


@pytest.mark.parametrize("what", REFUSED)
def test_whatever_reading_does_is_a_line_and_the_next_is_read(what, monkeypatch):
    monkeypatch.setattr(boundary, "SECONDS", 1)
    monkeypatch.setattr(boundary, "WAIT", 1.0 if what == "sleeps" else 60.0)
    with pytest.raises(Refused, match=REFUSED[what]) as error:
        look(reading, what)
    assert "\n" not in str(error.value)
    monkeypatch.setattr(boundary, "WAIT", 60.0)
    assert look(reading, "value") == {"a": (1, b"x")}


def test_a_message_about_the_file_comes_out_as_it_is():
    with pytest.raises(CourseError, match="^The file is empty.$") as error:
        look(reading, "a sentence")
    assert not isinstance(error.value, Refused)


def test_the_time_is_that_of_one_call(monkeypatch):
    monkeypatch.setattr(boundary, "SECONDS", 1)
    for _ in range(5):
        assert look(busy, 0.4)


def busy(seconds):
    start = time.process_time()
    while time.process_time() < start + seconds:
        pass
    return True
