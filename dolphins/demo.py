"""The whole method, from a clip to a report: `dolphins demo`.

A run lives in its folder: settings.json says what it is, checkpoint.pth how far it got, and the results are
there when it is finished. Every file is written under another name and renamed, so an interruption leaves
whole files only.
"""

import contextlib
import hashlib
import io
import json
import os
import platform
import time
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch

from course_lib import metrics, show
from course_lib.assets import find_pack
from course_lib.assets.clip_info import CLIP_JSON, check_fin_out, check_fin_out_sd
from course_lib.dolphin_model import DolphinModel
from course_lib.dolphin_model.shape_modes import far_from_template
from course_lib.doubts import listed
from course_lib.errors import CourseError
from course_lib.files import write
from course_lib.kal import dibr
from course_lib.machine import choose_device, peak_rss_mb
from course_lib.progress import tqdm
from course_lib.rotations import rotmat_to_rotvec
from course_lib.scene import DolphinScene, load_tensors, save_atomically
from course_lib.surfacing import check_frames, surfaced_of
from course_lib.video import SegmentedVideo
from course_lib.window import TUTORIAL_BAND, WindowLoader
from solutions.fitting import fit
from solutions.recipes import RECIPES
from solutions.rendering import render_in_waves
from solutions.results import body_length, body_mass, compose_frame, mesh_volume
from solutions.rotations import batch_rodrigues, continuous_rotvecs

from . import sizes
from .assumptions import camera_told, give_or_take
from .fit_report import FitReport, build_report, told
from .guard import Guard
from .judgement import doubts, verdict

SETTINGS, CHECKPOINT, METRICS = "settings.json", "checkpoint.pth", "metrics.json"
RESULTS = ("dolphin_fit.mp4", "report.html", "dolphin_fit.pth", METRICS)
LABELS = ("original", "mask", "render on original", "soft mask")
DEPTH = ("fin_out", "fin_out_sd", "surfaced")


class Interrupted(CourseError):
    """Somebody stopped the run; what it reached is kept."""


@dataclass(frozen=True)
class Settings:
    """What a run is: two runs with the same settings on the same machine give the same result.

    To the last bit on a CPU. On a GPU the tutorial's recipe agrees to a few digits: the gradient of its
    texture is summed in the order in which its parts are ready. Of a step of the default recipe no sum is, by
    what torch documents of its operations; no GPU has tried it.
    """

    pack: str
    frames: int
    epochs: int
    batch_size: int
    device: str
    recipe: str
    seed: int
    fin_out: float | None = None  # metres, as the command line says; None: as the clip does
    fin_out_sd: float | None = None
    surfaced: str | None = None  # such as "fin:12 back:40"
    given: str | None = None  # a checksum of the masks, and of what is said of the camera


def run_demo(
    pack,
    frames,
    epochs,
    batch_size,
    device,
    recipe,
    seed,
    out,
    resume,
    clip=None,
    fin_out=None,
    fin_out_sd=None,
    surfaced=(),
):
    """Fits the clip of a pack, and writes video, report, parameters and figures into the folder `out`.

    clip: which of the pack's, where there are several; fin_out, fin_out_sd: how far the dorsal fin's tip is
    out of the water, metres, where it is not as the clip says; surfaced: frames in which it breaks the
    surface, such as "12" or "back:40", instead of the clip's. Raises CourseError for whatever a person can
    mend. With `resume`, goes on from the last finished pass of an interrupted run, and only shows the results
    of a finished one."""
    started = time.perf_counter()
    depth = {}
    if fin_out is not None:
        depth["fin_out_m"] = check_fin_out(fin_out, "--fin-out")
    if fin_out_sd is not None:
        depth["fin_out_sd_m"] = check_fin_out_sd(fin_out_sd, "--fin-out-sd")
    frames_out = tuple(surfaced_of(text) for text in surfaced)
    device = choose_device(device)
    found = find_pack(pack, clip)
    dataset = SegmentedVideo(found, frames=frames)
    if len(dataset) < 3:
        raise CourseError(f"""{found.clip_dir} has {len(dataset)} frames; a fit needs 3 or more, to tell how
            things move.""")
    if lost := listed(np.nonzero(dataset.confidence.numpy() == 0)[0]):
        print(f"Left out of the fit, as the animal was lost there when the masks were made: frames {lost}.")
    if frames_out:
        depth["surfaced"] = check_frames(frames_out, len(dataset))
    dataset.known = replace(dataset.known, **depth)
    where = str(found.root if clip is None else found.clip_dir)
    said = " ".join(f"{part}:{frame}" for part, frame in frames_out) or None
    how = epochs, batch_size, str(device), recipe, seed, fin_out, fin_out_sd, said, given(found, dataset)
    settings = Settings(where, len(dataset), *how)
    if open_folder(out, settings, resume) == "finished":
        print(f"{out} holds this run already, finished:\n")
        print_results(out, json.loads((out / METRICS).read_text()))
        return
    try:
        run(found, dataset, settings, out, started)
    except KeyboardInterrupt:
        said = "Interrupted. What was reached is kept: go on with the same command and --resume."
        raise Interrupted(said) from None


