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

ROOT = Path(__file__).parents[2]
SHORT = ["--frames", "21", "--epochs", "12", "--seed", "1"]


def dolphins(*arguments, cwd, **options):
    """Runs the command line. -> CompletedProcess with text output"""
    return subprocess.run(
        [sys.executable, "-m", "dolphins", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=600,
        **options,
    )


def assert_one_clear_message(done, *parts):
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in done.stderr, f"{part!r} is not in the message: {done.stderr[-600:]}"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    done = dolphins("demo", *SHORT, "--out", "result", cwd=folder)
    assert done.returncode == 0, done.stderr
    return done, folder / "result"


def test_a_short_fit_finds_the_dolphin(run):
    metrics = json.loads((run[1] / "metrics.json").read_text())
    assert metrics["iou_mean"] >= 0.88
    assert metrics["iou_min"] >= 0.80
    assert metrics["position_rmse_m"] <= 0.12
    assert metrics["heading_error_deg_median"] <= 3
    assert metrics["orientation_jump_deg_max"] <= 15
    assert abs(metrics["length_error_pct"]) <= 4
    assert abs(metrics["volume_error_pct"]) <= 10
    assert metrics["loss_last"] < metrics["loss_first"]


def test_metrics_are_flat_and_complete(run):
    metrics = json.loads((run[1] / "metrics.json").read_text())
    assert {
        "frames",
        "epochs",
        "seconds_fit",
        "seconds_total",
        "peak_rss_mb",
        "device",
        "backend",
        "recipe",
        "seed",
        "loss_first",
        "loss_last",
        "iou_mean",
        "iou_min",
        "position_rmse_m",
        "depth_rmse_m",
        "heading_error_deg_median",
        "orientation_jump_deg_max",
        "vertex_error_cm_mean",
        "length_error_pct",
        "volume_error_pct",
    } <= set(metrics)
    assert all(isinstance(value, (int, float, str)) for value in metrics.values())
    for name in ("iou_mean", "position_rmse_m", "volume_error_pct"):
        assert name in run[0].stdout


def test_video_plays_in_a_browser(run):
    done = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-i", run[1] / "dolphin_fit.mp4", "-f", "null", "-"],
        capture_output=True,
        text=True,
    )
    assert "h264" in done.stderr and "yuv420p" in done.stderr and "1280x720" in done.stderr
    assert "frame=   21" in done.stderr


def test_parameters_load_as_plain_numbers(run):
    saved = torch.load(run[1] / "dolphin_fit.pth", weights_only=True)
    assert saved["translations"].shape == (21, 1, 3)
    assert torch.equal(saved["anchors"], torch.eye(3).expand(21, 3, 3))
    steps = torch.rad2deg((saved["global_poses"][1:] - saved["global_poses"][:-1]).norm(dim=-1))
    assert steps.max() < 15


def test_nothing_half_made_is_left(run):
    assert sorted(path.name for path in run[1].iterdir()) == [
        "dolphin_fit.mp4",
        "dolphin_fit.pth",
        "metrics.json",
        "report.html",
        "settings.json",
    ]


def test_a_finished_run_is_shown_again_and_never_overwritten(run):
    before = {path: path.read_bytes() for path in run[1].iterdir()}
    assert_one_clear_message(
        dolphins("demo", *SHORT, "--out", run[1], cwd=ROOT), "already holds a run (finished)", "--resume"
    )
    again = dolphins("demo", *SHORT, "--out", run[1], "--resume", cwd=ROOT)
    assert again.returncode == 0 and "iou_mean" in again.stdout
    assert_one_clear_message(
        dolphins("demo", *SHORT[:4], "--seed", "2", "--out", run[1], "--resume", cwd=ROOT),
        "other settings",
        "seed: 1 there, 2 now",
    )
    assert before == {path: path.read_bytes() for path in run[1].iterdir()}


