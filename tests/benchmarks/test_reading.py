"""The program behind the table of the worst files."""

from benchmarks import reading


def test_each_kind_of_file_is_read(monkeypatch):
    monkeypatch.setattr(reading, "SOURCES", {"the released notebook": lambda n: []})
    files = reading.measure(sizes=(1,))["files"]
    assert len(files) == 1 + len(reading.KINDS) and all(row[0] is not None for row in files.values())
