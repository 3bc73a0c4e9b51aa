"""The one exception that is a message to a person."""


class CourseError(Exception):
    """A mistake that the person at the keyboard can mend.

    The text says what was wrong, what was found and where, what was expected, and what to do.
    The command line prints it as it is, without a traceback, and ends with exit code 1; a notebook shows it as one line.
    """

    def _render_traceback_(self):           # what IPython shows instead of a traceback
        return [str(self)]
