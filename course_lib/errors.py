"""The one exception that is a message to a person, and how a long message is written in code."""

import re


def fold(text):
    """A text that stands on several lines of code, as one line: a break with its indentation is a space."""
    return re.sub(r"\n {8,}", " ", text)


def of_a_stub(error):
    """Whether an exception comes of a `...` that stands for code still to be written."""
    return bool(re.search(r"\bellipsis\b(?! \()", str(error)))  # not "a single ellipsis ('...')", of an index


class CourseError(Exception):
    """A mistake that the person at the keyboard can mend.

    The text says what was wrong, what was found and where, what was expected, and what to do; it is folded.
    The command line prints it without a traceback and ends with exit code 1; a notebook shows it as one line.
    """

    def __init__(self, text=""):
        super().__init__(fold(str(text)))

    def _render_traceback_(self):  # what IPython shows instead of a traceback
        return [str(self)]
