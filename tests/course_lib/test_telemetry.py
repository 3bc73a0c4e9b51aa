"""Telemetry: the altitude of every frame in all dialects, or one line that says what to do."""

import re

import numpy as np
import pytest

from course_lib.errors import CourseError
from course_lib.telemetry import read_telemetry

HEIGHTS = [12.3, 12.4, 12.6, 12.5, 12.7, 13.0]
FONT = '<font size="28">SrtCnt : {n}, DiffTime : 33ms\n'


def stamp(seconds, sign=","):
    ms = round(seconds * 1000)
    return f"{ms // 3600000:02d}:{ms // 60000 % 60:02d}:{ms // 1000 % 60:02d}{sign}{ms % 1000:03d}"


def srt(bodies, step=1 / 30, first=1, start=0.0, sign=",", end="\n"):
    """Subtitles of these bodies, `step` seconds apart."""
    blocks = []
    for k, body in enumerate(bodies):
        times = f"{stamp(start + k * step, sign)} --> {stamp(start + (k + 1) * step, sign)}"
        blocks.append(f"{first + k}\n{times}\n{body}\n")
    return end.join(blocks) + end


def written(tmp_path, text, name="a.SRT"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# Each a form of a block's text; {h} is the height.
DIALECTS = {
    "Mavic 3": FONT + "2024-08-01 10:13:45.812\n[iso: 100] [shutter: 1/1000.0] [focal_len: 24.00] "
    "[latitude: 59.302335] [longitude: 18.203059] [rel_alt: {h:.3f} abs_alt: 132.860] [ct: 5660] </font>",
    "no font": "[latitude: 59.3] [longitude: 18.2] [rel_alt: {h:.3f} abs_alt: 2.0]",
    "spaces before colons": FONT + "2023-07-15 11:55:16,320,933\n[iso : 100] [focal_len : 240] [latitude : "
    "45.499] [longtitude : 9.04] [altitude : {h:.6f}] </font>",
    "altitude": FONT + "2023-01-11 17:01:55,343,173\n[dzoom_ratio: 10000, delta:0],[latitude: 45.4] "
    "[longitude: 9.0] [altitude: {h:.6f}] </font>\n</font>",
    "Mavic Pro": "HOME(149.0251,-20.2532) 2017.08.05 14:11:51\nGPS(149.0251,-20.2532,14) BAROMETER:{h:.1f}\n"
    "ISO:100 Shutter:60 EV: Fnum:2.2",
    "Matrice 300": "2022.06.21 16:06:17\nGPS(36.6146,-6.1120,0.0M) BAROMETER:{h:.1f}M",
    "Phantom 4 RTK": "F/6.3, SS 60, ISO 100, EV 0, RTK (120.08, 30.21, 28), HOME (120.08, 30.21, 103.55m), "
    "D 75.36m, H {h:.2f}m, H.S 0.30m/s, V.S 0.00m/s, F.PRY (-5.3°, 2.1°, 28.3°)",
    "Mini 2": "F/2.8, SS 206.14, ISO 150, EV 0, DZOOM 1.000, GPS (-82.6, 27.7, 10), D 2.80m, H {h:.2f}m, "
    "H.S 0.00m/s, V.S -0.00m/s",
    "with detectors": "No:1, F/2.8, A.T (126,109), AERect(n/a), Af Rect(X:0, W:0, H:0), GPS (-2.5, 52.0, "
    "15), D 0.61m, H {h:.2f}m, H.S 0.00m/s, V.S 0.00m/s",
    "Inspire 1": "HOME(-1.2,51.1) 2016.3.5 10:11:12\nGPS:(-1.2,51.1,9) Hs:1.5 Hb:{h:.1f}",
    "Autel": "HOME(W: 95.69, N: 30.2) 2020-03-31 10:00:00\nGPS(W: 95.69, N: 30.2, {h:.2f}m)\nISO:100",
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("step", [1 / 30, 1.0])
def test_altitudes_are_those_printed(tmp_path, dialect, step):
    bodies = [DIALECTS[dialect].format(n=k + 1, h=h) for k, h in enumerate(HEIGHTS)]
    telemetry = read_telemetry(written(tmp_path, srt(bodies, step)))
    times = np.arange(6) * step
    assert np.abs(telemetry.altitudes(times) - HEIGHTS).max() < 0.006
    between = telemetry.altitudes([0.25 * step])
    assert between[0] == pytest.approx(12.325, abs=0.006)


@pytest.mark.parametrize("tick, fps", [(0.033, 29.97), (0.033, 30.0), (0.017, 59.94)])
def test_a_clock_of_whole_milliseconds_is_paced_by_the_frames(tmp_path, tick, fps):
    heights = 12 + 0.01 * np.arange(1800)
    bodies = [f"[rel_alt: {h:.3f} abs_alt: 100.000]" for h in heights]
    read = read_telemetry(written(tmp_path, srt(bodies, tick)))
    paced, times = read.paced(fps, len(bodies)), np.arange(len(bodies)) / fps
    assert np.abs(paced.altitudes(times) - heights).max() < 6e-4  # the digits printed
    assert "its blocks were counted" in paced.notes[-1] and paced.end_s == pytest.approx(1800 / fps, abs=0.1)
    assert read.paced(fps, 900) is read  # of another video
    exact = read_telemetry(written(tmp_path, srt(bodies, 1 / fps)))
    assert exact.paced(fps, len(bodies)) is exact


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.encode("utf-16"),
        lambda text: text.replace("\n\n", "\n"),
        lambda text: text.replace("\n\n", "\n \t\n"),
        lambda text: text.rstrip("\n"),
        lambda text: re.sub(r"(\d\d),(\d{3})", r"\1.\2", text),
        lambda text: text + "7\n00:00:00,000 --> 00:00:00,000\n[rel_alt: 0.000 abs_alt: 0.000]\n",
    ],
)
def test_what_editors_and_copies_do_to_a_file(tmp_path, change):
    text = srt([DIALECTS["no font"].format(h=h) for h in HEIGHTS], first=218)
    telemetry = read_telemetry(written(tmp_path, change(text)))
    assert telemetry.altitudes(np.arange(6) / 30) == pytest.approx(HEIGHTS, abs=0.006)


