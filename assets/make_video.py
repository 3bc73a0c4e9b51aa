"""Makes the video of lesson 6, as a person would bring it home: a drone's file, its telemetry, and the truth.

    python assets/make_video.py                    assets/footage/: video, telemetry, prompts, truth
    python assets/make_video.py --preview OUT      frames of it in the folder OUT, nothing else

Another animal than the embedded one, filmed by another drone, at another rate, from a boat: the telemetry
counts from the boat's deck, its barometer is off, its readings are rarer than the frames and have two gaps. A
paddle board, whose length is known, floats in the picture. Sea, light and skin are those of make_clip.py.
"""

import argparse
import json
import multiprocessing
import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "assets")]

import make_clip  # noqa: E402

from course_lib.files import write  # noqa: E402
from course_lib.lens import camera_of  # noqa: E402
from course_lib.show import write_video  # noqa: E402

FOLDER, NAME = ROOT / "assets" / "footage", "dolphin_0042"
CAMERA = "DJI Air 2S"
FPS, FRAMES, CRF = 29.97, 180, 21
FIRST = 2.5  # s of the video, where the lesson's clip begins
ON_ANIMAL = (0.025, 0.07, 0.15, 0.3, 0.45, 0.6, 0.75, 0.86, 0.95)  # where it is clicked, from the beak
SHOT = dict(FPS=FPS, FRAMES=FRAMES, HALF_WIDTH=camera_of(CAMERA).half_width, HOVER=9.3, SEED=42)
SHOT |= dict(HEADING_MIDDLE=80.0, SHARP_TURN=0.0, WIDE_TURN=20.0, SPEED=1.2, PATH_CENTRE=(0.9, 0.5))
SHOT |= dict(BEAT=1.6, BANK=6.0, HEAVE=0.03, WIDTH=800, HEIGHT=450, HAZE=0.45 * make_clip.HAZE)

# The animal: at places along it, 0 at the flukes, 1 at the rostrum.
LENGTH = 2.18  # m
ALONG = {0.0: 0.0, 0.3: 0.285, 0.62: 0.60, 0.85: 0.835, 1.0: 1.0}  # where places of the template come to lie
WIDTH = {0.0: 1.12, 0.15: 1.0, 0.35: 1.10, 0.55: 1.17, 0.75: 1.12, 0.9: 1.10, 1.0: 1.05}
HEIGHT = {0.0: 1.0, 0.2: 1.0, 0.45: 1.14, 0.7: 1.12, 0.9: 1.06, 1.0: 1.0}
FIN_OUT = -0.12  # m, of the tip of its dorsal fin, on average: it stays under water

# The telemetry.
LAUNCH = 2.9  # m above the sea: the boat's deck
BIAS = -0.55  # m, by which the barometer's altitudes are off
STEP, RESOLUTION = 0.1, 0.1  # s between readings; m of which they are multiples
GAPS = ((1.05, 2.4), (3.7, 4.5))  # s without readings

# The board: its length, width, where its middle is at the start (x to the left, z up), where it points.
BOARD, BOARD_WIDTH, BOARD_AT, BOARD_TURN = 3.2, 0.8, (1.0, -2.6), 97.0  # m, m, m, degrees
PAINT = (
    (1.0, (0.50, 0.50, 0.47)),
    (0.9, (0.62, 0.63, 0.60)),
    (0.55, (0.10, 0.26, 0.42)),
)  # share of the width
BOARD_FRAME = 12  # on which its ends are clicked


def curve(table, s):
    """A table {place: value} at places s, smooth where `interp` has corners."""
    fine = np.linspace(0, 1, 401)
    values = np.interp(fine, list(table), list(table.values()))
    padded = np.pad(values, 24, mode="reflect", reflect_type="odd")
    return np.interp(s, fine, np.convolve(padded, np.hanning(51)[1:-1] / 25, mode="valid"))


