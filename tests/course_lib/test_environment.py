import pytest
import torch

from course_lib.environment import choose_device, diagnose, peak_rss_mb
from course_lib.errors import CourseError


def test_auto_takes_cuda_where_it_is():
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu") == torch.device("cpu")


def test_cuda_without_cuda_says_what_to_do(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(CourseError, match="finds no CUDA device here. Use --device cpu"):
        choose_device("cuda")


def test_a_device_that_is_not_there_is_counted(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert choose_device("cuda:0").index == 0
    with pytest.raises(CourseError, match="only 1 CUDA"):
        choose_device("cuda:3")


@pytest.mark.parametrize("name", ["gpu", "mps", ""])
def test_unknown_devices_are_refused(name):
    with pytest.raises(CourseError, match="cpu"):
        choose_device(name)


def test_peak_memory_is_in_megabytes():
    assert 50 < peak_rss_mb() < 100_000


def test_every_finding_is_a_sentence_or_two():
    for finding in diagnose():
        assert finding.subject and finding.found and finding.meaning


def test_findings_follow_from_what_is_there(monkeypatch):
    import course_lib.environment as environment

    monkeypatch.setattr(environment, "version_of", lambda name: None)
    assert environment._numba().ok is False and "plain torch" in environment._numba().meaning
    assert "the course's own renderer" in environment._kaolin().meaning
    monkeypatch.setattr(environment, "version_of", lambda name: "2.5.1")
    assert environment._torch().ok is False and "2.6" in environment._torch().meaning