def run(found, dataset, settings, out, started):
    """The run itself, from the start or from its checkpoint, in a folder that is ready for it."""
    device = torch.device(settings.device)
    torch.manual_seed(settings.seed)
    model = DolphinModel(found, device, rodrigues=batch_rodrigues)
    scene = DolphinScene(model, len(dataset), init_rot_up=found.init_rot_up_deg)
    recipe = RECIPES[settings.recipe](scene, dataset, settings.batch_size, settings.epochs, settings.seed)
    history, seconds_fit = fit_with_checkpoints(scene, recipe, settings.epochs, out)
    began = time.perf_counter()
    recipe.finish()
    seconds_fit += time.perf_counter() - began

    scene.save(out / "dolphin_fit.pth")
    fitted = Fitted.of(scene)
    truth = None if found.truth_path is None else metrics.load_truth(found.truth_path, len(dataset))
    hard_masks, colours = write_fit_video(out / "dolphin_fit.mp4", scene, dataset, truth)
    figures, per_frame = measure(scene, fitted, hard_masks, dataset.masks, truth)
    figures |= colours
    sized = sizes.sizes(scene, dataset, type(recipe))
    against = judge(scene, fitted, recipe, dataset, history, figures, per_frame)
    results = {
        **{name: value for name, value in asdict(settings).items() if name not in ("pack", "given", *DEPTH)},
        **about_depth(scene, dataset, settings),
        **about_heave(scene, recipe),
        "clip": found.clip_name,
        "backend": dibr.available_backends(device)[0],
        "loss_first": history[0]["loss"],
        "loss_last": history[-1]["loss"],
        "seconds_fit": round(seconds_fit, 2),
        "seconds_total": round(time.perf_counter() - started, 2),
        "peak_rss_mb": round(peak_rss_mb() or 0),
        **figures,
        **sizes.to_figures(sized),
        "verdict": verdict(against),
        "size_can_be_trusted": int(not any(doubt.grave for doubt in against)),
        "doubts": "\n".join(doubt.text for doubt in against),
    }
    judged = dict(sizes=sized, doubts=against, rest=fitted.rest.numpy(), heave_sd=heave_sd(recipe))
    write_report(out, scene, dataset, found, history, results, per_frame, fitted, truth, settings, judged)
    results["seconds_total"] = round(time.perf_counter() - started, 2)
    results["peak_rss_mb"] = round(peak_rss_mb() or 0)
    write_json(out / METRICS, results)  # last: its presence says that the run is finished
    (out / CHECKPOINT).unlink(missing_ok=True)
    print_results(out, results)


def given(pack, dataset):
    """A checksum of masks, altitudes and camera: a size of others is not the clip's. -> 16 hex digits

    Without the frames' colours: who takes other frames has other masks."""
    digest = hashlib.sha256()
    for numbers in (dataset.masks, dataset.confidence):
        digest.update(np.ascontiguousarray(numbers.numpy()))
    for path in (pack.clip_dir / "metadata" / CLIP_JSON, pack.altitude_path):
        digest.update(path.read_bytes() if path.exists() else b"")
    return digest.hexdigest()[:16]


