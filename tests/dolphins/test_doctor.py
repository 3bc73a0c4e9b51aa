"""What the doctor says of a machine."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from course_lib.assets import clip_files
from course_lib.assets.clip_info import ClipInfo
from course_lib.lens import Lens
from dolphins import doctor

from ..build_zip import build_pack


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


def test_what_is_assumed_about_a_clip_of_ones_own(tmp_path):
    root = build_pack(tmp_path / "pack")
    metadata = next((root / "data").iterdir()) / "metadata"
    assert "altitude" not in {finding.subject for finding in doctor._pack(root, None)}
    source = {"video": "DJI_1.mp4", "altitude_by": "barometer", "altitude_above": "launch"}
    known = ClipInfo(25, np.full(5, 20, np.float32), 1.0, Lens(8.0, 12.0, tilt_deg=4), source)
    (metadata / "clip.json").write_text(known.to_json())
    said = {finding.subject: f"{finding.found}: {finding.meaning}" for finding in doctor._pack(root, None)}
    assert "± 2 m (95 %)" in said["altitude"] and "may be off by ± 9.8 % (95 %)" in said["altitude"]
    assert "5.0 % too short (--launch-height)" in said["altitude"] and "--known-length" in said["altitude"]
    assert "8 mm, sensor 12 mm wide" in said["camera"] and "--k1" in said["camera"]
    assert "leaning 4 degrees" in said["view"] and "by 3.7 % for each metre of water" in said["depth"]
    assert "tip is 0.05 m above the surface on average, ± 0.1 m (95 %)" in said["depth"]
    assert "every length may be off by ± 0.4 % (95 %)" in said["depth"]
    assert "--fin-out or --surfaced says it better" in said["depth"]
    seen = replace(known, surfaced=(("fin", 2), ("back", 4)))
    (metadata / "clip.json").write_text(seen.to_json())
    told = {finding.subject: f"{finding.found}: {finding.meaning}" for finding in doctor._pack(root, None)}
    assert "by 2 frames in which it breaks the surface" in told["depth"]
    assert "more of them say it better" in told["depth"]
    assert "too small: film from lower down" in said["size"] and "--follow" not in said["size"]
    assert "5 frames at 25 a second" in said["time"]
    notes = [finding.subject for finding in doctor._pack(root, None) if finding.state == "note"]
    assert notes == ["altitude", "size"]  # what costs more than 3 % of length
    large = replace(known, source=source | {"video_size": [640, 360], "altitude_field": "altitude"})
    (metadata / "clip.json").write_text(large.to_json())
    said = {finding.subject: f"{finding.found}: {finding.meaning}" for finding in doctor._pack(root, None)}
    assert "the video shows it with 55 pixels, and dolphins clip --follow" in said["size"]
    assert "does not say above what that is" in said["altitude"]
    size = next((root / "data").glob("*/frames/*")), dict(source, window=[160, 90], video_size=[640, 360])
    width, height = clip_files.image_size(size[0])
    near = replace(
        known, lens=Lens(8.0, 3.0), source=size[1], centres=np.full((5, 2), [width / 2, height / 2])
    )
    (metadata / "clip.json").write_text(near.to_json())
    said = {finding.subject: finding.found for finding in doctor._pack(root, None)}
    assert said["camera"].startswith("8 mm, sensor 12 mm wide; of its 640 pixels a window of 160 x 90")
    (metadata / "clip.json").write_text(known.to_json().replace("20.0", "2000.0"))
    [fault] = doctor._pack(root, None)
    assert not fault.ok and "the drone flies 2e+03 m" in fault.found


def test_sam2_is_promised_only_where_there_is_a_gpu(monkeypatch):
    monkeypatch.setattr(doctor, "has_module", lambda name: True)
    monkeypatch.setattr(doctor, "has_gpu", lambda: False)
    assert "by the tracker, as there is no GPU" in doctor._sam2().meaning
    monkeypatch.setattr(doctor, "has_gpu", lambda: True)
    assert "tracker" not in doctor._sam2().meaning