class Swimmer(make_clip.Swimmer):
    """A smaller and stouter dolphin than the template, which a shorter beak makes look younger."""

    def __init__(self, model_dir):
        super().__init__(model_dir)
        fin = self.rest()[:, 1].max()
        make_clip.DEPTH = fin - FIN_OUT  # waves of its own heave and pitch move the tip about this

    def _part_scales(self):
        return np.zeros((self.model.LBS.n_groups, 4), np.float32)

    def _residual(self):
        detail, s, template = super()._residual(), self.along, self.template
        wide, high, along = (curve(table, s) for table in (WIDTH, HEIGHT, ALONG))
        z = template[:, 2].min() + along * np.ptp(template[:, 2])
        new = np.stack([template[:, 0] * wide, template[:, 1] * high, z], 1) + detail
        return new * (LENGTH / np.ptp(new[:, 2])) - template


class Camera(make_clip.Camera):
    """The drone's camera; a board floats on its sea."""

    def __init__(self, swimmer):
        super().__init__(swimmer)
        rest = swimmer.rest()
        self.fin_tip = rest[np.argmax(rest[:, 1])]

    def floating(self, light, frame):
        """Lays the board over the light (H, W, 3) that comes from the sea."""
        height, width = light.shape[:2]
        fine = 4
        for share, colour in PAINT:
            ndc = make_clip.project(board(frame, share), float(make_clip.altitude(frame)))
            pixels = (ndc * [1, -1] + 1) / 2 * [width * fine, height * fine] - 0.5
            cover = np.zeros((height * fine, width * fine), np.uint8)
            cv2.fillPoly(cover, [np.round(pixels * 16).astype(np.int32)], 255, cv2.LINE_8, 4)
            cover = cover.reshape(height, fine, width, fine).mean((1, 3))[..., None] / 255
            light = light * (1 - cover) + np.array(colour) * cover
        return light.astype(np.float32)


def board(frame, share=1.0):
    """The outline of the board (64, 3), metres; its first point and its middle one are its ends.

    share: of its width; of the length a little less is left out, so that smaller outlines are inside.
    """
    t = frame / FPS
    angle = 2 * np.pi * np.arange(64) / 64
    along = np.cos(angle) * BOARD / 2 * (1 - 0.35 * (1 - share))
    across = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** 0.85 * BOARD_WIDTH / 2 * share
    turn = np.deg2rad(BOARD_TURN + 1.5 * np.sin(0.8 * t))
    x = BOARD_AT[0] - make_clip.DRIFT[0] * t + along * np.sin(turn) + across * np.cos(turn)
    z = BOARD_AT[1] - make_clip.DRIFT[1] * t + along * np.cos(turn) - across * np.sin(turn)
    return np.stack([x, np.zeros(64), z], -1)


def board_ends():
    """Where a person clicks the board's ends, whole pixels. -> [x0, y0, x1, y1]"""
    ends = board(BOARD_FRAME)[[0, 32]]
    ndc = make_clip.project(ends, float(make_clip.altitude(BOARD_FRAME)))
    pixels = (ndc * [1, -1] + 1) / 2 * [make_clip.WIDTH, make_clip.HEIGHT] - 0.5
    return [int(value) for value in np.round(pixels).ravel()]


_team = {}  # of this process


def start_process():
    """Prepares this process to draw frames."""
    make_clip.take(SHOT)
    cv2.setNumThreads(1)
    _team["camera"] = Camera(Swimmer(make_clip.MODEL))


def expose(frame):
    """A frame: its image, and what shows of the dolphin."""
    return _team["camera"].expose(frame)[:2]


def photograph(frames, jobs):
    """Images (H, W, 3) and what shows of the dolphin (H, W) of frames, one by one."""
    with multiprocessing.get_context("spawn").Pool(jobs, start_process) as pool:
        for k, shot in enumerate(pool.imap(expose, frames)):
            print(f"\r{k + 1} of {len(frames)} frames", end="", flush=True)
            yield shot
    print()