def open_folder(out, settings, resume):
    """Makes the run's folder, or finds out what is in it. -> "new", "interrupted" or "finished"

    Nothing that is there is overwritten: a folder with another run, or with files that are no run's, is
    refused.
    """
    if out.exists() and not out.is_dir():
        raise CourseError(f"--out {out} is a file. Name a folder that does not exist yet.")
    there = sorted(path.name for path in out.iterdir()) if out.exists() else []
    if not there:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            said = f"Could not make the folder {out}: {error.strerror}. Name another with --out."
            raise CourseError(said) from error
        write_json(out / SETTINGS, asdict(settings))
        return "new"
    if SETTINGS not in there:
        raise CourseError(f"""--out {out} holds files that are not a run of this program
            ({", ".join(there[:3])}, ...). Name another folder.""")
    state = "finished" if METRICS in there else "interrupted"
    if not resume:
        why = "go on with it" if state == "interrupted" else "see its results"
        raise CourseError(f"""--out {out} already holds a run ({state}). Add --resume to {why}, name another
            folder, or delete this one.""")
    theirs = json.loads((out / SETTINGS).read_text())
    ours = asdict(settings)
    if theirs.pop("given", ours["given"]) != ours.pop("given"):
        raise CourseError(f"""--out {out} holds a run of other masks, altitudes or camera: the clip changed
            since. Name another folder, or delete this one to fit anew.""")
    if different := [name for name in ours if theirs.get(name) != ours[name]]:
        said = "; ".join(f"{name}: {theirs.get(name)} there, {ours[name]} now" for name in different)
        raise CourseError(f"""--out {out} holds a run with other settings ({said}). Name another folder, or
            give the same settings.""")
    return state


def fit_with_checkpoints(scene, recipe, epochs, out):
    """Runs the fit, and saves after every pass what going on needs. -> (history, seconds of fitting)"""
    path = out / CHECKPOINT
    history, seconds, start = [], 0.0, 0
    if path.exists():
        saved = load_tensors(path)
        scene.load_parameters(saved["scene"])
        recipe.optimizer.load_state_dict(saved["optimizer"])
        recipe.load_state_dict(saved.get("recipe", {}))
        history, seconds, start = saved["history"], saved["seconds"], saved["passes"]
        recipe.loader.passes = start  # order of frames and schedule depend on the pass alone
        print(f"Resuming in {out} after pass {start} of {epochs}.")
    began = time.perf_counter()
    guard = Guard(scene, recipe)
    parts = recipe.loader, recipe.render, guard.compute_loss, guard
    bar = tqdm(range(start, epochs), desc="fit", initial=start, total=epochs)
    try:
        for step in bar:
            with contextlib.redirect_stdout(io.StringIO()):  # a pass alone would have a bar of its own
                history += fit(scene, *parts, steps=1)
            bar.set_postfix(loss=f"{history[-1]['loss']:.4f}")
            took = seconds + time.perf_counter() - began
            state = {"scene": scene.parameter_dict(), "optimizer": recipe.optimizer.state_dict()}
            state |= {"history": history, "seconds": took, "passes": step + 1, "recipe": recipe.state_dict()}
            save_atomically(state, path)
    except CourseError as error:
        kept = f"The last good state, after pass {len(history)}, is in {path}."
        raise CourseError(f"{error}\n{kept}") from error
    return history, seconds + time.perf_counter() - began


@torch.no_grad()
def rendered_frames(scene, dataset):
    """The fitted scene frame by frame, in the clip's order, on the CPU.

    -> image (H, W, 3), the same without waves, hard_mask, soft_mask (H, W, 1)
    """
    width, height = dataset.data_resolution
    band = TUTORIAL_BAND.for_lens(dataset.lens)

    def where(t, left, top, w, h):
        return {"left": left, "top": top}

    loader = WindowLoader(dataset, scene, batch_size=4, shuffle=False, layers=[where])
    for frames in tqdm(loader, desc="look at the result", leave=False):
        drawn = render_in_waves(scene, frames["t"], frames["cam"], band)
        windows = [pixels.cpu() for pixels in drawn]  # (B, h, w, C) each
        h, w = windows[0].shape[1:3]
        for i, (x, y) in enumerate(zip(frames["left"].tolist(), frames["top"].tolist())):
            whole = [torch.zeros(height, width, pixels.shape[-1]) for pixels in windows]
            for canvas, pixels in zip(whole, windows):
                canvas[y : y + h, x : x + w] = pixels[i]
            yield whole