def test_a_file_cut_off_within_a_number(tmp_path):
    text = srt(["GPS(1,2,9) BAROMETER:20.1", "GPS(1,2,9) BAROMETER:20.3", "GPS(1,2,9) BAROMETER:20.5"], 1.0)
    whole = text.rstrip("\n")
    assert read_telemetry(written(tmp_path, whole)).altitudes([2.0]) == pytest.approx([20.5])
    for cut in (1, 2, 3):  # "20.", "20", "2"
        telemetry = read_telemetry(written(tmp_path, whole[:-cut]))
        assert telemetry.altitudes([1.0, 2.0]) == pytest.approx([20.3, 20.3])
        assert "1 of 3 blocks" in telemetry.notes[0]


def test_blocks_that_are_missing_or_empty(tmp_path):
    bodies = [f"[rel_alt: {10 + k / 10:.3f} abs_alt: 1.0]" for k in range(90)]
    bodies[20] = bodies[21] = ""
    blocks = srt(bodies).split("\n\n")
    telemetry = read_telemetry(written(tmp_path, "\n\n".join(blocks[:40] + blocks[50:])))
    times = np.arange(90) / 30
    assert telemetry.altitudes(times) == pytest.approx(10 + np.arange(90) / 10, abs=0.01)
    telemetry = read_telemetry(written(tmp_path, "\n\n".join(blocks[:40] + blocks[75:])))
    with pytest.raises(
        CourseError, match="no altitude between 0:01.3 and 0:02.5, .* the clip is 0:01 to 0:02"
    ):
        telemetry.altitudes(np.linspace(1, 2, 30))
    assert telemetry.altitudes([0.5]) == pytest.approx([11.5], abs=0.01)


