"""A pack from a person's own video and its telemetry: `dolphins clip`."""

import math
import re
import shutil
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from course_lib import files, known_length
from course_lib.assets import AssetPack, find_pack
from course_lib.assets.clip_info import (
    CLIP_JSON,
    FIN_OUT,
    FIN_OUT_SD,
    FINEST_ALTITUDE_SD,
    ClipInfo,
    check_fin_out,
    check_fin_out_sd,
)
from course_lib.errors import CourseError, fold
from course_lib.footage import Frames, frame_size, look_at, to_frames
from course_lib.lens import DRONES, camera_of, check_distortion, undistort
from course_lib.progress import tqdm
from course_lib.surfacing import PARTS
from course_lib.telemetry import clock, read_telemetry
from course_lib.uncertainty import IN_95

from .assumptions import fin_told, give_or_take
from .follow import windows

MOST_FRAMES = 3000
QUALITY = 95  # of the frames, as JPEG
FEWEST = 3  # frames of a fit
QUARTER = 900  # seconds
HIGHEST_LAUNCH = 500  # metres: a cliff
CAMERA_SD = 0.02  # of an altitude: what an error of the focal length looks like


@dataclass(frozen=True)
class Wanted:
    """What `dolphins clip` was asked for, as its options say it."""

    video: Path
    telemetry: Path
    first: str
    last: str
    out: Path
    width: int = 640
    camera: dict = None  # arguments of `camera_of`
    launch_height: float | None = None
    video_start: str | None = None
    altitude_sd: float | None = None
    fin_out: float | None = None
    fin_out_sd: float | None = None
    surfaced: tuple = ()  # times in the video, such as "0:13.4" or "back:0:13.4"
    known_length: float | None = None
    at: tuple | None = None
    principal_point: str | None = None  # x,y, pixels of the video
    follow: Path | None = None  # a pack of the same seconds


def make_clip(wanted, say=print):
    """Makes a pack of some seconds of a video. -> AssetPack

    All or nothing: the pack is made beside its place and moved there when it is whole. A folder that is there
    is left alone. Raises CourseError, in one line, for whatever a person can mend.
    """
    out = Path(wanted.out)
    if out.exists() or out.is_symlink():
        raise CourseError(f"{out} is there already; nothing was changed. Name another folder with --out.")
    _check_finite(wanted)
    first, last = seconds_of(wanted.first, "--from"), seconds_of(wanted.last, "--to")
    fin, surfaced = _fin_out(wanted), _surfaced(wanted, first, last)
    video = look_at(wanted.video)
    size = frame_size(video, wanted.width)
    frames = Frames(video, first, last, wanted.width if wanted.follow is None else video.width)
    if not FEWEST <= len(frames) <= MOST_FRAMES:
        raise CourseError(f"""{clock(first)} to {clock(last)} are {len(frames)} frames, expected {FEWEST} to
            {MOST_FRAMES}: choose some seconds in which the whole animal is seen.""")
    telemetry = read_telemetry(wanted.telemetry, wanted.video_start)
    telemetry = telemetry.paced(video.fps, round(video.seconds * video.fps))
    _check_same_flight(video, telemetry, wanted)
    hoped = first + np.arange(len(frames)) / video.fps  # the frames' times, to a frame
    telemetry.altitudes(hoped, wanted.launch_height)  # what is wrong with it is said before the video is read
    lens = _lens(wanted, video, telemetry, hoped)
    correction, sd, known = _calibration(wanted, video, telemetry, lens)
    cut = None
    if wanted.follow is not None:
        cut = windows(wanted.follow, video, (first, last), len(frames), size)

    model = find_pack().model_dir
    source = _source(wanted, video, telemetry, lens, known, first, last)
    if cut is not None:
        source |= dict(follows=Path(wanted.follow).name, window=list(cut.size))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as staging:
            new = Path(staging, "new")
            shutil.copytree(model, new / "model")
            clip = new / "data" / _plain(out.name)
            times = _write_frames(frames, lens, cut, clip / "frames")
            altitudes = telemetry.altitudes(times, wanted.launch_height) + correction
            camera, centres = (_resized(lens, video, size), None) if cut is None else cut.camera(lens, video)
            rate, altitudes = _rate(times, video), altitudes.astype(np.float32)
            # Each is the frame that is nearest in time.
            out_at = tuple((part, int(np.abs(times - at).argmin())) for part, at in surfaced)
            info = ClipInfo(rate, altitudes, round(sd, 3), camera.undone(), source, *fin, centres, out_at)
            files.write(clip / "metadata" / CLIP_JSON, info.to_json())
            if cut is not None:
                cut.write_prompts(AssetPack(new).prompts_path)
            if out.exists():
                raise CourseError(f"{out} is there already; nothing was changed. Name another with --out.")
            files.put_in_place(new, out)
    except OSError as error:
        raise CourseError(f"""{out} could not be written ({error.strerror or error}); nothing was changed.
            Mend that (disk space? permissions?) or name another folder with --out.""") from None
    pack = AssetPack(out)
    for line in _summary(pack, info, size, video, telemetry, wanted, known, frames.damage):
        say(line)
    return pack