def write_fit_video(path, scene, dataset, truth=None):
    """Writes the 2 x 2 video of exercise 8, labelled.

    -> hard masks of all frames, (T, H, W) bool; PSNR of their colours in dB, a dict of figures
    """
    hard_masks, masks = [], {"_with_given_masks": dataset.masks > 127}
    if truth is not None:
        masks[""] = truth.masks
    errors = metrics.ColourErrors(masks)

    def frames():
        for t, (image, still, hard_mask, soft_mask) in enumerate(rendered_frames(scene, dataset)):
            hard_masks.append(hard_mask[..., 0] > 0)
            given = dataset[t]
            errors.add(t, given["original"], {"": image, "_still_water": still}, hard_masks[-1])
            # The soft mask reaches a little beyond the render, where there is no colour: the sea stays there.
            image = torch.where(hard_mask > 0, image, given["original"])
            frame = compose_frame(given["original"], given["segmented"], image, soft_mask)
            yield show.draw_labels((frame.numpy() * 255).round().astype(np.uint8), LABELS)

    show.write_video(path, frames(), fps=dataset.fps)
    figures = {f"colour_psnr_db{kind}{name}": errors.psnr(kind, name) for kind, name in errors.sums}
    return torch.stack(hard_masks), {name: value for name, value in figures.items() if value is not None}


@dataclass(frozen=True)
class Fitted:
    """The fitted dolphin on the CPU: vertices (T, V, 3), rotmats (T, 3, 3), rest (V, 3), faces (F, 3)."""

    vertices: torch.Tensor
    rotmats: torch.Tensor
    rest: torch.Tensor
    faces: torch.Tensor

    @classmethod
    @torch.no_grad()
    def of(cls, scene):
        vertices = torch.cat([scene.skin(t) for t in torch.arange(scene.num_frames).split(20)])
        return cls(vertices.cpu(), scene.rotations().cpu(), scene.rest_shape().cpu(), scene.model.F.cpu())


def measure(scene, fitted, hard_masks, given_masks, truth):
    """-> (flat figures, per-frame tensors). `truth` is None for clips of real animals: no errors then."""
    length = float(body_length(fitted.rest))
    volume = abs(float(mesh_volume(fitted.rest, fitted.faces)))  # negative for a template wound inside out
    overlap = metrics.mask_iou(hard_masks, given_masks > 127)
    seen = overlap[(given_masks > 127).flatten(1).any(1)]  # where the animal was lost, nothing can be covered
    stored = scene.global_poses[:, 0].detach().cpu()
    figures = {
        "length_m": length,
        "volume_m3": volume,
        "mass_kg": float(body_mass(volume)),
        "iou_with_given_masks_mean": float(seen.mean()),
        "iou_with_given_masks_min": float(seen.min()),
        "orientation_jump_deg_max": float(metrics.rotation_steps(fitted.rotmats).max()),
        "stored_vector_jump_deg_max": float(metrics.chart_jumps(stored).max()),
    }
    per_frame = {"iou_with_given_mask": overlap}
    if truth is not None:
        result = fitted.vertices, fitted.rotmats, hard_masks, length, volume
        errors, errors_per_frame = metrics.against_truth(truth, *result)
        figures, per_frame = figures | errors, per_frame | errors_per_frame
    return figures, per_frame


def judge(scene, fitted, recipe, dataset, history, figures, per_frame):
    """What speaks against the fit, without the truth. -> list of `Doubt`"""
    positions = fitted.vertices.mean(1)  # (T, 3)
    of_scene = far_from_template(scene.model, fitted.rest), fitted.rotmats, positions
    known, clip = dataset.known, (dataset.fps, figures["length_m"], dataset.masks)
    more = dict(reach=getattr(recipe, "REACH", None), sure=dataset.confidence, frames=dataset.frames)
    more["off"] = known.at_odds
    return doubts(per_frame["iou_with_given_mask"], history, *of_scene, *clip, **more)


def write_report(out, scene, dataset, pack, history, results, per_frame, fitted, truth, settings, judged):
    """Writes report.html into the run's folder; `results` are its figures, `truth` None if unknown.

    judged: fields of the report on size and doubts.
    """

    def numpy(tensor):
        return tensor.detach().cpu().numpy()

    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    versions = {"torch": torch.__version__, "python": platform.python_version(), "machine": machine}
    known = {}
    if truth is not None:
        known["truth_translations"] = numpy(truth.translations)
        known["truth_heading_deg"] = numpy(truth.heading_deg)
        known["vertex_error_m"] = numpy((fitted.vertices - truth.vertices).norm(dim=-1))
    report = FitReport(
        clip=pack.clip_name,
        pack=pack.root.name,
        resolution=tuple(dataset.data_resolution),
        vertices=numpy(fitted.vertices),
        faces=numpy(fitted.faces),
        translations=numpy(scene.translations[:, 0]),
        rotvecs_stored=numpy(scene.global_poses[:, 0]),
        rotvecs_shortest=numpy(rotmat_to_rotvec(fitted.rotmats)),
        rotvecs_continuous=numpy(continuous_rotvecs(fitted.rotmats)),
        heading_deg=np.rad2deg(np.unwrap(np.deg2rad(numpy(metrics.heading(fitted.rotmats))))),
        time_s=np.arange(len(dataset)) / dataset.fps,
        history=history,
        metrics=results,
        settings=what_was_run(settings, results, pack) | about(dataset, judged["sizes"]) | versions,
        narrows=hasattr(RECIPES[settings.recipe], "REACH"),
        per_frame={name: numpy(values) for name, values in per_frame.items()},
        altitude_m=numpy(dataset.cam_eye[:, 1]),
        picture_moves=dataset.centres is not None,
        half_width=dataset.lens.half_width,
        video=out / "dolphin_fit.mp4",
        **judged,
        **known,
    )
    build_report(out, report)