def test_height_of_the_launch(tmp_path):
    text = srt([f"[rel_alt: {-2.4 + k / 100:.3f} abs_alt: 0.401]" for k in range(6)])
    telemetry = read_telemetry(written(tmp_path, text))
    with pytest.raises(
        CourseError,
        match=r"rel_alt is -2.400 m above the launch at 0:00: .*--launch-height M "
        r"\(abs_alt says some 3, by GPS",
    ):
        telemetry.altitudes([0.0])
    assert telemetry.altitudes([0.0], launch_height=14.0) == pytest.approx([11.6])
    with pytest.raises(CourseError, match="and 1 m with --launch-height: that is no altitude"):
        telemetry.altitudes([0.0], launch_height=1.0)
    assert telemetry.launch_by_gps() == pytest.approx(2.8, abs=0.1)


def test_extras(tmp_path):
    body = "[focal_len : 240] [dzoom_ratio: 20000, delta:0] [rel_alt: 9.0 abs_alt: 9.0] "
    body += "[gb_yaw: 1 gb_pitch: -88.5]"
    telemetry = read_telemetry(written(tmp_path, srt([body] * 5)))
    assert [telemetry.mean(name, [0, 0.1]) for name in ("focal_35mm", "zoom", "pitch")] == [24.0, 2.0, -88.5]
    telemetry = read_telemetry(written(tmp_path, srt(["[focal_len: 24.00] DZOOM 1.000 H 9.0m"] * 5)))
    assert [telemetry.mean(name, [0, 0.1]) for name in ("focal_35mm", "zoom", "pitch")] == [24.0, 1.0, None]


REFUSED = {
    "": "the file is empty.*Copy it from the drone's card",
    "hello": "neither subtitles nor a table",
    "<html><body>Sign in</body></html>": "a web page",
    "1\n00:00:00,000 --> 00:00:01,000\nHello there\n": "none of its 1 blocks holds.*'Hello there'",
    "1\n00:00:00,000 --> 00:00:01,000\n\n": "its blocks are empty",
    srt(["GPS(149.02,-20.25,16) ISO:100"] * 4, 1.0): "may be the number of satellites",
    srt(
        ["[latitude: 0.0] [longitude: 0.0] [altitude: 0.000000]"] * 4
    ): "altitude is 0 in each of its 4 blocks",
    srt(["[rel_alt: nan abs_alt: n/a]"] * 4): "none of its 4 blocks",
    srt(["[rel_alt: 9.0 abs_alt: 1]"] * 9)
    + srt(["[rel_alt: 50.0 abs_alt: 1]"] * 9): "two recordings in one file",
    "a,b\n1,2\n": "has no column of time that is known .its columns: a, b.",
    "time_s,height_m\n": "none of its 0 rows",
    "time_s,altitude_furlong\n0,1\n": "no column of altitude",
    "time_s,altitude(furlong)\n0,1\n": "unit of the column altitude.furlong. is not known",
    "datetime,altitude_m\n2026-05-02 10:11:12,9\n": "times are those of a clock. Say when the video begins",
}


@pytest.mark.parametrize("text", REFUSED)
def test_files_that_are_refused(tmp_path, text):
    with pytest.raises(CourseError, match=REFUSED[text]) as refused:
        read_telemetry(written(tmp_path, text))
    assert "\n" not in str(refused.value)


def test_paths_that_are_refused(tmp_path):
    for path, message in (
        (tmp_path, "is a folder"),
        (tmp_path / "none.SRT", "no such file"),
        (written(tmp_path, b"\0\0\0\x20ftypisom" + bytes(99), "a.mp4"), "a video"),
        (written(tmp_path, b"\x89PNG\r\n\x1a\n" + bytes(99)), "a picture"),
    ):
        with pytest.raises(CourseError, match=f"{message}.*expected the subtitles of a drone"):
            read_telemetry(path)


