"""From a video and its telemetry to a measured animal, by the README's commands alone."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from course_lib.assets import find_pack
from course_lib.show import write_video

pytestmark = pytest.mark.slow
FRAMES = 24  # of the embedded clip
ROUGH = dict(epochs=6, frames=12)


def film(folder, step):
    """The embedded clip as a drone's video, of which every `step`-th frame was taken, and its subtitles."""
    pack, fps = find_pack(), 50 / step
    paths = sorted(pack.frames_dir.iterdir())[:FRAMES:step]
    altitudes = np.load(pack.altitude_path)[50 : 50 + FRAMES : step] / 100
    write_video(folder / "DJI_1.MP4", (np.asarray(Image.open(path)) for path in paths), fps=fps, crf=10)
    blocks = []
    for k, height in enumerate(altitudes):
        begins, ends = (f"00:00:{at:06.3f}".replace(".", ",") for at in (k / fps, (k + 1) / fps))
        blocks.append(f"{k + 1}\n{begins} --> {ends}\n[rel_alt: {height:.3f} abs_alt: 21.0]\n")
    (folder / "DJI_1.SRT").write_text("\n".join(blocks))
    return folder / "DJI_1.MP4", folder / "DJI_1.SRT"


@pytest.mark.parametrize("step", [1, 2])
def test_from_a_video_to_a_table_of_sizes(dolphins, tmp_path, monkeypatch, step):
    def run(*words):
        code, out, err = dolphins(*words)
        assert code == 0, err
        return out

    monkeypatch.chdir(tmp_path)
    (video, subtitles), whole = film(tmp_path, step), tmp_path / "my_clip"
    clip = ("clip", video, "--telemetry", subtitles, "--from", "0:00", "--to", f"0:00.{2 * FRAMES}")
    clip += ("--camera", "DJI Mavic 3", "--altitude-sd", 0.05, "--launch-height", 0)
    assert f"{FRAMES // step} frames of 640 x 360, {50 // step} a second" in run(*clip, "--out", whole)
    saved = find_pack().prompts_path
    assert "Next: dolphins segment" in run("prompts", whole, "--take", saved)
    assert f"Next: dolphins doctor --pack {whole}" in run("segment", "--pack", whole, "--method", "tracker")
    assert "straight down, on a level sea" in run("doctor", "--pack", whole)
    near = tmp_path / "near"
    run(*clip, "--follow", whole, "--width", 320, "--out", near)
    run("segment", "--pack", near, "--method", "tracker")
    options = sum(((f"--{name}", value) for name, value in ROUGH.items()), ())
    run("demo", "--pack", whole, *options, "--out", tmp_path / "out")
    length = json.loads((tmp_path / "out" / "metrics.json").read_text())["length_m"]
    said = run("measure", whole, near, *options, "--out", tmp_path / "season")
    assert "2 clips: 2 " in said
    with open(tmp_path / "season" / "sizes.csv", newline="") as file:
        rows = {row["clip"]: row for row in csv.DictReader(file)}
    assert float(rows["my_clip"]["length_m"]) == pytest.approx(length, rel=1e-3)
    assert float(rows["near"]["length_m"]) == pytest.approx(length, rel=0.02)