def what_was_run(settings, results, pack):
    """The settings for a page: of the depth what was used, where the command line did not say it."""
    said = {name: value for name, value in asdict(settings).items() if name not in ("given", *DEPTH)}
    for name, label in (("fin_out_m", "fin's tip out of the water"), ("fin_out_sd_m", "how sure that is")):
        if name in results:
            by = "the command line" if getattr(settings, name[:-2]) is not None else "the clip"
            by = "frames in which it surfaces" if "surfaced" in results else by
            value = give_or_take(results[name]) if "_sd_" in name else f"{results[name]:.2g} m"
            said[label] = f"{value}, by {by}"
    return said | {"pack": pack.root.name}


def about(dataset, sized):
    """What the intervals take for granted, if there are any, and what a clip of one's own says of itself."""
    known, taken = dataset.known, {"taken_for_granted_(95_%)": sizes.believed(dataset)} if sized else {}
    if not known.source:
        return taken
    sure = "unknown" if known.altitude_sd_m is None else give_or_take(known.altitude_sd_m)
    video = f"{known.source.get('video')}, {known.source.get('from_s')} to {known.source.get('to_s')} s"
    said = taken | {"video": video, "camera": camera_told(known), "frames_a_second": known.fps}
    return said | {"altitude_by": known.source.get("altitude_by"), "how_sure_the_altitude_is": sure}


def about_depth(scene, dataset, settings):
    """What was assumed of altitude, depth and the way of light, for metrics.json."""
    known = {"water_index": scene.water_index, "altitude_m": float(dataset.known.altitude_m.mean())}
    if dataset.known.altitude_sd_m is not None:
        known["altitude_sd_m"] = dataset.known.altitude_sd_m
    if settings.recipe == "tutorial":  # it takes no depth
        return known
    known |= dict(zip(("fin_out_m", "fin_out_sd_m"), (round(one, 4) for one in dataset.known.fin_tip)))
    seen = " ".join(f"{part}:{frame}" for part, frame in dataset.known.surfaced)
    return known | ({"surfaced": seen} if seen else {})


def heave_sd(recipe):
    """How sure each frame's height is about the mean, by the water's colour. -> (T,) metres, or None"""
    heave = getattr(recipe, "heave", None)
    return None if heave is None else heave[1].numpy()


def about_heave(scene, recipe):
    """By how much the animal rises and sinks, for metrics.json, where the water's colour has told it."""
    sd = heave_sd(recipe)
    if sd is None:
        return {}
    return {"heave_m": float(scene.translations[:, 0, 1].detach().std()), "heave_sd_m": float(np.median(sd))}


def write_json(path, values):
    """Writes a dict as JSON, whole or not at all; a full disk is said in a sentence."""
    try:
        write(path, json.dumps(values, indent=2) + "\n")
    except OSError as error:
        said = f"Could not write {path}: {error.strerror}. What was there before is untouched."
        raise CourseError(said) from error


def print_results(out, results):
    """The verdict, what speaks against the fit, the size with its intervals, how well it fits, the files."""
    against = results.get("doubts", "").splitlines()
    print(results.get("verdict", "What was fitted:"))  # runs of older versions have none
    for doubt in against:
        print(f"- {doubt}")
    print()
    if lines := sizes.told(results):
        print("\n".join(lines) + "\n")
    for line in told(results):
        print(f"  {line}")
    print(f"\nResults in {out}:")
    notes = {METRICS: "  (settings, seconds and all other numbers)"}
    for name in RESULTS:
        print(f"  {name}{notes.get(name, '')}")