def test_altitudes_of_another_flight_or_none(tmp_path):
    telemetry = read_telemetry(written(tmp_path, srt(["[rel_alt: 9.0 abs_alt: 1]"] * 60)))
    with pytest.raises(CourseError, match="has altitudes for 0:00 to 0:02, but the clip is 0:12 to 0:16"):
        telemetry.altitudes([12.0, 16.0])
    telemetry = read_telemetry(written(tmp_path, srt(["H 9.0m"] * 5 + ["H 99.0m"] * 5, 1.0)))
    with pytest.raises(CourseError, match="jumps from 9.0 to 99.0 m at 0:04"):
        telemetry.altitudes([3.0, 6.0])
    assert telemetry.altitudes([1.0, 2.0]) == pytest.approx([9, 9])


TABLES = {
    "time_s,altitude_m\n0,10\n1,11\n2,12\n": [10.0, 10.5, 11.0],
    "0,10\n1,11\n2,12\n": [10.0, 10.5, 11.0],
    "Time (ms);Laser (cm)\n0;1000\n1000;1100\n2000;1200\n": [10.0, 10.5, 11.0],
    "t;laser\n0;10,0\n1,0;11,0\n2;12,0\n": [10.0, 10.5, 11.0],
    "time\trange\n0\t10\n0.3\t0\n0.4\t-1\n1\t11\n2\t12\n": [10.0, 10.5, 11.0],
    "time(millisecond),latitude,height_above_takeoff(feet),altitude_above_seaLevel(feet)\n"
    "0,1,100,900\n1000,1,110,910\n2000,1,120,920\n": [30.48, 32.004, 33.528],
    "# log\nelapsed,altitude\n0:00,10\n0:01,11\n0:02,12\n": [10.0, 10.5, 11.0],
}


@pytest.mark.parametrize("text", TABLES)
def test_tables(tmp_path, text):
    telemetry = read_telemetry(written(tmp_path, text, "log.csv"))
    assert telemetry.altitudes([0, 0.5, 1]) == pytest.approx(TABLES[text])
    assert telemetry.sd_m == (0.1 if re.search("(?i)laser|range", text) else 1.0)


@pytest.mark.parametrize(
    "times, start",
    [
        (["2026-05-02 10:11:12", "2026-05-02 10:11:13", "2026-05-02 10:11:14"], "2026-05-02 10:11:12"),
        (
            ["2026-05-02T10:11:12.0Z", "2026-05-02T10:11:13.0Z", "2026-05-02T10:11:14.0Z"],
            "2026-05-02T10:11:12",
        ),
        (
            ["2026/05/02 10:11:12,5", "2026/05/02 10:11:13,5", "2026/05/02 10:11:14,5"],
            "2026-05-02 10:11:12.5",
        ),
        (["10:11:12", "10:11:13", "10:11:14"], "10:11:12"),
        (["1777716672", "1777716673", "1777716674"], "1777716672"),
        (["40", "41", "42"], "40"),
    ],
)
def test_tables_with_a_clock_of_their_own(tmp_path, times, start):
    rows = "".join(f"{time};{10 + k}\n" for k, time in enumerate(times))
    path = written(tmp_path, "timestamp;altitude_m\n" + rows, "log.csv")
    assert read_telemetry(path, start).altitudes([0, 1.5]) == pytest.approx([10, 11.5])
    with pytest.raises(CourseError, match="--video-start is 'noon', expected a time as in"):
        read_telemetry(path, "noon")


def test_units_that_cannot_be(tmp_path):
    telemetry = read_telemetry(written(tmp_path, "time,altitude\n0,1050\n1,1051\n", "log.csv"))
    with pytest.raises(CourseError, match="is 1051 m at 0:01. If these are centimetres or feet"):
        telemetry.altitudes([0, 1])
    telemetry = read_telemetry(written(tmp_path, "time,laser\n0,10\n1,10\n", "log.csv"))
    with pytest.raises(CourseError, match="laser is the height above the water already"):
        telemetry.altitudes([0, 1], launch_height=2.0)
