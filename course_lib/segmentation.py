"""From points on one frame to a mask for every frame: SAM-2, or a tracker that runs anywhere.

    dolphins segment --pack PACK            segment_clip(find_pack("PACK"))

SAM-2 (Ravi et al. 2024, arXiv 2408.00714) is the `sam2` package, with weights from the Hugging Face hub; it
wants a GPU. The tracker (`tracker`) needs NumPy and SciPy alone and makes a mask in a tenth of a second or
less. Both go from the prompts' frame to the end of the clip and then back to its start.

Masks are written one by one into a hidden folder beside the one where they belong, each under another name
first; when all are there, the folder gets its name. So whoever reads a clip finds all masks or none, and an
interrupted run goes on where it stopped.
"""

import contextlib
import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from . import doubts, files
from .assets import clip_files
from .assets.clip_files import MASK_SUFFIXES, one_line
from .assets.clip_info import CLIP_JSON, read_clip_info
from .dolphin_model import DolphinModel
from .errors import CourseError, fold
from .file_kind import check
from .lens import Lens
from .machine import choose_device, has_module
from .progress import tqdm

METHODS = ("auto", "sam2", "tracker")
HUB_CHECKPOINTS = {"cuda": "facebook/sam2-hiera-large", "cpu": "facebook/sam2.1-hiera-tiny"}
INSTALL_SAM2 = fold("""pip install hydra-core iopath huggingface_hub, and then
        SAM2_BUILD_CUDA=0 pip install --no-deps --no-build-isolation sam2==1.1.0""")
RUN = "run.json"  # in the folder of an unfinished run: what it was begun with


@dataclass
class Clip:
    """Frames in order, each checked when it is read, and the points to begin from."""

    paths: list[Path]
    size_wh: tuple[int, int]
    prompts: dict = field(repr=False)
    lens: Lens = Lens()  # its distortion is undone
    silhouette: np.ndarray | None = field(default=None, repr=False)  # the template from above

    @classmethod
    def of(cls, pack):
        """The frames and the prompts of a pack's clip. Raises CourseError where one cannot be read."""
        paths = clip_files.numbered_images(pack.frames_dir, clip_files.FRAME_SUFFIXES)
        size = clip_files.image_size(paths[0])
        if not pack.prompts_path.exists():
            raise CourseError(f"""{pack.prompts_path}: is missing, expected points to segment from. Click them
                on the page of: dolphins prompts {pack.root}. Or open a frame in an image viewer, note pixels
                on the animal and beside it, and write for example
                {{"frame": 0, "points": [[300, 210], [291, 258]], "labels": [1, 0]}}""")
        prompts = clip_files.load_prompts(pack.prompts_path, size, len(paths))
        own = (pack.clip_dir / "metadata" / CLIP_JSON).exists()
        known = own or pack.altitude_path.exists()  # what would be wrong in a fit is said now
        lens = read_clip_info(pack.clip_dir, len(paths), size).lens if known else Lens()
        return cls(paths, size, prompts, lens, _silhouette(pack))

    def __len__(self):
        return len(self.paths)

    def read(self, t):
        """Frame t, (H, W, 3) uint8."""
        return clip_files.read_image(self.paths[t], "RGB", self.size_wh, self.paths[0], self.lens)


def _silhouette(pack):
    """The template from above (n, n), for what the points do not show; None in a pack without one."""
    from .first_mask import from_above

    if not (pack.model_dir / "dolphin_model.pkl").exists():
        return None
    model = DolphinModel(pack)
    return from_above(model.V[0].numpy(), model.F.numpy())


def segment_clip(
    pack,
    method="auto",
    out=None,
    force=False,
    resume=False,
    device="auto",
    checkpoint=None,
    say=print,
    again=None,
):
    """Makes a mask for each frame of a pack's clip. -> the folder of the masks

    method: "sam2", "tracker", or "auto": SAM-2 where it is installed and there is CUDA, else the tracker.
    out: folder for the masks, the pack's segmentation/ if None. force: replace masks that are there. resume:
    go on with an interrupted run. checkpoint: SAM-2's weights, a name on the Hugging Face hub or a file.
    again: called with the pack and the folder of the tracker's masks, makes better ones of them and says how,
    a line. What is doubtful is said, and drawn in a picture beside the folder. Raises CourseError.
    """
    if method not in METHODS:
        raise CourseError(f"There is no method {method!r}; there are {', '.join(METHODS)}.")
    clip = Clip.of(pack)
    folder = Path(out) if out is not None else pack.segmentation_dir
    if resume and not force and _is_complete(folder, clip):
        say(f"{folder} has a mask for each of the {len(clip)} frames already: nothing to do.")
        return folder
    _check_folder(folder, force)
    maker = choose(clip, method, choose_device(device), checkpoint, say)
    try:
        part, done = _begin(folder, clip, maker, force, resume)
        if done:
            say(f"{len(done)} of {len(clip)} masks are there from the interrupted run.")
        try:
            _make_masks(maker, clip, part, done)
            if again is not None and not isinstance(maker, Sam2):
                say(again(pack, part))
        except KeyboardInterrupt:
            raise CourseError(f"""Interrupted. The masks made so far are kept in {part}: go on with the same
                command and --resume.""") from None
        except CourseError:
            _forget(part)
            raise
        _put_in_place(part, folder, clip, force)
        masks = doubts.Masks.of(folder, clip)
        sheet = doubts.draw(folder, clip, masks)
    except OSError as error:
        raise CourseError(f"""The masks could not be written to {folder} ({one_line(error)}). Mend that (disk
            space? permissions?) and go on with --resume, or name another folder with --out.""") from None
    for line in doubts.summary(folder, clip, masks):
        say(line)
    say(f"{len(clip)} masks in {folder}, by {maker.name}; the ones to look at: {sheet}")
    return folder


