"""The notebooks' progress bar: on standard output, and only where somebody sees it."""

import io
import sys

from course_lib.progress import is_seen, tqdm


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_it_counts_and_says_what_it_is_told(monkeypatch):
    shown, errors = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", shown)
    monkeypatch.setattr(sys, "stderr", errors)
    bar = tqdm(range(3), desc="fit")
    for _ in bar:
        bar.set_postfix(loss="0.5")
    assert "fit: 100%" in shown.getvalue() and "3/3" in shown.getvalue() and "loss=0.5" in shown.getvalue()
    assert max(map(len, shown.getvalue().replace("\r", "\n").splitlines())) <= 96
    assert errors.getvalue() == ""


def test_it_can_be_switched_off():
    stream = Terminal()
    assert list(tqdm(range(2), disable=True, file=stream)) == [0, 1] and stream.getvalue() == ""


def test_nothing_is_written_where_nobody_looks(capfd):
    stream = io.StringIO()
    bar = tqdm(range(2), desc="fit", file=stream)
    for _ in bar:
        bar.set_postfix(loss=1)
    assert stream.getvalue() == "" and capfd.readouterr() == ("", "")


def test_notebooks_and_terminals_are_seen():
    in_a_notebook = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})
    assert is_seen(in_a_notebook()) and is_seen(Terminal()) and not is_seen(io.StringIO())