def seconds_of(text, option):
    """A time in a video as seconds: 12, 0:12, 1:02:03.5. Raises CourseError, naming the option."""
    match = re.fullmatch(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:[.,]\d+)?)s?", str(text).strip())
    if match is None:
        raise CourseError(
            f"{option} is {str(text)[:40]!r}, expected a time in the video, such as 0:12 or 12.5."
        )
    hours, minutes, seconds = match.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds.replace(",", "."))


def _fin_out(wanted):
    """How far the dorsal fin is out of the water, and how sure that is, metres."""
    fin = FIN_OUT if wanted.fin_out is None else check_fin_out(wanted.fin_out, "--fin-out")
    sd = FIN_OUT_SD if wanted.fin_out_sd is None else check_fin_out_sd(wanted.fin_out_sd, "--fin-out-sd")
    return fin, sd


def _surfaced(wanted, first, last):
    """When the animal breaks the surface: pairs of part and time, seconds of the video."""
    found = []
    for text in wanted.surfaced:
        part, _, time = text.partition(":") if text.split(":")[0] in PARTS else ("fin", "", text)
        at = seconds_of(time, "--surfaced")
        if not first <= at <= last:
            raise CourseError(f"""--surfaced {text} is not between {clock(first)} and {clock(last)}, where the
                clip begins and ends.""")
        found.append((part, at))
    return found


def _check_same_flight(video, telemetry, wanted):
    """Refuses telemetry that is longer than the video, so of another one."""
    if video.seconds is None or wanted.video_start is not None:
        return
    if telemetry.end_s > video.seconds + max(2.0, 0.02 * video.seconds):
        longer = f"lasts {clock(telemetry.end_s)}, and {video.path.name} {clock(video.seconds)}"
        if Path(telemetry.path).suffix.lower() == ".srt":
            raise CourseError(f"""{telemetry.path}: {longer}: it is of another recording, or the video was
                cut. Take the telemetry of this very video, and the video as the drone wrote it.""")
        raise CourseError(f"""{telemetry.path}: {longer}: a log of the whole flight. Say when the video begins
            by the log's clock: --video-start.""")


def _lens(wanted, video, telemetry, times):
    """The camera, checked against what the telemetry says of focal length and zoom."""
    options = dict(wanted.camera or {})
    equivalent, zoom = telemetry.mean("focal_35mm", times), telemetry.mean("zoom", times)
    hint = f" The video says that its camera is a {video.maker}." if video.maker else ""
    if equivalent:
        hint += f""" The telemetry's focal_len {equivalent:.4g} is a 35 mm equivalent: no length in
            millimetres, and too rough to measure with."""
    pitch = telemetry.mean("pitch", times)
    if options.get("tilt_deg") is None:
        options["tilt_deg"] = 0.0 if pitch is None else round(pitch + 90, 2)
    point = _principal_point(wanted.principal_point, video)
    lens = camera_of(hint=fold(hint), principal_point=point, **options)
    if abs(lens.tilt_deg) > 45:
        raise CourseError(f"""The camera leans {lens.tilt_deg:.0f} degrees from straight down; a fit needs a
            view from above, at most 45 (better 5). Take other seconds.""")
    if zoom and abs(zoom - 1) > 0.01 and lens.model and options.get("crop", 1.0) == 1.0:
        raise CourseError(f"""The telemetry says that the picture was zoomed {zoom:.2f} times, and the table's
            {lens.model} is without zoom. Add --crop {zoom:.2f}, or measure: --known-length.""")
    if equivalent and lens.model and abs(equivalent / DRONES[lens.model][2] - 1) > 0.15:
        raise CourseError(f"""The telemetry says focal_len {equivalent:.4g}, as of 35 mm film, and the
            {lens.model} has {DRONES[lens.model][2]}: this is another drone or another of its cameras. Name
            that with --camera, or give numbers.""")
    check_distortion(lens, (video.width, video.height))
    return lens


