"""`dolphins clip`: a pack from a video and its telemetry, drawn here."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from course_lib.assets import AssetPack, find_pack
from course_lib.footage import Video, find_ffmpeg, frame_size, from_frames, to_frames
from course_lib.show import write_video

FPS, SECONDS, SIZE = 30, 4, (256, 144)


def picture(k):
    """A frame with its number in it: as many white stripes as its number modulo 16 says, in four bits."""
    image = np.full((*SIZE[::-1], 3), (20, 90, 120), np.uint8)
    for bit in range(8):
        image[20:60, 16 + 28 * bit : 34 + 28 * bit] = 230 if k >> bit & 1 else 30
    return image


def number_in(image):
    bits = [image[30:50, 20 + 28 * bit : 30 + 28 * bit].mean() > 128 for bit in range(8)]
    return sum(1 << bit for bit, on in enumerate(bits) if on)


def stamp(seconds):
    ms = round(seconds * 1000)
    return f"{ms // 3600000:02d}:{ms // 60000 % 60:02d}:{ms // 1000 % 60:02d},{ms % 1000:03d}"


def height(k):
    return round(10 + 0.01 * k, 3)


def srt(count=FPS * SECONDS, step=1 / FPS, more="[focal_len: 24.00] "):
    blocks = []
    for k in range(count):
        times = f"{stamp(k * step)} --> {stamp((k + 1) * step)}"
        blocks.append(f"{k + 218}\n{times}\n<font>{more}[rel_alt: {height(k):.3f} abs_alt: 3.0]</font>\n")
    return "\n".join(blocks)


@pytest.fixture(scope="module")
def flight(tmp_path_factory):
    """A folder with DJI_1.mp4 and DJI_1.SRT."""
    folder = tmp_path_factory.mktemp("flight")
    write_video(folder / "DJI_1.mp4", (picture(k) for k in range(FPS * SECONDS)), fps=FPS, crf=10)
    (folder / "DJI_1.SRT").write_text(srt())
    return folder


@pytest.fixture
def clip(flight, dolphins, tmp_path):
    """Runs `dolphins clip` on a video; what is not given is usual."""

    def run(video="DJI_1.mp4", telemetry="DJI_1.SRT", start="0:01", end="0:02", camera=True, **options):
        words = ["clip", flight / video, "--telemetry", flight / telemetry, "--from", start, "--to", end]
        words += ["--out", options.pop("out", tmp_path / "my_clip"), "--width", options.pop("width", 128)]
        words += ["--camera", "DJI Mavic 3"] if camera else []
        for name, value in options.items():
            words += [f"--{name.replace('_', '-')}", *(value if isinstance(value, tuple) else [value])]
        return dolphins(*words)

    return run


def made(tmp_path):
    """The pack's frames and its clip.json."""
    pack = AssetPack(tmp_path / "my_clip")
    info = json.loads((pack.clip_dir / "metadata" / "clip.json").read_text())
    return sorted(pack.frames_dir.iterdir()), info


def ffmpeg(*words):
    done = subprocess.run([find_ffmpeg(), "-y", "-loglevel", "error", *map(str, words)], capture_output=True)
    assert done.returncode == 0, done.stderr


def test_frames_and_altitudes_are_those_of_the_seconds(clip, tmp_path):
    code, out, err = clip(start="0:01.5", end="0:03", launch_height=1.5)
    assert code == 0, err
    frames, info = made(tmp_path)
    assert [number_in(np.asarray(Image.open(path).resize(SIZE))) for path in frames] == list(range(45, 90))
    assert info["altitude_m"] == pytest.approx([height(k) + 1.5 for k in range(45, 90)], abs=6e-4)
    assert info["fps"] == 30 and info["altitude_sd_m"] == 1.0
    lens = dict(focal_mm=12.29, sensor_width_mm=17.27, principal_point=[63.5, 35.5], k1=0, k2=0, tilt_deg=0)
    assert info["camera"] == lens | {"model": "DJI Mavic 3"}
    assert info["source"]["video"] == "DJI_1.mp4" and info["source"]["launch_height_m"] == 1.5
    assert sorted(p.name for p in (tmp_path / "my_clip" / "model").iterdir()) == sorted(
        p.name for p in find_pack().model_dir.iterdir()
    )
    for said in ("45 frames of 128 x 72, 30 a second", "11.95 to 12.39 m", "dolphins segment --pack"):
        assert said in out