def clicks(swimmer, frame):
    """Where a person clicks on a frame: along the animal from beak to flukes, and beside it. -> prompts"""
    rest, vertices = swimmer.rest(), swimmer.surface(frame / FPS)
    front, length = rest[:, 2].max(), np.ptp(rest[:, 2])
    middle = []
    for place in ON_ANIMAL:
        ring = np.abs((front - rest[:, 2]) / length - place) < 0.012
        middle.append(vertices[ring].mean(0))
    ndc = make_clip.project(np.array(middle), float(make_clip.altitude(frame)))
    on = (ndc * [1, -1] + 1) / 2 * [make_clip.WIDTH, make_clip.HEIGHT] - 0.5
    centre, reach = on.mean(0), np.hypot(*(on[0] - on[-1]))
    angles = 2 * np.pi * (np.arange(7) + 0.5) / 7
    beside = centre + 0.75 * reach * np.stack([np.cos(angles), np.sin(angles)], 1)
    points = np.concatenate([on, beside]).round().astype(int).tolist()
    return {"frame": 0, "points": points, "labels": [1] * len(on) + [0] * len(beside)}


def telemetry():
    """The subtitles that the drone writes."""
    rng, blocks = np.random.default_rng(42), []
    for t in np.arange(0, FRAMES / FPS, STEP):
        if any(start < t < end for start, end in GAPS):
            continue
        true = float(make_clip.altitude(t * FPS))
        read = true - LAUNCH + BIAS + 0.02 * rng.normal()
        read = round(round(read / RESOLUTION) * RESOLUTION, 3)
        start, end = (f"00:00:{int(x):02d},{round(1000 * (x % 1)) % 1000:03d}" for x in (t, t + STEP))
        blocks.append(f"""{len(blocks) + 1}
{start} --> {end}
<font size="28">FrameCnt: {round(t * FPS) + 1}, DiffTime: 33ms
2026-05-14 09:12:{40 + int(t):02d}.{round(1000 * (t % 1)) % 1000:03d}
[iso: 100] [shutter: 1/640.0] [fnum: 2.8] [ev: 0] [color_md: default] [focal_len: 22.00] \
[dzoom_ratio: 10000, delta: 0] [rel_alt: {read:.3f} abs_alt: {read + 6.214:.3f}] [gb_pitch: -90.0] </font>
""")
    return "\n".join(blocks)


def truth(swimmer):
    """What is known of the animal and of the flight."""
    rest, times = swimmer.rest(), np.arange(round(FIRST * FPS), FRAMES) / FPS
    tips = [swimmer.surface(t)[:, 1].max() for t in times]
    altitudes = make_clip.altitude(np.arange(FRAMES))
    return {
        "length_m": round(float(np.ptp(rest[:, 2])), 4),
        "volume_m3": round(float(make_clip.volume(rest, swimmer.faces)), 5),
        "fin_out_m": round(float(np.mean(tips)), 3),
        "barometer_bias_m": BIAS,
        "altitude_m": [round(float(h), 3) for h in altitudes],
    }


def make_footage(jobs):
    """Makes the folder of the video."""
    make_clip.take(SHOT)
    swimmer = Swimmer(make_clip.MODEL)
    images = (image for image, _ in photograph(list(range(FRAMES)), jobs))
    FOLDER.mkdir(exist_ok=True)
    write_video(FOLDER / f"{NAME}.mp4", images, fps=FPS, crf=CRF)
    write(FOLDER / f"{NAME}.srt", telemetry())
    write(FOLDER / "prompts.json", json.dumps(clicks(swimmer, round(FIRST * FPS))) + "\n")
    known = {"camera": CAMERA, "launch_height_m": LAUNCH, "board_m": BOARD}
    known |= {"board_frame": BOARD_FRAME, "board_ends": board_ends()}
    write(FOLDER / "notes.json", json.dumps(known) + "\n")
    write(FOLDER / "truth.json", json.dumps(truth(swimmer)) + "\n")


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--preview", type=Path, metavar="OUT", help="write frames there, nothing else")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    args = parser.parse_args()
    if not args.preview:
        make_footage(args.jobs)
        return
    args.preview.mkdir(parents=True, exist_ok=True)
    frames = [0, BOARD_FRAME, 75, 110, 145, FRAMES - 1]
    for frame, (image, _) in zip(frames, photograph(frames, 1)):
        Image.fromarray(image).save(args.preview / f"{frame:06d}.png")


if __name__ == "__main__":
    main()
