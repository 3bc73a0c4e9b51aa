"""The demo as a person runs it: results, interruption, and every mistake that ends in one clear message."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import imageio_ffmpeg
import pytest
import torch

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}
SHORT = ["--frames", "21", "--epochs", "12", "--seed", "1"]
TINY = ["--frames", "7", "--epochs", "2"]


def demo(*arguments, **options):
    """Runs the demo in a process of its own. -> CompletedProcess with text output"""
    command = [sys.executable, "-m", "dolphins", "demo", *map(str, arguments)]
    how = dict(cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=600)
    return subprocess.run(command, **how | options)


def parameters(folder):
    return torch.load(folder / "dolphin_fit.pth", weights_only=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    done = demo(*SHORT, "--out", "result", cwd=folder)
    assert done.returncode == 0, done.stderr
    return done, folder / "result"


def test_a_short_fit_finds_the_dolphin(run):
    metrics = json.loads((run[1] / "metrics.json").read_text())
    assert metrics["iou_mean"] >= 0.88 and metrics["iou_min"] >= 0.80
    assert metrics["position_rmse_m"] <= 0.12
    assert metrics["heading_error_deg_median"] <= 3 and metrics["orientation_jump_deg_max"] <= 15
    assert abs(metrics["length_error_pct"]) <= 4 and abs(metrics["volume_error_pct"]) <= 10
    assert metrics["loss_last"] < metrics["loss_first"]


def test_metrics_are_flat_and_complete(run):
    metrics = json.loads((run[1] / "metrics.json").read_text())
    expected = """frames epochs seconds_fit seconds_total peak_rss_mb device backend recipe seed loss_first
        loss_last iou_mean iou_min position_rmse_m depth_rmse_m heading_error_deg_median
        orientation_jump_deg_max vertex_error_cm_mean length_error_pct volume_error_pct length_m_low
        volume_m3_high mass_kg_low width_40_m_high length_sd_pct_altitude size_can_be_trusted doubts"""
    assert set(expected.split()) <= set(metrics)
    assert all(isinstance(value, (int, float, str)) for value in metrics.values())
    for words in ("Outline overlap, mean", "Position error", "Volume error", "m, 95 %: "):
        assert words in run[0].stdout


def test_the_terminal_begins_with_the_verdict_and_the_sizes(run):
    said = run[0].stdout[run[0].stdout.index(json.loads((run[1] / "metrics.json").read_text())["verdict"]) :]
    order = [said.index(words) for words in ("\nlength ", "\nmass ", "Outline overlap, mean", "metrics.json")]
    assert order == sorted(order)
    assert "size_can_be_trusted" not in said and "batch_size" not in said


def test_the_truth_lies_in_the_intervals(run):
    metrics = json.loads((run[1] / "metrics.json").read_text())
    for name in ("length_m", "volume_m3"):
        truth = metrics[name] / (1 + metrics[f"{name.split('_')[0]}_error_pct"] / 100)
        assert metrics[f"{name}_low"] < truth < metrics[f"{name}_high"]


def test_a_page_that_is_passed_on_says_nothing_of_the_makers_folders(run):
    page = (run[1] / "report.html").read_text()
    assert str(ROOT) not in page and str(run[1].parent) not in page


def test_video_plays_in_a_browser(run):
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", run[1] / "dolphin_fit.mp4", "-f", "null", "-"]
    said = subprocess.run(command, capture_output=True, text=True).stderr
    for part in ("h264", "yuv420p", "1280x720", "frame=   21"):
        assert part in said


def test_parameters_load_as_plain_numbers(run):
    saved = parameters(run[1])
    assert saved["translations"].shape == (21, 1, 3)
    assert torch.equal(saved["anchors"], torch.eye(3).expand(21, 3, 3))
    steps = torch.rad2deg((saved["global_poses"][1:] - saved["global_poses"][:-1]).norm(dim=-1))
    assert steps.max() < 15


def test_nothing_half_made_is_left(run):
    expected = {"dolphin_fit.mp4", "dolphin_fit.pth", "metrics.json", "report.html", "settings.json"}
    assert {path.name for path in run[1].iterdir()} == expected


def test_a_finished_run_is_shown_again_and_never_overwritten(run, dolphins):
    before = {path: path.read_bytes() for path in run[1].iterdir()}
    where = ("--out", run[1])
    code, _, said = dolphins("demo", *SHORT, *where)
    assert code == 1 and "already holds a run (finished)" in said and "--resume" in said
    code, said, _ = dolphins("demo", *SHORT, *where, "--resume")
    assert code == 0 and "Outline overlap, mean" in said
    code, _, said = dolphins("demo", *SHORT[:4], "--seed", "2", *where, "--resume")
    assert code == 1 and "other settings" in said and "seed: 1 there, 2 now" in said
    assert before == {path: path.read_bytes() for path in run[1].iterdir()}


def interrupt_when_there_is(path, *arguments):
    """Starts the demo, and presses Ctrl-C as soon as `path` exists."""
    command = [sys.executable, "-m", "dolphins", "demo", *arguments, "--out", str(path.parent)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while not path.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1, errors
    assert "--resume" in errors and "Traceback" not in errors


def resume(folder, *arguments):
    """Goes on with an interrupted run. -> what it printed, the parameters it ends with"""
    done = demo(*arguments, "--out", folder, "--resume")
    assert done.returncode == 0, done.stderr
    return done.stdout, parameters(folder)


def test_an_interrupted_run_goes_on_to_the_same_result(run, tmp_path):
    checkpoint = tmp_path / "run" / "checkpoint.pth"
    interrupt_when_there_is(checkpoint, *SHORT)
    passes = torch.load(checkpoint, weights_only=True)["passes"]
    assert 1 <= passes < 12
    said, reached = resume(tmp_path / "run", *SHORT)
    assert f"after pass {passes} of 12" in said
    torch.testing.assert_close(reached, parameters(run[1]), rtol=0, atol=1e-6)


def test_a_run_interrupted_at_its_report_goes_on_too(tmp_path):
    interrupt_when_there_is(tmp_path / "run" / "dolphin_fit.pth", *TINY)
    fitted = parameters(tmp_path / "run")
    _, reached = resume(tmp_path / "run", *TINY)
    torch.testing.assert_close(reached, fitted, rtol=0, atol=1e-6)


def test_a_full_disk_loses_nothing(tmp_path):
    def small_files_only():
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))  # a checkpoint is larger

    (tmp_path / "kept.txt").write_text("mine")
    done = demo(*TINY, "--out", tmp_path / "run", preexec_fn=small_files_only)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "Could not write" in done.stderr and "Is the disk full?" in done.stderr
    assert (tmp_path / "kept.txt").read_text() == "mine"
    assert not list((tmp_path / "run").glob("*.part"))


MISTAKES = {"--pack nowhere": ["nowhere"], "--frames 201": ["201", "200"]}
MISTAKES |= {"--fin-out 3": ["--fin-out is 3, expected"], "--fin-out nan": ["--fin-out is nan"]}
MISTAKES |= {"--fin-out-sd 0": ["--fin-out-sd is 0"], "--fin-out-sd inf": ["--fin-out-sd is inf"]}
MISTAKES |= {"--fin-out-sd -1": ["--fin-out-sd is -1"], "--surfaced beak:3": ["--surfaced is 'beak:3'"]}
MISTAKES |= {"--surfaced 200": ["--surfaced: there is no frame 200, the clip has 0 to 199"]}
MISTAKES |= {"--device tpu": ["tpu", "cpu, cuda"], "--device cuda:99": ["cuda:99"]}


@pytest.mark.parametrize("arguments, parts", MISTAKES.items())
def test_a_mistake_ends_in_one_clear_message(arguments, parts, tmp_path, dolphins):
    code, _, said = dolphins("demo", *arguments.split(), "--out", tmp_path / "run")
    assert code == 1 and all(part in said for part in parts), said
    assert not (tmp_path / "run").exists()


def test_the_fins_height_of_the_clip_can_be_overruled(tmp_path, dolphins):
    """It is in the figures, and part of what the run is: a run of another depth is not gone on with."""
    words = ["demo", "--frames", "3", "--epochs", "1", "--out", tmp_path / "run", "--fin-out", "-0.5"]
    assert dolphins(*words)[0] == 0
    figures = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert (figures["fin_out_m"], figures["fin_out_sd_m"]) == (-0.5, 0.05)
    heights = parameters(tmp_path / "run")["translations"][:, 0, 1]
    assert heights.mean() < -0.7
    code, _, said = dolphins(*words[:-2], "--resume")
    assert code == 1 and "fin_out: -0.5 there, None now" in said


def test_foreign_files_in_the_output_folder_are_left_alone(tmp_path, dolphins):
    (tmp_path / "thesis.tex").write_text("years of work")
    code, _, said = dolphins("demo", "--out", tmp_path)
    assert code == 1 and "thesis.tex" in said and "another folder" in said
    (tmp_path / "file").write_text("")
    code, _, said = dolphins("demo", "--out", tmp_path / "file")
    assert code == 1 and "is a file" in said
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


WRONG = ["--frames 2", "--epochs 0", "--recipe magic", "--frames many", "--sead 1"]


@pytest.mark.parametrize("arguments", WRONG)
def test_a_wrong_option_is_named(arguments, tmp_path, dolphins):
    code, _, said = dolphins("demo", *arguments.split(), "--out", tmp_path / "run")
    assert code == 2 and arguments.split()[0] in said
    assert not (tmp_path / "run").exists()