def test_readings_once_a_second(clip, flight, tmp_path):
    (flight / "slow.SRT").write_text(srt(SECONDS + 1, 1.0))
    assert clip(telemetry="slow.SRT", start="1.0", end="2.0")[0] == 0
    _, info = made(tmp_path)
    assert info["altitude_m"] == pytest.approx(10.01 + 0.01 * np.arange(30) / 30, abs=6e-4)


@pytest.mark.parametrize("fps", [25, 50, 30000 / 1001])
def test_other_rates_have_the_same_altitudes_at_the_same_times(clip, flight, tmp_path, fps):
    name = f"rate{fps:.0f}.mp4"
    write_video(flight / name, (picture(0) for _ in range(round(SECONDS * fps))), fps=fps)
    assert clip(video=name)[0] == 0
    frames, info = made(tmp_path)
    assert info["fps"] == pytest.approx(fps, rel=1e-4) and len(frames) == round(fps)
    times = np.ceil(fps - 0.26) / fps + np.arange(len(frames)) / fps
    assert info["altitude_m"] == pytest.approx(10 + 0.01 * 30 * times, abs=2e-3)


def test_a_picture_whose_height_is_no_whole_number(clip, flight, tmp_path):
    write_video(flight / "odd.mp4", (np.zeros((250, 480, 3), np.uint8) for _ in range(90)), fps=30)
    code, _, err = clip(video="odd.mp4", width=100)
    assert code == 0, err
    assert Image.open(made(tmp_path)[0][0]).size == (100, 52)


def test_the_principal_point_of_the_video_is_that_of_the_frames(clip, flight, tmp_path):
    write_video(flight / "tall.mp4", (np.zeros((250, 480, 3), np.uint8) for _ in range(90)), fps=30)
    code, _, err = clip(video="tall.mp4", principal_point="230,130")
    assert code == 0, err
    # 128 x 66.7 is 128 x 66: of 250 rows 248 are shown, from row 0 on
    camera = made(tmp_path)[1]["camera"]
    scale = 128 / 480
    expected = [(230 + 0.5) * scale - 0.5, (130 + 0.5) * 66 / 248 - 0.5]
    assert camera["principal_point"] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    "size, width, height",
    [
        ((3840, 2160), 640, 360),
        ((4096, 2160), 640, 336),  # not 337, which shares no divisor with 640: a fit draws small windows
        ((1600, 900), 800, 450),
        ((1600, 900), 1600, 900),
        ((480, 250), 100, 52),
        ((256, 144), 64, 36),
    ],
)
def test_sizes_of_frames(size, width, height):
    video = Video(None, *size, 30.0, None, 0.0, "h264", "yuv420p", "")
    assert frame_size(video, width) == (width, height)
    corners = np.array([[-0.5, -0.5], [width - 0.5, height - 0.5]])
    assert to_frames(from_frames(corners, video, (width, height)), video, (width, height)) == pytest.approx(
        corners
    )
    (left, top), (right, bottom) = from_frames(corners, video, (width, height))
    assert (left, right) == pytest.approx((-0.5, size[0] - 0.5)) and top >= -0.5 and bottom <= size[1] - 0.5
    assert (right - left) / (bottom - top) == pytest.approx(width / height, rel=3e-3)


def test_telemetry_says_how_the_camera_leans(clip, flight, tmp_path):
    (flight / "tilted.SRT").write_text(srt(more="[gb_yaw: 3.0 gb_pitch: -86.0] "))
    assert clip(telemetry="tilted.SRT")[0] == 0
    assert made(tmp_path)[1]["camera"]["tilt_deg"] == pytest.approx(4)


def test_distortion_is_undone_before_frames_are_written(clip, tmp_path):
    assert clip(k1=-0.2, k2=0.05)[0] == 0
    frames, info = made(tmp_path)
    assert info["camera"]["k1"] == 0 and info["source"]["lens"]["k1"] == -0.2
    bent = np.asarray(Image.open(frames[0]))
    shutil.rmtree(tmp_path / "my_clip")
    clip()
    straight = np.asarray(Image.open(made(tmp_path)[0][0]))
    assert np.abs(bent.astype(int) - straight).max() > 60