def _make_masks(maker, clip, part, done):
    """Writes each mask that is not done yet, with its confidence."""
    total = (maker.looks + 1) * len(clip)
    with tqdm(desc="segment", initial=len(done), total=total, unit=" frames") as bar:
        maker.looked = bar.update
        for t, mask in maker.propagate(done):
            if not mask.any():
                raise CourseError(f"""In frame {t} nothing of the animal is in the picture any more. Make a
                    clip of seconds in which it is seen whole (dolphins clip, --from and --to).""")
            clip_files.write_mask(mask, part / f"{t:06d}.png", maker.confidence[t])
            bar.update()


def choose(clip, method, device, checkpoint, say):
    """What makes the masks, ready to begin: with `name`, `looks`, `confidence`, and `propagate(done)`, see
    `Tracker`."""
    from .tracker import Tracker

    if method == "auto" and not (has_module("sam2") and device.type == "cuda"):
        why = "there is no GPU" if has_module("sam2") else "SAM-2 is not installed here"
        say(f"The tracker makes the masks, as {why} (--method sam2 insists).")
        method = "tracker"
    if method != "tracker":
        name = checkpoint or HUB_CHECKPOINTS[device.type]
        try:
            return Sam2(clip, load_predictor(name, device), device, name, say)
        except CourseError as error:
            if method == "sam2":
                raise
            say(f"{error}\nThe tracker makes the masks instead.")
    return Tracker(clip.read, len(clip), clip.prompts, clip.silhouette)


# --- SAM-2 --------------------------------------------------------------------------------------------------


def load_predictor(checkpoint, device, overrides=()):
    """SAM-2's video predictor with its weights.

    checkpoint: a name on the hub, or a file of the name that the weights have there; overrides: of the
    model's configuration (hydra). Raises CourseError where the package or the weights are missing.
    """
    try:
        from sam2.build_sam import HF_MODEL_ID_TO_FILENAMES, build_sam2_video_predictor
        from sam2.sam2_video_predictor import SAM2VideoPredictor
    except Exception as error:  # it has other ways to fail besides ImportError
        raise CourseError(f"""SAM-2 cannot be used here ({type(error).__name__}: {one_line(error)}). Install
            it with {INSTALL_SAM2}; or use --method tracker, which needs nothing.""") from None
    options = dict(device=str(device), hydra_overrides_extra=list(overrides))
    path = Path(checkpoint)
    configs = {filename: config for config, filename in HF_MODEL_ID_TO_FILENAMES.values()}
    on_hub = checkpoint in HF_MODEL_ID_TO_FILENAMES
    if not on_hub and not path.is_file():
        raise CourseError(f"""SAM-2 has no weights {checkpoint!r}, and there is no such file. Name one of
            {", ".join(HF_MODEL_ID_TO_FILENAMES)}, or a file.""")
    if not on_hub and path.name not in configs:
        raise CourseError(f"""{path}: is not named as SAM-2's weights are ({", ".join(configs)}); by its name
            the model's configuration is found.""")
    try:
        if on_hub:
            predictor = SAM2VideoPredictor.from_pretrained(checkpoint, **options)
        else:
            predictor = build_sam2_video_predictor(configs[path.name], str(path), **options)
    except Exception as error:  # network, disk, a damaged or foreign file: each library has its own
        _raise_if_memory(error, device)
        check(path, "weights of SAM-2", "a file of torch.save")
        raise CourseError(f"""SAM-2's weights {checkpoint} could not be loaded ({type(error).__name__}:
            {one_line(error)[:200]}). They come from huggingface.co once, 0.2 to 0.9 GB. Mend that, name a
            file that you have with --checkpoint, or use --method tracker.""") from None
    predictor.fill_hole_area = 0  # needs a CUDA extension, which the package is installed without
    return predictor