def _calibration(wanted, video, telemetry, lens):
    """What a thing of known length says. -> correction of the altitude, its sd (metres), what was measured
    or None"""
    if (wanted.known_length is None) != (wanted.at is None):
        raise CourseError("""--known-length METRES and --at FRAME x0,y0,x1,y1 belong together: one is not
            given.""")
    if wanted.altitude_sd is not None and not FINEST_ALTITUDE_SD <= wanted.altitude_sd <= 100:
        raise CourseError(f"""--altitude-sd is {wanted.altitude_sd:g}, expected {FINEST_ALTITUDE_SD:g} to 100
            metres: nobody knows an altitude exactly.""")
    sd = telemetry.sd_m if wanted.altitude_sd is None else wanted.altitude_sd
    if wanted.at is None:
        return 0.0, sd, None
    frame, ends = wanted.at
    is_time = ":" in frame or "." in frame or frame.endswith("s")
    at = seconds_of(frame, "--at") / (1 if is_time else video.fps)
    if video.seconds is not None and at > video.seconds:
        raise CourseError(f"""--at: {frame} is {"at" if is_time else "the frame at"} {clock(at)}, and
            {video.path.name} lasts {clock(video.seconds)}.""")
    if (ends := _numbers(asked := ends, 4)) is None:
        raise CourseError(f"--at: {asked[:40]!r} are no points, expected x0,y0,x1,y1 without spaces.")
    altitude, click_sd = known_length.altitude_of(
        wanted.known_length, ends, lens, (video.width, video.height)
    )
    read = float(telemetry.altitudes([at], wanted.launch_height)[0])
    if not 0.5 < altitude / read < 2:
        raise CourseError(f"""--known-length: {wanted.known_length:g} m at {ends} would mean an altitude of
            {altitude:.1f} m, and the telemetry says {read:.1f} m at {clock(at)}. Is the length in metres, are
            the points its ends, in pixels of the video as it was recorded?""")
    drift = known_length.DRIFT_SD[telemetry.by] if wanted.altitude_sd is None else wanted.altitude_sd
    known = dict(length_m=wanted.known_length, at_s=round(at, 3), ends=ends, altitude_m=round(altitude, 3))
    known |= dict(bias_m=round(read - altitude, 3), click_sd_m=round(click_sd, 3))
    return altitude - read, math.hypot(click_sd, drift), known


def _principal_point(text, video):
    """--principal-point as a pixel (x, y) of the video; None where it is not given."""
    if text is None:
        return None
    if (point := _numbers(text, 2)) is None:
        raise CourseError(f"""--principal-point is {text[:40]!r}, expected x,y in pixels of the video, such as
            {(video.width - 1) / 2:g},{(video.height - 1) / 2:g}.""")
    if not all(0.25 * side < x < 0.75 * side for x, side in zip(point, (video.width, video.height))):
        raise CourseError(f"""--principal-point is {text}, far from the middle of {video.width} x
            {video.height}. It counts in pixels of the video as it was recorded.""")
    return tuple(point)


def _numbers(text, n):
    """n numbers with commas between them; None where these are none."""
    try:
        numbers = [float(number) for number in text.split(",")]
    except ValueError:
        return None
    return numbers if len(numbers) == n and all(map(math.isfinite, numbers)) else None


def _check_finite(wanted):
    """Refuses options that are no numbers, such as nan, which no comparison finds."""
    numbers = dict(wanted.camera or {}) | dict(launch_height=wanted.launch_height)
    for name, value in numbers.items():
        if isinstance(value, float) and not math.isfinite(value):
            option = name.removesuffix("_deg").replace("_", "-")
            raise CourseError(f"--{option} is {value:g}, expected a number.")
    height = wanted.launch_height
    if height is not None and abs(height) > HIGHEST_LAUNCH:
        raise CourseError(f"""--launch-height is {height:g}, expected how many metres the place of launch was
            above the sea, at most {HIGHEST_LAUNCH}.""")


def _resized(lens, video, size):
    """The camera of frames of a size, the principal point written out."""
    centre = to_frames(lens.centre((video.width, video.height)), video, size)
    return replace(lens, principal_point=tuple(np.round(centre, 3).tolist()))


def _write_frames(frames, lens, cut, folder):
    """Writes the frames without distortion, numbered from 0. -> their times (T,), seconds of the video

    lens: of the video; cut: the `Windows` that are taken of its frames, None for all of them.
    """
    folder.mkdir(parents=True)
    small = _resized(lens, frames.video, frames.size_wh)
    for t, image in enumerate(tqdm(frames, desc="clip", total=len(frames))):
        image = undistort(image, small) if cut is None else cut.cut(t, image, lens)
        Image.fromarray(image).save(folder / f"{t:06d}.jpg", quality=QUALITY, subsampling=0)
    return frames.times


def _rate(times, video):
    """Frames a second: the header's, where the frames bear it out."""
    measured = (len(times) - 1) / (times[-1] - times[0])
    return video.fps if abs(measured / video.fps - 1) < 2e-3 else round(float(measured), 4)