def test_a_known_length_corrects_the_altitude(clip, tmp_path):
    """A board of 1.6 m, 120 pixels long, seen from 11.0 m; the telemetry says 10.6 m there."""
    focal = SIZE[0] * 12.29 / 17.27
    length = 11.0 * 120 / focal
    code, out, err = clip(known_length=f"{length:.6f}", at=("60", "100,70,220,70"))
    assert code == 0 and "corrected +0.40 m" in out, err
    _, info = made(tmp_path)
    assert info["altitude_m"] == pytest.approx([height(k) + 0.4 for k in range(30, 60)], abs=1e-3)
    assert info["source"]["known_length"]["bias_m"] == pytest.approx(-0.4, abs=1e-3)
    assert info["altitude_sd_m"] == pytest.approx(np.hypot(11 * 2**0.5 / 120, 0.3), abs=1e-3)


@pytest.mark.parametrize("metres, doubted", [(12.4, False), (13.4, True), (7.6, True)])
def test_a_correction_beyond_what_the_instrument_may_be_off_is_doubted(clip, metres, doubted):
    """As after a cropped video, a wrong end or a length in other units; the telemetry says 10.6 m there."""
    length = metres * 120 / (SIZE[0] * 12.29 / 17.27)
    code, out, err = clip(known_length=f"{length:.6f}", at=("60", "100,70,220,70"), launch_height="0")
    assert code == 0 and ("more than a barometer is off" in out) == doubted, (out, err)


def test_how_far_the_fin_is_out_of_the_water(clip, tmp_path):
    code, out, err = clip()
    assert code == 0 and "0.05 m above the surface on average, ± 0.1 m (95 %) (--fin-out)" in out, err
    assert (made(tmp_path)[1]["fin_out_m"], made(tmp_path)[1]["fin_out_sd_m"]) == (0.05, 0.05)
    shutil.rmtree(tmp_path / "my_clip")
    code, out, err = clip(fin_out=-0.07, fin_out_sd=0.1)
    assert code == 0 and "tip is 0.07 m under the surface on average, ± 0.2 m (95 %)\n" in out, err
    assert (made(tmp_path)[1]["fin_out_m"], made(tmp_path)[1]["fin_out_sd_m"]) == (-0.07, 0.1)


def test_times_at_which_it_surfaces_are_frames_of_the_clip(clip, tmp_path):
    code, out, err = clip(surfaced="0:01.5", start="0:01", end="0:02")
    assert code == 0, err
    assert made(tmp_path)[1]["surfaced"] == ["fin:15"]
    assert "by 1 frame in which it breaks the surface" in out
    code, _, err = clip(surfaced="back:1.2", out=tmp_path / "other")
    assert code == 0 and '"back:6"' in next((tmp_path / "other").rglob("clip.json")).read_text()


