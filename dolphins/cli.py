"""Every command of `dolphins`: what the Makefile's targets, the README and the notebooks call."""

import sys
from enum import Enum
from pathlib import Path
from typing import Optional

import typer
from typer import Argument, Option

from course_lib.errors import CourseError, fold

ABOUT = "Dolphins in 3D: reconstruct a swimming dolphin from drone video."
app = typer.Typer(help=ABOUT, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
assets_app = typer.Typer(help="Asset packs: the dolphin template and the clip.", no_args_is_help=True)
app.add_typer(assets_app, name="assets")

# Options of more than one command, and help that is longer than a line.
PackOption = Option(None, "--pack", help="Folder of an asset pack; the embedded dolphin if not given.")
ClipOption = Option(None, "--clip", help="Folder in the pack's data/, where there are several.")
METHOD = "auto: SAM-2 where it is installed and there is CUDA, else the tracker."
ZIP = "The tutorial's stag_dolphins_assets.zip, or a zip of the same layout."
CHECK = "Write nothing; fail where a notebook is not as its lesson makes it."
FOR_YOU = "For you: an nbgrader course folder, gets source/, release/ and settings."
SOURCE = "What was downloaded: a zip, a folder (also of zips), or one notebook."
SYSTEM = fold("""How the files are named: as a learning system does (blackboard: nbgrader zip_collect's too;
        github, google: their Classrooms), or in a folder named after students; auto: by how they look.""")
ROSTER = fold("""The class as csv: nbgrader's, Canvas's gradebook or group set, Moodle's participants or
        grading worksheet, GitHub Classroom's. Needed the first time; kept in grading/roster.json.""")
ASSIGN = fold("""FILE=ID: a file as it is listed, and whose it is. May be given often, also for several
        students of one file. Kept.""")
COURSE = "The course's folder; submitted/ in it is filled. This one if not given."
ASSIGNMENT = fold("""The lesson that was handed in, as 2 or 02_template_model; without it each notebook goes
        to the lesson that it shows.""")
DEADLINE = fold("""As 2026-11-20T23:59+01:00; what came later counts only where nothing was on time. Kept for
        the lesson.""")
WORKERS = "Processes on this machine, 1 GB each and what a submission takes; one per core if not given."
TELEMETRY = "The drone's subtitles (.SRT), or a table of time and altitude (.csv)."
CROP = "How many times wider than the video's picture the sensor is, in modes that show a part of it."
TILT = "How far the camera leans from straight down, degrees; else as the telemetry says, or 0."
FOLLOW = fold("""A pack of the same seconds with masks: the frames are then windows of the video around the
        animal, at its full resolution.""")
POINT = "Pixel of the video that the lens's axis meets; its middle if not given."
AT = fold("""Where that thing is: a frame of the video, by its number or time, and the pixels of the two ends,
        of the video as it was recorded.""")
FIN_OUT = fold("""How far the tip of the dorsal fin is out of the water on average, metres; negative where it
        is under water. From it follows how deep the animal swims.""")
FIN_OUT_SD = "Standard deviation of that, metres."
SURFACED = fold("""{} in which the tip of the dorsal fin just breaks the surface, or, as back:{}, in which the
        back does. It says how deep the animal is. May be given often.""")
SEED = "Of the hidden cases; drawn once and kept in grading/run.json if not given."


def _choice(name, *values):
    return Enum(name, {value: value for value in values}, type=str)


# What --recipe, --method, --from and --sandbox take.
RecipeName = _choice("RecipeName", "default", "tutorial")
MethodName = _choice("MethodName", "auto", "sam2", "tracker")
SYSTEMS = "auto canvas moodle blackboard brightspace nbgrader sakai gradescope github google folder".split()
Export = _choice("Export", *SYSTEMS)
Confinement = _choice("Confinement", "bwrap", "none")


@app.command()
def demo(
    pack: Optional[Path] = PackOption,
    clip: Optional[str] = ClipOption,
    frames: Optional[int] = Option(None, min=3, help="Use only the first N frames of the clip."),
    epochs: int = Option(50, min=1, help="How often to go through the clip."),
    batch_size: int = Option(7, min=1, help="Frames per gradient step."),
    device: str = Option("auto", help="auto, cpu or cuda."),
    recipe: RecipeName = Option("default", help="tutorial: the tutorial's losses and rates, unchanged."),
    seed: int = Option(123456789, help="Same machine, same seed: same result (on a GPU, nearly)."),
    out: Path = Option(Path("out/demo"), help="Folder for the results."),
    resume: bool = Option(False, "--resume", help="Go on where an interrupted run in --out stopped."),
    fin_out: Optional[float] = Option(None, help=f"{FIN_OUT} As the clip says, if not given."),
    fin_out_sd: Optional[float] = Option(None, help=FIN_OUT_SD),
    surfaced: list[str] = Option([], help=SURFACED.format("Number of a frame", 12), metavar="FRAME"),
):
    """Reconstruct the dolphin of a clip in 3D: video, report, parameters and figures under --out."""
    from .demo import run_demo

    how = dict(clip=clip, fin_out=fin_out, fin_out_sd=fin_out_sd, surfaced=surfaced)
    run_demo(pack, frames, epochs, batch_size, device, recipe.value, seed, out, resume, **how)


@app.command()
def measure(
    packs: list[Path] = Argument(..., metavar="PACK...", help="Folders of packs; of each, all its clips."),
    frames: Optional[int] = Option(None, min=3, help="Use only the first N frames of each clip."),
    epochs: int = Option(50, min=1, help="How often to go through a clip."),
    batch_size: int = Option(7, min=1, help="Frames per gradient step."),
    device: str = Option("auto", help="auto, cpu or cuda."),
    seed: int = Option(123456789, help="Same machine, same seed: same result (on a GPU, nearly)."),
    out: Path = Option(Path("out/measured"), help="Folder for the tables and for what each fit writes."),
):
    """Measure the dolphins of many clips: a table with intervals. Interrupted, the same command goes on."""
    from .measure import measure_all, summary

    given = dict(frames=frames, epochs=epochs, batch_size=batch_size, device=device, seed=seed)
    rows = measure_all(packs, out, given | {"recipe": "default"}, say=typer.echo)
    typer.echo(summary(rows, out))
    if not any("length_m" in row for row in rows):
        raise typer.Exit(1)


@app.command()
def clip(
    video: Path = Argument(..., help="The video, as the drone wrote it."),
    telemetry: Path = Option(..., help=TELEMETRY),
    first: str = Option(..., "--from", help="Where the clip begins in the video, such as 0:12."),
    last: str = Option(..., "--to", help="Where it ends, such as 0:16."),
    out: Path = Option(..., help="Folder for the pack; an existing one is not overwritten."),
    width: int = Option(640, help="Of the frames, pixels."),
    camera: Optional[str] = Option(None, help='The drone, such as "DJI Mavic 3"; or give the numbers below.'),
    focal_mm: Optional[float] = Option(None, help="Focal length, no 35 mm equivalent."),
    sensor_width_mm: Optional[float] = Option(None, help="Of the part of the sensor that the video shows."),
    fov: Optional[float] = Option(None, help="Instead of these: horizontal field of view, degrees."),
    crop: float = Option(1.0, help=CROP),
    k1: float = Option(0.0, help="Radial distortion of the lens, as OpenCV gives it; it is undone."),
    k2: float = Option(0.0, help="Its second coefficient."),
    principal_point: Optional[str] = Option(None, help=POINT, metavar="X,Y"),
    tilt: Optional[float] = Option(None, help=TILT),
    launch_height: Optional[float] = Option(None, help="Of the place of launch above the sea, metres."),
    video_start: Optional[str] = Option(None, help="When the video begins by the clock of a table."),
    altitude_sd: Optional[float] = Option(None, help="Standard deviation of the altitude, metres."),
    fin_out: Optional[float] = Option(None, help=f"{FIN_OUT} 0.05 if not given: it cuts the surface."),
    fin_out_sd: Optional[float] = Option(None, help=FIN_OUT_SD),
    surfaced: list[str] = Option([], help=SURFACED.format("Time in the video", "0:13.4"), metavar="TIME"),
    known_length: Optional[float] = Option(None, help="Of a thing that floats in the video, metres."),
    at: Optional[tuple[str, str]] = Option(None, help=AT, metavar="FRAME X0,Y0,X1,Y1"),
    follow: Optional[Path] = Option(None, help=FOLLOW, metavar="PACK"),
):
    """Make a pack from some seconds of your own video and the drone's telemetry."""
    from .clip import Wanted, make_clip

    lens = dict(name=camera, focal_mm=focal_mm, sensor_width_mm=sensor_width_mm, fov_deg=fov, crop=crop)
    lens |= dict(k1=k1, k2=k2, tilt_deg=tilt)
    more = dict(launch_height=launch_height, video_start=video_start, altitude_sd=altitude_sd)
    more |= dict(fin_out=fin_out, fin_out_sd=fin_out_sd, surfaced=surfaced)
    more |= dict(known_length=known_length, at=at)
    more |= dict(principal_point=principal_point, follow=follow)
    make_clip(Wanted(video, telemetry, first, last, out, width, lens, **more))


@app.command()
def prompts(
    pack: Path = Argument(..., help="Folder of the pack that `dolphins clip` made."),
    clip: Optional[str] = ClipOption,
    taken: Optional[Path] = Option(None, "--take", help="The prompts.json that the page saved."),
    show: bool = Option(True, "--open/--no-open", help="Open the page in a browser."),
    force: bool = Option(False, "--force", help="Replace points that are there."),
):
    """Make a page on which you click the points to segment a clip from, or take what it saved."""
    from course_lib.prompts import save

    from .prompts import make_page

    if taken is None:
        make_page(pack, clip, show)
    else:
        save(pack, taken, clip, force)


@app.command()
def segment(
    pack: Optional[Path] = PackOption,
    clip: Optional[str] = ClipOption,
    method: MethodName = Option("auto", help=METHOD),
    out: Optional[Path] = Option(None, help="Folder for the masks; the clip's segmentation/ if not given."),
    device: str = Option("auto", help="auto, cpu or cuda; for SAM-2."),
    checkpoint: Optional[str] = Option(
        None, help="SAM-2's weights: a name on the Hugging Face hub, or a file."
    ),
    force: bool = Option(False, "--force", help="Replace masks, or an interrupted run, that are there."),
    resume: bool = Option(False, "--resume", help="Go on where an interrupted run stopped."),
    once: bool = Option(False, "--once", help="Leave out the tracker's second round, a short fit."),
):
    """Make a mask of the dolphin for each frame of a clip, from the points in its metadata/prompts.json.

    The tracker's masks have a second round: an animal is fitted to them, and its outline looked for again.
    Each round takes about a tenth of a second a frame.
    Says how far the masks can be trusted, and draws the least sure ones beside their folder: look at these.
    """
    from course_lib.assets import find_pack
    from course_lib.segmentation import segment_clip

    from .second_round import improve

    found = find_pack(pack, clip)
    how = dict(method=method.value, device=device, checkpoint=checkpoint, again=None if once else improve)
    segment_clip(found, out=out, force=force, resume=resume, **how)
    if pack is not None and out is None:
        which = f"--pack {found.root}" + (f" --clip {clip}" if clip else "")
        print(f"Next: dolphins doctor {which}, then: dolphins demo {which} --out out/{found.clip_name}")


@app.command()
def doctor(pack: Optional[Path] = PackOption, clip: Optional[str] = ClipOption):
    """Say what this machine has, what is assumed about the clip of a pack, and what follows from it."""
    from .doctor import diagnose

    findings = diagnose(pack, clip)
    for finding in findings:
        print(f"{finding.state:4} {finding.subject:8} {finding.found}\n              {finding.meaning}")
    bad = [finding.subject for finding in findings if not finding.ok]
    costly = [finding.subject for finding in findings if finding.state == "note"]
    well = f"`dolphins demo` will run here. What costs much: {', '.join(costly)}; see there."
    well = well if costly else "All is well: `dolphins demo` will run here."
    print(f"\nMend first: {', '.join(bad)}." if bad else f"\n{well}")
    raise typer.Exit(1 if bad else 0)


@assets_app.command("import")
def assets_import(
    zip_file: Path = Argument(..., help=ZIP),
    to: Optional[Path] = Option(None, "--to", help="Folder for the pack; packs/NAME_OF_ZIP if not given."),
    force: bool = Option(False, "--force", help="Replace a pack that is already there."),
):
    """Check a zip of model and clip, and unpack it for --pack."""
    from course_lib.assets import describe, import_zip

    destination = to or Path("packs") / zip_file.stem
    pack, notes = import_zip(zip_file, destination, force=force)
    print(describe(pack))
    for note in notes:
        print(f"note: {note}")
    print(f"\nUse it with: --pack {destination}")


@assets_app.command("verify")
def assets_verify(
    pack: Optional[Path] = Argument(None, help="Folder of the pack; the embedded one if not given."),
):
    """Check every file of a pack; one line per fault."""
    from course_lib.assets import describe, find_pack, verify_pack

    found = find_pack(pack)
    faults = verify_pack(found.root)
    for fault in faults:
        print(fault)
    if faults:
        raise CourseError(f"{found.root}: {len(faults)} fault(s), listed above.")
    print(f"{describe(found)}\nEvery file is as it should be.")


@app.command()
def notebooks(check: bool = Option(False, "--check", help=CHECK)):
    """Make the notebooks of students and the solved ones from lessons/."""
    from lessons import build

    if check:
        if different := build.differing(build.build_all()):
            names = "\n  ".join(str(path.relative_to(build.ROOT)) for path in different)
            what = "These notebooks are not as their lessons make them; run `dolphins notebooks`"
            raise CourseError(f"{what}:\n  {names}")
        print("Every notebook is as its lesson makes it.")
        return
    changed = build.write_all()
    for path in changed:
        print(path.relative_to(build.ROOT))
    print(f"{len(changed)} notebooks changed." if changed else "Nothing to change.")


@app.command()
def release(
    lessons: str = Option(..., help="Which lessons, such as 2, 1-3 or 4-6."),
    out: Optional[Path] = Option(None, help="For students: a folder, or dolphins-in-3d....zip."),
    course: Optional[Path] = Option(None, help=FOR_YOU),
    force: bool = Option(False, "--force", help="Replace notebooks of --course that differ."),
):
    """Make what students get of some lessons: notebooks and what they need, without their exercises'
    solutions."""
    from autograder import release as releases

    if out is None and course is None:
        raise CourseError("""Say where to: --out for students (a folder or a zip), --course for your own
            nbgrader folder, or both.""")
    chosen = releases.numbers(lessons)
    if out is not None:
        count, size, checksum = releases.release(chosen, out)
        files = f"{count} files, {size / 1e6:.1f} MB, SHA-256 of its files {checksum}"
        print(f"{out}: {releases.title(chosen)}, {files}.")
    if course is not None:
        for path in releases.write_course(chosen, course, force=force):
            print(path)
        print(f"{course}: nbgrader's source/ and release/ of {releases.title(chosen)} are there.")


@app.command()
def collect(
    source: Path = Argument(..., help=SOURCE),
    kind: Export = Option("auto", "--from", help=SYSTEM, case_sensitive=False),
    roster: Optional[Path] = Option(None, help=ROSTER),
    course: Path = Option(Path("."), help=COURSE),
    assignment: Optional[str] = Option(None, help=ASSIGNMENT),
    deadline: Optional[str] = Option(None, help=DEADLINE),
    assign: list[str] = Option([], help=ASSIGN),
):
    """Take in what students handed in: every notebook to its student and lesson, or into a list with the
    reason why not.

    Ends with 1 if there was no notebook that could be placed, else with 0, also where some could not.
    """
    from autograder.collect import collect as take_in

    how = dict(roster=roster, assignment=assignment, deadline=deadline, assign=assign)
    result = take_in(source, kind.value, course, **how)
    print(result.text())
    if not (result.placed or result.unchanged):
        raise typer.Exit(1)
    print(f"\nNext: dolphins grade {course}")


@app.command()
def grade(
    course: Path = Argument(..., help="The course's folder, the one that holds submitted/."),
    assignment: Optional[str] = Option(None, help="Only this lesson, as 2 or 02_template_model."),
    workers: Optional[int] = Option(None, min=1, help=WORKERS),
    scheduler: Optional[str] = Option(None, help="Instead of them: a Dask scheduler, as tls://HOST:8786."),
    sandbox: Confinement = Option("bwrap", help="none: students' code runs as you, with all your rights."),
    seed: Optional[int] = Option(None, min=1, help=SEED),
    force: bool = Option(False, "--force", help="Grade again what is graded already."),
):
    """Grade what was handed in, each submission confined, in parallel; goes on where it was stopped.

    Afterwards formgrader shows the grades, and `dolphins report` makes pages of them.
    """
    from autograder.grade import grade as grade_course

    if workers is not None and scheduler is not None:
        raise CourseError("""--workers are processes of this machine, --scheduler has workers of its own: give
            one of them.""")
    how = dict(workers=workers, scheduler=scheduler, sandbox=sandbox.value, seed=seed, force=force)
    summary = grade_course(course, assignment, **how)
    print(f"{summary.text()}\n{course / 'gradebook.db'} is up to date. Next: dolphins report {course}")


@app.command()
def cluster(file: Path = Argument(..., help="The file to write, for the environment variable DASK_CONFIG.")):
    """Write the keys and settings of a Dask cluster of your own, for `dolphins grade --scheduler`."""
    from autograder.cluster import write_settings

    write_settings(file)
    print(f"{file}: for the scheduler, each worker and `dolphins grade`, as DASK_CONFIG={file.resolve()}")
    print("Show it to nobody: with it one can run programs as you, where they run.")


@app.command()
def report(course: Path = Argument(..., help="The course's folder, graded.")):
    """Make feedback pages, the page of the class, and tables of grades for nbgrader, Canvas and Moodle."""
    from autograder.class_report import write_report

    page = write_report(course)
    tables = ", ".join(path.name for path in sorted(page.parent.glob("*.csv")))
    print(f"The class:  {page}\nTables:     {tables} beside it")
    print(f"Feedback:   {course / 'feedback'}/STUDENT/LESSON/LESSON.html")
    for path in sorted(page.parent.glob("feedback-moodle-*.zip")):
        print(f"For Moodle: {path}")


def main():
    """Runs the command line: a person's mistake ends in one message and exit code 1, without a traceback."""
    try:
        sys.exit(app(standalone_mode=False))  # a typer.Exit's code, or an interruption's; None is success
    except CourseError as error:
        print(f"\n{error}", file=sys.stderr)
        sys.exit(1)
    except Exception as error:
        # Usage errors come from the click that typer carries, or from click itself, by version.
        if hasattr(error, "show") and hasattr(error, "exit_code"):
            error.show()
            sys.exit(error.exit_code)
        raise
