"""What the doctor says of a machine."""

import subprocess
import sys
from pathlib import Path

from dolphins import doctor


def test_every_finding_is_a_sentence_or_two():
    for finding in doctor.diagnose():
        assert finding.subject and finding.found and finding.meaning


def test_findings_follow_from_what_is_there(monkeypatch):
    monkeypatch.setattr(doctor, "version_of", lambda name: None)
    assert doctor._numba().ok is False and "plain torch" in doctor._numba().meaning
    assert "the course's own renderer" in doctor._kaolin().meaning
    monkeypatch.setattr(doctor, "version_of", lambda name: "2.5.1")
    assert doctor._torch().ok is False and "2.6" in doctor._torch().meaning


def test_without_torch_it_says_what_it_cannot_know():
    code = """import sys; sys.modules["torch"] = None
from dolphins import doctor
real = doctor.version_of
doctor.version_of = lambda name: None if name == "torch" else real(name)
print([finding.subject for finding in doctor.diagnose() if finding.found == "unknown without torch"])"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert done.stdout.strip() == "['CUDA', 'pack', 'sandbox']", done.stderr