MISTAKES = {
    "surfaced before": (dict(surfaced="0:00.5"), "--surfaced 0:00.5 is not between 0:01 and 0:02"),
    "surfaced by what": (dict(surfaced="beak:1"), "--surfaced is 'beak:1', expected a time in the video"),
    "an altitude known exactly": (dict(altitude_sd=0), "--altitude-sd is 0, expected 0.001 to 100 metres"),
    "an altitude known to less than nothing": (dict(altitude_sd=-1), "--altitude-sd is -1, expected"),
    "an altitude known to anything": (dict(altitude_sd="inf"), "--altitude-sd is inf, expected"),
    "a fin in the air": (dict(fin_out=3), "--fin-out is 3, expected how many metres .not centimetres"),
    "a fin that is NaN": (dict(fin_out="nan"), "--fin-out is nan, expected"),
    "no sd": (dict(fin_out_sd=0), "--fin-out-sd is 0, expected the standard deviation"),
    "a negative sd": (dict(fin_out_sd=-1), "--fin-out-sd is -1, expected"),
    "an infinite sd": (dict(fin_out_sd="inf"), "--fin-out-sd is inf, expected"),
    "another flight": (
        dict(telemetry="long.SRT"),
        "lasts 0:20, and DJI_1.mp4 0:04: it is of another recording",
    ),
    "no telemetry": (dict(telemetry="none.SRT"), "none.SRT: no such file, expected the subtitles"),
    "telemetry ends": (
        dict(telemetry="short.SRT"),
        "has altitudes for 0:00 to 0:00.5, but the clip is 0:01 to",
    ),
    "below the launch": (dict(launch_height=-30), "and -30 m with --launch-height: that is no altitude"),
    "seconds not there": (dict(end="0:09"), "lasts 0:04, so the seconds 0:01 to 0:09 are not in it"),
    "backwards": (dict(start="0:03"), "--from 0:03 is not before --to 0:02"),
    "no time": (dict(start="noon"), "--from is 'noon', expected a time in the video, such as 0:12"),
    "one frame": (dict(end="0:01.03"), "are 1 frames, expected 3 to"),
    "too wide": (dict(width=1000), "--width is 1000, expected 64 to the video's own 256"),
    "no video": (
        dict(video="DJI_1.SRT"),
        "DJI_1.SRT: not a video but text .*take the file that the drone wrote",
    ),
    "no such video": (dict(video="none.mp4"), "none.mp4: no such file, expected a video"),
    "cut off": (dict(video="cut.mp4"), "its index is missing"),
    "sound": (dict(video="sound.m4a"), "holds sound and no pictures"),
    "upright": (dict(video="upright.mp4"), "is 144 x 256, higher than wide, so it is rotated"),
    "wide pixels": (dict(video="wide.mp4"), r"its pixels are not square"),
    "no index": (
        dict(video="stream.ts", start="0:00.7"),
        "no frame at 0:00.7, the first one is at 0:01.*-c copy",
    ),
    "another rate": (dict(video="vfr.mp4"), "its frame rate varies .*ffmpeg -i vfr.mp4 -fps_mode cfr"),
    "no camera": (dict(camera=False), "Say which camera it was.*focal_len 24 is a 35 mm equivalent"),
    "another camera": (dict(camera=False, fov=0), "--fov is 0"),
    "a wrong camera": (
        dict(telemetry="tele.SRT"),
        "focal_len 162, as of 35 mm film, and the DJI Mavic 3 has 24",
    ),
    "zoomed": (dict(telemetry="zoom.SRT"), "zoomed 2.00 times.*Add --crop 2.00"),
    "no principal point": (
        dict(principal_point="here"),
        "--principal-point is 'here', expected x,y in pixels",
    ),
    "a principal point of frames": (
        dict(principal_point="30,20"),
        "far from the middle of 256 x 144. It counts in pixels of the video",
    ),
    "a principal point with two dots": (dict(principal_point="1..2,3"), "is '1..2,3', expected x,y"),
    "points with two dots": (dict(known_length=1, at=("60", "1..2,3,4,5")), "'1..2,3,4,5' are no points"),
    "a launch that is NaN": (dict(launch_height="nan"), "--launch-height is nan, expected a number"),
    "a launch in centimetres": (dict(launch_height=1400), "--launch-height is 1400, .*at most 500"),
    "a tilt that is NaN": (dict(tilt="nan"), "--tilt is nan, expected a number"),
    "a lens that is NaN": (dict(k1="nan"), "--k1 is nan"),
    "damaged": (dict(video="garbage.mp4", start="0:02.5", end="0:03.5"), "frames .*damaged"),
    "tilted": (dict(tilt=60), "leans 60 degrees from straight down"),
    "folded": (dict(k1=-9), "folds the picture's corners"),
    "no length": (dict(known_length=0, at=("60", "1,1,90,1")), "--known-length is 0, expected metres"),
    "no ends": (dict(known_length=1), "belong together: one is not given"),
    "off the picture": (dict(known_length=1, at=("60", "1,1,900,1")), "are not all in the picture"),
    "one point": (dict(known_length=1, at=("60", "9,9,9,9")), "are 0.0 pixels apart, expected at least 10"),
    "points": (dict(known_length=1, at=("60", "9 9 90 9")), "are no points, expected x0,y0,x1,y1"),
    "its frame": (
        dict(known_length=1, at=("900", "9,9,90,9")),
        "the frame at 0:30, and DJI_1.mp4 lasts 0:04",
    ),
    "centimetres": (dict(known_length=160, at=("60", "100,70,220,70")), "Is the length in metres"),
}