class Sam2:
    """SAM-2 on a clip. `confidence` of a mask: the probability that it gives the mask's pixels, on average;
    0 where it saw nothing, and the mask of the frame beside stands in."""

    looks = 0  # before the first mask

    def __init__(self, clip, predictor, device, checkpoint, say=print):
        self.clip, self.predictor, self.device, self.say = clip, predictor, device, say
        self.name = f"SAM-2 ({Path(checkpoint).name})"
        self.confidence, self.dtype = {}, half_precision(device)
        predictor.sam_mask_decoder.register_forward_hook(self._check)

    def _check(self, _module, _inputs, outputs):
        """Raises FloatingPointError where half precision gave no number.

        It looks at what the decoder says, as SAM-2 takes a score that is no number for "no animal here": its
        masks are empty then, and finite.
        """
        if self.dtype != torch.float32 and not all(torch.isfinite(each).all() for each in outputs):
            raise FloatingPointError

    def propagate(self, done):
        """Yields (t, mask (H, W) bool) for each frame that is not in `done`, {t: mask}.

        What an interrupted run had in its memory is lost; a run that goes on prompts with the points again,
        and with the last mask that is there.
        """
        clip, prompts = self.clip, self.clip.prompts
        if self.device.type != "cuda":
            text = fold(f"""SAM-2 on a CPU: expect half a minute per frame on two cores, so
                {len(clip) / 120:.1f} hours for {len(clip)} frames, and {0.0126 * len(clip):.1f} GB of memory
                for the frames alone. The tracker (--method tracker) takes a minute.""")
            self.say(text)
        for t in range(len(clip)):
            clip.read(t)  # a damaged frame is named now, not in the middle of it
        points, labels = np.array(prompts["points"], np.float32), np.array(prompts["labels"], np.int32)
        prompt = dict(obj_id=1, frame_idx=prompts["frame"], points=points, labels=labels)
        start = dict(async_loading_frames=True, offload_video_to_cpu=True)
        try:
            with _jpeg_folder(clip) as folder:
                while True:
                    try:
                        state = self._run(self.predictor.init_state, str(folder), **start)
                        self._run(self.predictor.add_new_points_or_box, state, **prompt)
                        self.first_mask = done.get(prompts["frame"])
                        for step in (1, -1):
                            for t, mask in self._one_way(state, done, step):
                                done = {**done, t: mask}
                                yield t, mask
                        return
                    except FloatingPointError:  # what it remembers is spoilt too: on from the last good mask
                        self.say("Half precision does not suffice here; SAM-2 goes on in float32, slower.")
                        self.dtype = torch.float32
        except RuntimeError as error:
            _raise_if_memory(error, self.device)
            raise

    def _one_way(self, state, done, step):
        """`propagate` from the prompts' frame to the end of the clip (step 1) or to its start (-1)."""
        first, mask = self.clip.prompts["frame"], self.first_mask
        start = first
        while start + step in done:
            start += step
        if start != first:
            mask = done[start]
            prompt = dict(inference_state=state, obj_id=1, frame_idx=start)
            self._run(self.predictor.add_new_mask, mask=mask, **prompt)
        if start + step in (-1, len(self.clip)) and first in done:
            return
        steps = self.predictor.propagate_in_video(state, start_frame_idx=start, reverse=step < 0)
        while (found := self._run(next, steps, None)) is not None:
            t, _, scores = found  # scores (1, 1, H, W)
            if t in done or (t == first and step < 0):
                continue
            seen = (scores[0, 0] > 0).cpu().numpy()
            self.confidence[t] = 0.0
            if seen.any():
                mask = seen
                self.confidence[t] = float(torch.sigmoid(scores[0, 0].float())[scores[0, 0] > 0].mean())
            elif mask is None:
                raise CourseError(f"""SAM-2 sees nothing at the points of frame {first}. Are they on the
                    animal? Look at them in lesson 1, and mend prompts.json.""")
            if t == first:
                self.first_mask = mask
            yield t, mask

    def _run(self, function, *args, **options):
        """Calls one step of SAM-2 without gradients, on CUDA in half precision if it can be."""
        half = self.dtype != torch.float32
        with torch.inference_mode(), torch.autocast(self.device.type, self.dtype, enabled=half):
            return function(*args, **options)


def half_precision(device):
    """The type in which SAM-2 is fastest on a device: of a GPU bfloat16, before Ampere float16."""
    if device.type != "cuda":
        return torch.float32
    major, _ = torch.cuda.get_device_capability(device)
    return torch.bfloat16 if major >= 8 else torch.float16  # older ones only emulate bfloat16