def _source(wanted, video, telemetry, lens, known, first, last):
    """Where a clip comes from, for clip.json."""
    return {
        "video": video.path.name,
        "from_s": first,
        "to_s": last,
        "video_size": [video.width, video.height],
        "codec": f"{video.codec} {video.pixels}",
        "telemetry": Path(telemetry.path).name,
        "altitude_field": telemetry.what,
        "altitude_by": telemetry.by,
        "altitude_above": telemetry.above,
        "launch_height_m": wanted.launch_height,
        "lens": {key: value for key, value in asdict(lens).items() if key in ("k1", "k2", "model")},
        "known_length": known,
    }


def _plain(name):
    """A name for a folder of data/ on every system."""
    return re.sub(r"[^\w.-]", "_", name).strip("._ ") or "clip"


def _summary(pack, info, size, video, telemetry, wanted, known, damage):
    """What was made, what is assumed, and what comes next, in lines."""
    (width, height), h = size, info.altitude_m
    percent = 100 * info.altitude_sd_m / float(np.median(h))
    yield f"{pack.root}: {len(h)} frames of {width} x {height}, {info.fps:g} a second."
    sure = f"{give_or_take(info.altitude_sd_m)}, which is ± {IN_95 * percent:.1f} % of every length"
    yield f"  altitude  {h.min():.2f} to {h.max():.2f} m above the sea, by {telemetry.what}; {sure}"
    if known:
        what = f"by the thing of {known['length_m']:g} m at {clock(known['at_s'])}"
        yield f"  corrected {-known['bias_m']:+.2f} m, {what}"
    wide = 2 * info.lens.half_width * float(np.median(h))
    numbers = f"{info.lens.focal_mm:g} mm, sensor {info.lens.sensor_width_mm:.4g} mm wide"
    model, whose = info.lens.model or numbers, "the picture"
    if info.centres is not None:
        whose = "a window of {} x {} pixels around the animal".format(*info.source["window"])
    yield f"  camera    {model}: {whose} shows {wide:.1f} m of the sea, {100 * wide / width:.1f} cm a pixel"
    yield f"  depth     {fin_told(info)}{' (--fin-out)' if wanted.fin_out is None else ''}"
    if damage:
        yield f"  note: {damage}"
    for note in (*video.notes, *telemetry.notes, *_doubts(video, telemetry, wanted, known)):
        yield f"  note: {note}"
    if info.centres is not None:
        yield f"Next: dolphins segment --pack {pack.root}, from the points of {wanted.follow}"
    else:
        yield f"Next: dolphins prompts {pack.root}, then: dolphins segment --pack {pack.root}"


def _doubts(video, telemetry, wanted, known):
    """What may be wrong and cannot be told."""
    mine, theirs = video.path.stem.lower(), Path(telemetry.path).stem.lower()
    if telemetry.path.suffix.lower() == ".srt" and mine != theirs:
        names = f"the telemetry is called {telemetry.path.name}, the video {video.path.name}"
        yield f"{names}: are they of one flight?"
    if not _times_meet(video, telemetry):
        when = f"the telemetry was written at {telemetry.written} by its clock, the video at {video.created}"
        yield f"{when} (UTC): are they of one flight?"
    if known and (telemetry.above != "launch" or wanted.launch_height is not None):
        altitude, by = known["altitude_m"], telemetry.by
        sd = math.hypot(telemetry.sd_m, known["click_sd_m"], CAMERA_SD * altitude)
        if abs(known["bias_m"]) > IN_95 * sd:
            yield fold(f"""the correction of {-known["bias_m"]:+.2f} m is more than a {by} is off: check the
                thing's length and ends and --launch-height, and that the video is as the drone wrote it,
                neither cropped nor zoomed""")
    if telemetry.above == "launch" and wanted.launch_height is None:
        launch = telemetry.launch_by_gps()
        gps = (
            f" By GPS (abs_alt), off by several metres, it was at {launch:.0f} m."
            if launch is not None
            else ""
        )
        yield fold(f"""the drone was taken to have started at the height of the sea. If it did not, as from a
            deck or a cliff, say with --launch-height how many metres higher.{gps}""")
    if video.seconds and telemetry.end_s < video.seconds - max(2.0, 2 * telemetry.step):
        yield f"the telemetry ends at {clock(telemetry.end_s)}, the video at {clock(video.seconds)}"


def _times_meet(video, telemetry):
    """Whether video and telemetry can be of one flight by their clocks, whose zones differ by quarters of an
    hour."""
    if video.created is None or telemetry.written is None:
        return True
    off = (telemetry.written - video.created).total_seconds()
    rest = abs((off + QUARTER / 2) % QUARTER - QUARTER / 2)
    return abs(off) < 15 * 3600 and rest < 60 + (video.seconds or 0)