@pytest.fixture(scope="module")
def spoilt(flight):
    """Files that `dolphins clip` must refuse, beside those of the flight."""
    video = flight / "DJI_1.mp4"
    (flight / "long.SRT").write_text(srt(600))
    (flight / "short.SRT").write_text(srt(15))
    (flight / "tele.SRT").write_text(srt(more="[focal_len: 162.00] "))
    (flight / "zoom.SRT").write_text(srt(more="[dzoom_ratio: 20000, delta:0] "))
    (flight / "cut.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(2000))
    whole = bytearray(video.read_bytes())
    whole[len(whole) // 3 : -2000] = np.random.default_rng(0).bytes(len(whole) - 2000 - len(whole) // 3)
    (flight / "garbage.mp4").write_bytes(whole)
    ffmpeg("-i", video, "-g", 15, flight / "stream.ts")
    ffmpeg("-f", "lavfi", "-i", "anullsrc", "-t", 1, flight / "sound.m4a")
    ffmpeg("-i", video, "-vf", "transpose=1", flight / "upright.mp4")
    ffmpeg("-i", video, "-vf", "setsar=4/3", flight / "wide.mp4")
    ffmpeg("-i", video, "-vf", "select='not(mod(n,7))+not(mod(n,5))'", "-fps_mode", "vfr", flight / "vfr.mp4")


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_end_in_one_line_and_change_nothing(clip, spoilt, tmp_path, case):
    options, message = MISTAKES[case]
    code, out, err = clip(**options)
    late = case in ("another rate", "damaged", "no index")  # a bar of progress is there already
    assert code == 1 and out == "" or late, (out, err)
    assert len(err.strip().splitlines()) == 1 or late, err
    assert re.search(message, err), err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_left_alone(clip, tmp_path):
    (tmp_path / "my_clip").mkdir()
    (tmp_path / "my_clip" / "mine.txt").write_text("mine")
    code, _, err = clip()
    assert code == 1 and "is there already; nothing was changed" in err
    assert [path.name for path in tmp_path.rglob("*")] == ["my_clip", "mine.txt"]


@pytest.mark.parametrize(
    "written, meets",
    [
        ("2026-05-02 12:11:14.500", True),  # two hours east
        ("2026.05.02 15:56:12", True),  # 5:45, Nepal
        ("2026-05-02 12:18:12", False),
        ("2026-05-04 10:11:12", False),
        ("2026-15-02 10:11:12", True),  # no date
    ],
)
def test_clocks_of_another_flight(clip, flight, written, meets):
    when = ("-metadata", "creation_time=2026-05-02T10:11:12Z")
    ffmpeg("-i", flight / "DJI_1.mp4", "-c", "copy", *when, flight / "dated.mp4")
    (flight / "dated.SRT").write_text(srt(more=f"{written}\n"))
    code, out, err = clip(video="dated.mp4", telemetry="dated.SRT")
    assert code == 0 and ("are they of one flight" in out) != meets, (out, err)


def test_more_bits_a_colour(clip, flight, tmp_path):
    pixels = "-pix_fmt yuv420p10le -c:v libx265 -x265-params log-level=error"
    ffmpeg("-i", flight / "DJI_1.mp4", *pixels.split(), flight / "ten.mp4")
    code, out, err = clip(video="ten.mp4")
    assert code == 0 and "more than 8 bits a colour; 8 are kept" in out, err
    images = [np.asarray(Image.open(path).resize(SIZE)) for path in made(tmp_path)[0]]
    assert list(map(number_in, images)) == list(range(30, 60))


def test_notes(clip, flight, tmp_path):
    ffmpeg("-display_rotation", 90, "-i", flight / "DJI_1.mp4", "-c", "copy", flight / "turned.mp4")
    code, out, err = clip(video="turned.mp4")
    assert code == 0, err
    for note in (
        "read as the camera recorded it",
        "are they of one flight",
        "say with --launch-height how many metres higher",
        "By GPS (abs_alt), off by several metres, it was at",
    ):
        assert note in out
    assert len(made(tmp_path)[0]) == 30