@contextlib.contextmanager
def _jpeg_folder(clip):
    """A folder with the frames as JPEGs and nothing else: the clip's own, or a copy that is deleted again."""
    are_jpegs = all(path.suffix.lower() in (".jpg", ".jpeg") for path in clip.paths)
    folder = clip.paths[0].parent
    if are_jpegs and not clip.lens.is_distorted and len(list(folder.iterdir())) == len(clip):
        yield folder
        return
    with tempfile.TemporaryDirectory() as folder:
        for t in range(len(clip)):
            Image.fromarray(clip.read(t)).save(Path(folder, f"{t:06d}.jpg"), quality=98, subsampling=0)
        yield Path(folder)


def _raise_if_memory(error, device):
    if "out of memory" in str(error).lower() or isinstance(error, MemoryError):
        raise CourseError(f"""The memory of {device} is full. Take smaller weights (--checkpoint
            {HUB_CHECKPOINTS["cpu"]}), another device (--device cpu), or --method tracker; with --resume what
            is done is kept.""") from None


# --- writing ------------------------------------------------------------------------------------------------


def part_folder(folder):
    """Where the masks of an unfinished run lie."""
    return folder.parent / f".{folder.name}.part"


def _check_folder(folder, force):
    """Raises CourseError where something is in the way of new masks."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise CourseError(f"""{folder} is {"a link" if folder.is_symlink() else "a file"}, expected a folder
            for the masks. Name another with --out.""")
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    there = [path for path in paths if not clip_files.is_junk(path.name)]
    masks = [path for path in there if path.suffix.lower() in MASK_SUFFIXES and path.stem.isdigit()]
    if len(masks) < len(there):
        foreign = [path.name for path in there if path not in masks]
        raise CourseError(f"""{folder} holds other things than masks ({", ".join(foreign[:5])}); nothing was
            changed. Name another folder with --out.""")
    if masks and not force:
        raise CourseError(f"""{folder} holds {len(masks)} masks already; nothing was changed. Replace them
            with --force, or name another folder with --out.""")


def _is_complete(folder, clip):
    try:
        return bool(clip_files.numbered_masks(folder, len(clip)))
    except CourseError:
        return False


def _begin(folder, clip, maker, force, resume):
    """The folder to write into, and the masks that an interrupted run left there, {t: (H, W) bool}.

    The maker is told how sure it was of these.
    """
    part = part_folder(folder)
    _forget(part)
    if part.exists() and not resume:
        if not force:
            raise CourseError(f"""{part} holds an interrupted run. Go on with it with --resume, or begin anew
                with --force.""")
        shutil.rmtree(part)
    # The first frame stands for all: others may have been mended since.
    first = hashlib.sha256(clip.paths[clip.prompts["frame"]].read_bytes()).hexdigest()
    settings = {
        "method": maker.name,
        "prompts": clip.prompts,
        "number of frames": len(clip),
        "first frame": first,
    }
    theirs = clip_files.read_json(part / RUN) if (part / RUN).exists() else settings
    different = [key for key in settings if not isinstance(theirs, dict) or theirs.get(key) != settings[key]]
    if different:
        raise CourseError(f"""{part} holds an interrupted run with another {" and another ".join(different)}.
            Use the same again, or begin anew with --force and without --resume.""")
    files.write(part / RUN, json.dumps(settings))
    done = {}
    for path in sorted(part.glob("*.png")):
        if path.stem.isdigit() and int(path.stem) < len(clip):
            with clip_files.open_image(path) as image:
                if image.size != clip.size_wh:
                    raise CourseError(f"""{path}: is not of the frames' size. Begin anew with --force and
                        without --resume.""")
                t = int(path.stem)
                maker.confidence[t] = clip_files.read_confidence(path)
                done[t] = np.asarray(clip_files.decode_image(image, path, "L")) > 0
    return part, done


def _forget(part):
    """Deletes the folder of a run that made no mask, as after points on the water: nothing to go on with."""
    if part.is_dir() and not any(part.glob("*.png")):
        shutil.rmtree(part)


def _put_in_place(part, folder, clip, force):
    """Gives the finished folder its name; masks that were there go once the new ones are in place."""
    missing = [t for t in range(len(clip)) if not (part / f"{t:06d}.png").is_file()]
    if missing:
        raise CourseError(f"""{part}: the mask of frame {missing[0]} is missing ({len(missing)} in all); go on
            with --resume.""")
    _check_folder(folder, force)
    for path in part.iterdir():  # run.json, and what was being written when a run was killed
        if path.suffix != ".png":
            path.unlink()
    files.put_in_place(part, folder)