def interrupt_when_there_is(path, command):
    """Ctrl-C as soon as `path` exists."""
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while not path.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1, errors
    assert "--resume" in errors and "Traceback" not in errors


def test_an_interrupted_run_goes_on_to_the_same_result(run, tmp_path):
    command = [sys.executable, "-m", "dolphins", "demo", *SHORT, "--out", str(tmp_path / "run")]
    checkpoint = tmp_path / "run" / "checkpoint.pth"
    interrupt_when_there_is(checkpoint, command)
    passes = torch.load(checkpoint, weights_only=True)["passes"]
    assert 1 <= passes < 12

    done = dolphins("demo", *SHORT, "--out", tmp_path / "run", "--resume", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert f"after pass {passes} of 12" in done.stdout
    assert_same_parameters(tmp_path / "run", run[1])


def test_a_run_interrupted_at_its_report_goes_on_too(run, tmp_path):
    command = [sys.executable, "-m", "dolphins", "demo", *SHORT, "--out", str(tmp_path / "run")]
    interrupt_when_there_is(tmp_path / "run" / "dolphin_fit.pth", command)
    done = dolphins("demo", *SHORT, "--out", tmp_path / "run", "--resume", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert_same_parameters(tmp_path / "run", run[1])


def assert_same_parameters(folder, other):
    ours, theirs = (torch.load(path / "dolphin_fit.pth", weights_only=True) for path in (folder, other))
    for name, values in theirs.items():
        torch.testing.assert_close(ours[name], values, rtol=0, atol=1e-6, msg=name)


def test_a_full_disk_loses_nothing(tmp_path):
    def small_files_only():
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))  # a checkpoint is larger

    (tmp_path / "kept.txt").write_text("mine")
    done = dolphins(
        "demo",
        "--frames",
        "7",
        "--epochs",
        "2",
        "--out",
        tmp_path / "run",
        cwd=ROOT,
        preexec_fn=small_files_only,
    )
    assert_one_clear_message(done, "Could not write", "Is the disk full?")
    assert (tmp_path / "kept.txt").read_text() == "mine"
    assert not list((tmp_path / "run").glob("*.part"))


@pytest.mark.parametrize(
    "arguments, parts",
    [
        (["--pack", "nowhere"], ["nowhere"]),
        (["--frames", "201"], ["201", "200"]),
        (["--device", "tpu"], ["tpu", "cpu, cuda"]),
        (["--device", "cuda:99"], ["cuda:99"]),
    ],
)
def test_a_mistake_ends_in_one_clear_message(arguments, parts, tmp_path):
    done = dolphins("demo", *arguments, "--out", tmp_path / "run", cwd=ROOT)
    assert_one_clear_message(done, *parts)
    assert not (tmp_path / "run").exists()


def test_foreign_files_in_the_output_folder_are_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    assert_one_clear_message(dolphins("demo", "--out", tmp_path, cwd=ROOT), "thesis.tex", "another folder")
    (tmp_path / "file").write_text("")
    assert_one_clear_message(dolphins("demo", "--out", tmp_path / "file", cwd=ROOT), "is a file")
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize(
    "arguments",
    [["--frames", "2"], ["--epochs", "0"], ["--recipe", "magic"], ["--frames", "many"], ["--sead", "1"]],
)
def test_a_wrong_option_is_named(arguments, tmp_path):
    done = dolphins("demo", *arguments, "--out", tmp_path / "run", cwd=ROOT)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr and arguments[0] in done.stderr


def test_doctor_speaks_of_everything(tmp_path):
    done = dolphins("doctor", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    for subject in ("Python", "torch", "CUDA", "kaolin", "numba", "sam2", "ffmpeg", "pack"):
        assert subject in done.stdout


def test_doctor_finds_a_broken_pack(tmp_path):
    done = dolphins("doctor", "--pack", tmp_path, cwd=tmp_path)
    assert done.returncode == 1 and "BAD pack" in done.stdout
