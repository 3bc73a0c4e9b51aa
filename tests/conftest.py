"""The command line, run in this process."""

import sys

import pytest

from dolphins import cli


@pytest.fixture
def dolphins(monkeypatch, capsys):
    """Runs `dolphins WORDS`. -> (exit code, what it printed, what it said of a mistake)"""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["dolphins", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code or 0, *capsys.readouterr()

    return run
