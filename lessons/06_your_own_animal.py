# %% [markdown]
# # Lesson 6 · Bonus: your own animal
#
# **You will be able to** go the whole way with a video that nobody has prepared: from what a drone writes to
# a measured animal, and to what may be wrong with it.
#
# **Minutes:** 60 to 85; one or two of them you wait for the computer. **You need to know:** how a fit works
# (lesson 4); why one camera cannot know the depth, and what an interval is (lesson 5); `torch.autograd.grad`.
#
# ![The path of the course: segment, template, render, fit, results, and then your own animal; you are
# there.](pictures/path_6.png)

# %% setup=6
from course_lib.environment import setup

setup(lesson=6)

# %% [markdown]
# What earlier lessons built comes from the course's solutions. Set `USE_MY_WORK = True` to use the functions
# that you kept. The folder `my_work` must then lie beside this notebook: if you kept them elsewhere, copy it
# here.

# %%
USE_MY_WORK = False

from solutions import measuring
from solutions.fitting import fit
from solutions.rendering import render
from solutions.results import body_length, mesh_volume
from solutions.rotations import batch_rodrigues

if USE_MY_WORK:
    from my_work import batch_rodrigues, body_length, fit, mesh_volume, render


announced = set()  # what stands in is said once


def or_the_courses(function):
    """The function; while it is still to be written, the course's, which is said."""

    def whichever(*given):
        try:
            return function(*given)
        except NotImplementedError:
            stands_in(name := function.__name__, "the course's")
            return getattr(measuring, name)(*given)

    return whichever


def stands_in(name, other):
    if name not in announced:
        print(f"{name} is still to be written: {other} stands in.")
    announced.add(name)


# %% [markdown]
# ## What comes home from a flight
#
# Three things: the **video**, the **telemetry** that the drone wrote beside it, and **notes** that somebody
# took. These are of a flight that the course has drawn, over an animal that is not the one of lessons 1 to 5.
# Its size is known to the program that drew it, and you will see it at the end.
#
# To use your own files, write their names and your notes into the next cell, and the seconds of the clip into
# the cell that makes the pack; then run all cells again. The exercises stay the same. For your own animal
# there is no file with the truth: `TRUTH = None`.

# %%
from course_lib.assets import FOOTAGE

VIDEO, TELEMETRY = FOOTAGE / "dolphin_0042.mp4", FOOTAGE / "dolphin_0042.srt"
TRUTH = FOOTAGE / "truth.json"  # None for your own
CAMERA = "DJI Air 2S"
LAUNCH_HEIGHT = 2.9  # metres above the sea: the drone took off from a boat's deck
BOARD_LENGTH = 3.2  # metres: a paddle board floats in the picture
BOARD_FRAME, BOARD_ENDS = 12, (266, 374, 434, 352)  # its ends' pixels: x0, y0, x1, y1
FIN_OUT, FIN_OUT_SD = -0.1, 0.1  # metres: the dorsal fin's tip stays under the surface

# %%
import numpy as np
import torch
from matplotlib import pyplot as plt

from course_lib.footage import Frames, look_at
from course_lib.lens import camera_of

video, lens = look_at(VIDEO), camera_of(CAMERA)
W, H = video.width, video.height
at = BOARD_FRAME / video.fps  # seconds
picture = next(iter(Frames(video, at, at + 0.1, W)))  # (H, W, 3) bytes
figure, axis = plt.subplots(figsize=(9, 5.1), layout="constrained")
axis.imshow(picture)
axis.plot(*np.reshape(BOARD_ENDS, (2, 2)).T, "x", c="#c8283c", ms=9, mew=2)
axis.set_title(f"frame {BOARD_FRAME}; crosses: the board's ends")

print(f"{W} x {H} pixels, {video.fps:g} frames a second, {video.seconds:g} s")
print(f"focal length {lens.focal_mm} mm, sensor {lens.sensor_width_mm} mm wide\n")
print("\n".join(TELEMETRY.read_text().splitlines()[:5]))

# %% [markdown]
# This is already full of **traps**:
#
# - 29.97 frames a second, and not 50 as in the clip of lessons 1 to 5;
# - another camera, with a wider view. The telemetry's `focal_len: 22.00` is not the focal length of this
#   lens, which is 8.38 mm. It is the **35 mm equivalent**: that of a camera for 35 mm film with the same
#   view;
# - `rel_alt` counts from the place of **take-off**, here a deck; `abs_alt` is a GPS height, off by metres;
# - a reading comes every tenth of a second. That is 2.997 frames: nearly three, but not quite. And some
#   readings are missing;
# - a **barometer** measures the altitude by the air's pressure. Sun, wind and the drone's own warmth shift it
#   by half a metre or more within a flight. From 9 m up that is 6 % of every length.

# %% [markdown]
# ## Exercise 11 · The altitude of every frame
#
# *{points of altitudes}, bonus · 10 to 15 minutes · difficulty ●●○ · importance ●●●*
#
# **Why.** The size of a pixel at the animal is proportional to the altitude: 1 % of altitude is 1 % of
# length.
#
# **The formula.** Between two known samples $(t_0, h_0)$ and $(t_1, h_1)$ the altitude is **interpolated
# linearly**; the launch height lifts it from the place of take-off to the sea:
#
# $$h(t) = h_0 + \frac{t - t_0}{t_1 - t_0}\,(h_1 - h_0) + h_\text{launch}$$
#
# | | shape | what |
# |---|---|---|
# | `sample_times` | (N,) | seconds, increasing |
# | `sample_altitudes` | (N,) | metres above the place of take-off; NaN where the drone wrote none |
# | `frame_times` | (F,) | seconds of the same clock, increasing |
# | `launch_height`, `longest_gap` | numbers | metres, seconds |
# | result | (F,) | metres above the sea, or NaN: not known |
#
# A frame is not known before the first known sample, after the last one, and between two that are more than
# `longest_gap` apart. A sample that is NaN counts as if it were not there, so it makes a gap longer. No
# number is better than an invented one.
#
# ![What you should see: readings as dots every tenth of a second, at 5.4 to 6.2 metres; your line over the
# frames runs 2.9 metres above them, bridges the short gap, and is interrupted at the long
# one.](pictures/altitudes.png)
#
# <details><summary>Hint 1: first clean up</summary>
#
# `known = ~sample_altitudes.isnan()`, then `sample_times[known]` and `sample_altitudes[known]`. From here on
# the others do not exist.
# </details>
# <details><summary>Hint 2: the two neighbours</summary>
#
# `torch.searchsorted(times, frame_times)` gives for each frame the number of the first sample that is not
# before it. With `.clamp(1, len(times) - 1)` there is always one before it as well.
# </details>
# <details><summary>Hint 3: where it is not known</summary>
#
# Compute all frames as if all were known. Then `torch.where(usable, altitudes, torch.nan)`. The share
# $(t - t_0)/(t_1 - t_0)$ is below 0 before the first sample, and above 1 after the last. A frame at the very
# moment of a sample lies in no gap: there the share is 0 or 1.
#
# `np.interp` is fine too, but it knows of no gaps, and its ends go on for ever.
# </details>

# %% exercise="altitudes"
import torch

from solutions.measuring import altitude_per_frame
# stub altitude_per_frame
#     known = ...                                 # (N,) bool
#     times, altitudes = ...                      # (K,) each: those that are known
#     after = ...                                 # (F,) the sample after each frame
#     before = ...                                # (F,) and the one before it
#     ...

# %%
from course_lib import show
from course_lib.telemetry import read_telemetry

telemetry = read_telemetry(TELEMETRY)
sample_times = torch.from_numpy(telemetry.time_s)  # (N,) seconds
samples = torch.from_numpy(telemetry.height_m)  # (N,) metres above the deck


def altitudes_at(times):
    """Altitudes above the sea (F,) at times (F,), seconds, by what the drone says."""
    try:
        return altitude_per_frame(sample_times, samples, times, LAUNCH_HEIGHT)
    except NotImplementedError:
        stands_in("altitude_per_frame", "np.interp")
        drawn = np.interp(times, telemetry.time_s, telemetry.height_m)
        return torch.from_numpy(drawn) + LAUNCH_HEIGHT


count = round(video.seconds * video.fps)
frame_times = torch.arange(count).double() / video.fps  # (F,)
read = altitudes_at(frame_times)
unknown = frame_times[read.isnan()]
print(f"{len(samples)} readings for {len(read)} frames; {len(unknown)} frames unknown")
if len(unknown):
    print(f"Unknown ones are from {unknown[0]:.2f} s to {unknown[-1]:.2f} s.")
through = np.interp(frame_times, telemetry.time_s, telemetry.height_m) + LAUNCH_HEIGHT
curves = {"np.interp, through every gap": through, "yours": read}
figure = show.lines(frame_times, curves, "s of the video", "m above the sea")
dots = dict(x=telemetry.time_s, y=telemetry.height_m + LAUNCH_HEIGHT, mode="markers")
figure.add_scatter(**dots, marker=dict(color="black"), name="readings + launch height")

# %% check="altitudes"
from course_lib import check

check.altitudes()

# %%
from course_lib.keep import keep

keep(altitude_per_frame)

# %% [markdown]
# Readings are multiples of 0.1 m: so the dots lie on steps. The long gap ends at 2.4 s, and so our clip
# begins at 2.5 s. The short one, after 3.7 s, is bridged.

# %% [markdown]
# ## A known length says what the barometer does not know
#
# A board of length $L$ floats on the sea, and its ends are seen at two pixels. For a drone 1 m up, the rays
# through these pixels meet the sea at two points a distance $d$ apart; for a drone at the altitude $h$ they
# are $h d$ apart. So $h = L/d$. What has to be added to the drone's own altitude is the **correction**. (The
# barometer's **bias** is what it says minus the truth: the same number with the other sign.)
#
# This is a **calibration**. It covers the lens, too: if its focal length is wrong by 1 %, the altitude that
# is found is wrong by the same, and lengths come out right. That holds as long as the clip is filmed from
# about the same altitude as the board. (Without a board: `correction, altitude_sd = 0.0, telemetry.sd_m`, and
# lengths that may be off by a fifth.)

# %%
from course_lib.known_length import altitude_of

by_board, click_sd = altitude_of(BOARD_LENGTH, BOARD_ENDS, lens, (W, H))
said = float(altitudes_at(frame_times[BOARD_FRAME : BOARD_FRAME + 1]))
correction = by_board - said
DRIFT = 0.1  # metres: what the correction may change within the seconds until the clip
altitude_sd = float(np.hypot(click_sd, DRIFT))
both = f"by the board {by_board:.2f} m, by the drone {said:.2f} m"
print(f"{both}: correction {correction:+.2f} m")
print(f"Ends clicked a pixel beside: {click_sd:.2f} m, a standard deviation.")
print(f"With what the correction may change: {altitude_sd:.2f} m.")

# %% [markdown]
# <details><summary>A question to think about: had you forgotten the launch height, what would the board
# have done?</summary>
#
# It would have corrected that, too. The correction would be larger by 2.9 m, and the altitudes the same: the
# board gives the altitude, whatever made the drone's wrong. So if you measure animals, film a thing of known
# length once in each flight. But if a correction is more than a metre or two, look for the reason.
# </details>

# %% [markdown]
# ## A pack
#
# From here on the clip is to look like any other: a **pack**, with frames, and beside them in
# `metadata/clip.json` what is known: frame rate, one altitude for each frame, how sure they are, the camera.
# In a terminal one command does what the last cells did and the next one does:
#
#     dolphins clip dolphin_0042.mp4 --telemetry dolphin_0042.srt --from 2.5 --to 6 --width 800 \
#         --camera "DJI Air 2S" --launch-height 2.9 --known-length 3.2 --at 12 266,374,434,352 \
#         --fin-out -0.1 --fin-out-sd 0.1 --altitude-sd 0.1 --out my_clip
#
# Here you see what is in it. The altitudes are those of your function.

# %%
import shutil
from pathlib import Path

from PIL import Image

from course_lib.assets import AssetPack, find_pack
from course_lib.assets.clip_info import CLIP_JSON, ClipInfo
from course_lib.machine import small

FROM, TO = 2.5, 3.3 if small() else 6.0  # small() is true in tests, which must be quick

pack = AssetPack("out/my_clip")
clip_dir = pack.data_dir / "my_clip"
shutil.copytree(find_pack().model_dir, pack.model_dir, dirs_exist_ok=True)
(clip_dir / "metadata").mkdir(parents=True, exist_ok=True)
shutil.rmtree(clip_dir / "frames", ignore_errors=True)
(clip_dir / "frames").mkdir()

frames = Frames(video, FROM, TO, W)  # read one by one
for t, image in enumerate(frames):
    Image.fromarray(image).save(clip_dir / "frames" / f"{t:06d}.jpg", quality=95)
times = torch.from_numpy(frames.times)  # (T,) seconds of the video
altitudes = altitudes_at(times) + correction  # (T,) metres
source = {"video": VIDEO.name, "known_length": {"length_m": BOARD_LENGTH}}
known = altitude_sd, lens, source, FIN_OUT, FIN_OUT_SD
info = ClipInfo(video.fps, altitudes.numpy().astype(np.float32), *known)
(clip_dir / "metadata" / CLIP_JSON).write_text(info.to_json())
span = f"{altitudes.min():.2f} to {altitudes.max():.2f} m"
print(f"{pack.root}: {len(frames)} frames, {span} above the sea")

# %% [markdown]
# ## Which animal?
#
# Points on the animal and beside it, as in lesson 1. These were clicked on the clip's first frame: nine from
# the beak to the flukes, seven in the sea. **Click the beak's tip and the flukes:** what is thin is what a
# segmenter misses, and where a length begins and ends.
#
# The cell after the next one makes the masks, which takes ten to thirty seconds, as long as the fit will.
#
# For a clip of your own there is a page on which you click, with undo and zoom. In a terminal
# `dolphins prompts out/my_clip` opens it, and it saves such a file. In a new cell below this one, `from
# course_lib import prompts; prompts.ask(pack)` shows it here, and it gives you a line to run.

# %%
from course_lib.segmentation import Clip

PROMPTS = FOOTAGE / "prompts.json"  # of your own: the file that the page saved
shutil.copy(PROMPTS, pack.prompts_path)

clip = Clip.of(pack)
points, labels = np.array(clip.prompts["points"]), np.array(clip.prompts["labels"])
figure, axis = plt.subplots(figsize=(6.4, 5), layout="constrained")
axis.imshow(clip.read(clip.prompts["frame"]))
dots = dict(c="white", edgecolors="black", s=30, label="on the dolphin (1)")
axis.scatter(*points[labels == 1].T, **dots)
crosses = dict(c="black", edgecolors="white", s=50, marker="X", label="beside it (0)")
axis.scatter(*points[labels == 0].T, **crosses)
(left, top), (right, bottom) = points.min(0) - 40, points.max(0) + 40
axis.set(xlim=(left, right), ylim=(bottom, top))
axis.legend(loc="lower right")

# %%
from course_lib.segmentation import segment_clip

masks_dir = segment_clip(pack, method="tracker", force=True)
doubtful = masks_dir.with_name(f"{masks_dir.name}_doubtful.png")
Image.open(doubtful)

# %% [markdown]
# The picture shows the masks of which the tracker is least sure. **Look at the tips.** On this animal the
# beak is deepest in the water, and in many frames its last few pixels are missing. In some a tip of the
# flukes is missing as well. No later step of this lesson brings back what a mask has lost.

# %% [markdown]
# ## Exercise 12 · Apparent depth
#
# *{points of apparent_depth}, bonus · 15 to 20 minutes · difficulty ●●● · importance ●●○*
#
# **Why.** The camera sees an animal not at its depth $d$, but at its **apparent depth** $q$, nearer to the
# surface. Lesson 5 took $q = d/1.34$, which is right only straight below the drone. Your animal may be beside
# it.
#
# **The formulas.** Snell's law, for a ray that leaves the water at the angle $a$ to the vertical:
#
# $$\frac{d}{q} = \sqrt{n^2 + (n^2 - 1)\tan^2 a}, \qquad \tan a = \frac{r}{h + q}$$
#
# with the water's refractive index $n$, the camera's altitude $h$ and the horizontal distance $r$; the sea is
# assumed to be flat. The unknown $q$ stands on both sides, so there is no formula for it: solve for it
# **numerically**. The second result is the derivative $\partial q / \partial d$, with $r$ and $h$ fixed. You
# need it for the interval.
#
# | | shape | what |
# |---|---|---|
# | `depth`, `distance`, `altitude` | one shape, whichever | metres; depth is negative above the water |
# | `index` | number | the refractive index |
# | results | the same shape, twice | $q$ in metres, $\partial q / \partial d$ |
#
# Above the water $q = d$, and the derivative is 1. Straight below the drone $q = d/n$, and it is $1/n$.
#
# ![A drone above the sea, an animal under it at depth d. The ray from the animal bends at the surface; the
# camera sees it along the straight line in the air, which leads to a point right above the animal at depth
# q.](pictures/apparent.png)
#
# <details><summary>Hint 1: an equation for q</summary>
#
# $f(q) = q \sqrt{n^2 + (n^2 - 1)\tan^2 a} - d$ is 0 at the right $q$, and grows with $q$. Start from $d/n$.
# </details>
# <details><summary>Hint 2: solve it</summary>
#
# **Bisection:** the right $q$ lies between 0 and $d/n$. Halve that 40 times, in all places at once, with
# `torch.where`. Or **Newton's method:** $q \leftarrow q - f(q)/f'(q)$, five steps. With
# $s = \sqrt{n^2 + (n^2 - 1)\tan^2 a}$ the slope is $f'(q) = s - (n^2 - 1)\tan^2 a \; q / ((h + q)\, s)$.
# </details>
# <details><summary>Hint 3: the derivative</summary>
#
# At the solution $f(q) = 0$ for every $d$. Differentiate both sides: $f'(q)\, \mathrm{d}q = \mathrm{d}d$, so
# $\partial q/\partial d = 1/f'(q)$. This is the **implicit function theorem**: you need no derivative of the
# loop that found $q$.
# </details>
# <details><summary>Hint 4: above the water</summary>
#
# Solve for `depth.clamp(min=0)`, so that nothing there becomes NaN; then `torch.where(depth > 0, q, depth)`.
# </details>

# %% exercise="apparent_depth"
import torch

from solutions.measuring import apparent_depth
# stub apparent_depth
#     under = ...                                 # the depth, 0 above the water
#     q = ...                                     # where to start
#     for _ in range(...):
#         ...
#     return ...

# %%
depths = torch.linspace(0, 4, 81)
curves = {"no refraction": depths}
for distance in (0.0, 5.0, 10.0):
    beside, above = (torch.full_like(depths, value) for value in (distance, 9.0))
    q, _ = or_the_courses(apparent_depth)(depths, beside, above)
    curves[f"{distance:g} m beside a drone 9 m up"] = q
show.lines(depths, curves, "depth, m", "apparent depth, m")

# %% check="apparent_depth"
from course_lib import check

check.apparent_depth()

# %%
from course_lib.keep import keep

keep(apparent_depth)

# %% [markdown]
# <details><summary>A question to think about: the fit uses q = d/1.34 everywhere. When is that good
# enough?</summary>
#
# At the lower right of your curves, 4 m deep and 10 m beside a drone 9 m up, the ray is 41 degrees off the
# vertical, and $d/n$ is 15 % too deep. Our animal stays within 4 m of the point below the drone, 23 degrees,
# and is half a metre deep. There $d/n$ is at most 1.5 cm too deep, which makes its length wrong by 0.2 %. So
# fly over the animal.
# </details>

# %% [markdown]
# ## The fit
#
# The loop of lesson 4 with the default recipe. It reads frame rate, camera and altitudes from the pack. It
# takes half a minute on two CPU cores.

# %%
from course_lib.dolphin_model import DolphinModel
from course_lib.scene import DolphinScene
from course_lib.video import SegmentedVideo
from solutions.recipes import DefaultRecipe

PASSES = 6 if small() else 50

dataset = SegmentedVideo(pack)
model = DolphinModel(pack, rodrigues=batch_rodrigues)
torch.manual_seed(0)
scene = DolphinScene(model, len(dataset))
recipe = DefaultRecipe(scene, dataset, batch_size=7, steps=PASSES, seed=0)
parts = recipe.render, recipe.compute_loss, recipe.optimizer
history = fit(scene, recipe.loader, *parts, PASSES)
recipe.finish()

with torch.no_grad():
    batches = torch.arange(len(dataset)).split(20)
    vertices = torch.cat([scene.skin(t) for t in batches])  # (T, V, 3)
    rest = scene.rest_shape()  # (V, 3), stretched out straight
fitted_length = float(body_length(rest))
litres = 1000 * float(mesh_volume(rest, model.F))
print(f"length {fitted_length:.2f} m, volume {litres:.0f} litres")

# %% [markdown]
# **Do not believe it yet.** First look: white is the outline of the mask, orange that of the fitted animal.
# (Small orange rings on the back and at the flippers are holes of a pixel or two in the render, where a thin
# fin is seen almost edge-on: the back-face culling of lesson 3.)

# %%
from course_lib import metrics
from course_lib.dolphin_model.shape_modes import far_from_template
from course_lib.window import cut, window_camera

WINDOW = torch.tensor([176, 132])  # width, height in pixels


@torch.no_grad()
def outlines(t):
    """Of the frames t (B,): picture (B, h, w, 3), mask, fitted animal (B, h, w)."""
    corner = (dataset.segment_centers[t] - WINDOW / 2).round().long()
    left, top = corner.clamp(min=0).minimum(torch.tensor([W, H]) - WINDOW).unbind(-1)
    size = WINDOW.tolist()
    cam = window_camera(dataset.cameras(t, scene.water_index), left, top, *size)
    _, hard_mask, _ = render(scene, t, cam)
    mask = cut(dataset.masks, t, left, top, *size) > 127
    return cut(dataset.frames, t, left, top, *size), mask, hard_mask[..., 0] > 0


shown = torch.linspace(0, len(dataset) - 1, 4).long()
figure, axes = plt.subplots(2, 2, figsize=(10, 7.6), layout="constrained")
for axis, t, picture, *masks in zip(axes.flat, shown, *outlines(shown)):
    axis.imshow(picture)
    for mask, colour, wide in zip(masks, ("white", "#ff9d3c"), (3, 1.3)):
        axis.contour(mask, [0.5], colors=colour, linewidths=wide)
    axis.set_title(f"frame {t}")
    axis.axis("off")
overlap = torch.cat([metrics.mask_iou(*outlines(t)[1:]) for t in batches])  # (T,)
worst = f"{overlap.min():.3f} in the worst frame"
print(f"IoU with the masks: {overlap.mean():.3f} on average, {worst}")
odd = far_from_template(model, rest)
print("\n".join(odd) or "No part of it is far from the template's proportions.")

# %%
time_s = torch.arange(len(dataset)) / dataset.fps  # (T,) seconds
every = 12 if small() else 8
show.mesh_viewer(vertices, model.F, every=every, time_s=time_s, track=vertices.mean(1))

# %% [markdown]
# ## Exercise 13 · The interval of a length
#
# *{points of length_interval}, bonus · 10 to 15 minutes · difficulty ●●○ · importance ●●●*
#
# **Why.** Altitude, depth, the two ends in the picture: each is known only up to an error, whose standard
# deviation we know. Which of them should you measure better next time?
#
# **The formula.** You have any function $L(x)$ of what is measured. To first order each error $\sigma_i$
# moves it by $\partial L/\partial x_i \, \sigma_i$. They are independent, so their squares add up:
#
# $$\sigma^2 = \sum_i \Big(\frac{\partial L}{\partial x_i}\,\sigma_i\Big)^2, \qquad
# \text{from } L - 1.96\,\sigma \text{ to } L + 1.96\,\sigma, \qquad
# \text{share}_i = \Big(\frac{\partial L}{\partial x_i}\,\sigma_i\Big)^2 \Big/ \sigma^2$$
#
# This is the **delta method**, also called propagation of uncertainty. That 1.96 standard deviations hold
# 95 % supposes errors that are about normal. Autograd gives the derivatives, so that you need not derive
# anything by hand.
#
# | | what |
# |---|---|
# | `length_of` | a function: takes a dict of tensors (), gives the length, a tensor (), metres |
# | `values`, `sds` | dicts of numbers with the same names, not always in the same order |
# | results | low and high, metres; shares, a dict: each source's part of the variance |
#
# If all standard deviations are 0, the interval is the length itself and all shares are 0.
#
# <details><summary>Hint 1: leaves</summary>
#
# Autograd needs tensors that ask for a gradient: `torch.tensor(value, dtype=torch.float64)` with
# `requires_grad_()`, one for each name, in a dict. Give that to `length_of`.
# </details>
# <details><summary>Hint 2: what does not matter</summary>
#
# Where the length does not depend on a source, `.grad` stays None after `backward()`, and
# `torch.autograd.grad` raises without `allow_unused=True`. Such a source has the share 0.
# </details>
# <details><summary>Hint 3: what adds up</summary>
#
# Not the standard deviations, but their squares: 3 cm and 4 cm make 5 cm, and not 7.
# </details>

# %% exercise="length_interval"
import math

import torch

from solutions.measuring import length_interval
# stub length_interval
#     x = ...                                     # a dict of tensors ()
#     length = length_of(x)
#     slopes = ...                                # the derivative by each of them
#     ...

# %% check="length_interval"
from course_lib import check

check.length_interval()

# %%
from course_lib.keep import keep

keep(length_interval)

# %% [markdown]
# **Your animal.** The animal is $p$ pixels long in the picture, at the distance $h + q(d)$ from a camera with
# the focal length $f$ in pixels:
#
# $$L = p\,\frac{h + q(d)}{f}$$
#
# The fit has found $p$ from all frames together. We compute it back from the fitted length, and ask how the
# length changes with each of the other numbers. Here your functions of exercises 11, 12 and 13 come together.

# %%
middle = vertices.mean(1)  # (T, 3)
depth, beside = -middle[:, 1].mean(), middle[:, [0, 2]].norm(dim=-1).mean()  # metres
height = dataset.cam_eye[:, 1].mean()
q, slope = or_the_courses(apparent_depth)(depth, beside, height)


def seems_deep(d):
    """The apparent depth at a depth d (), near the animal's, to first order."""
    return q + slope * (d - depth)


def length_of(x):
    """The length in metres from what is measured, a dict of tensors ()."""
    return x["pixels"] * (x["altitude"] + seems_deep(x["depth"])) / x["focal"]


def measured(**other):
    """What was measured, and its standard deviations; other: more values."""
    focal = lens.focal_pixels(W)
    pixels = fitted_length * focal / float(height + seems_deep(depth))
    place = dict(altitude=height.item(), depth=depth.item())
    values = dict(pixels=pixels, focal=focal) | place
    sds = dict(pixels=2.0, altitude=altitude_sd, depth=FIN_OUT_SD, focal=0.0)
    return values | other, sds


values, sds = measured()
interval_of = or_the_courses(length_interval)
low, high, shares = interval_of(length_of, values, sds)
print(f"{fitted_length:.2f} m, 95 %: {low:.2f} to {high:.2f} m\n")
for name, share in shares.items():
    number = f"{name:9}{values[name]:9.2f}, standard deviation {sds[name]:.2f}"
    print(f"{number}:{100 * share:4.0f} % of the variance")

# %% [markdown]
# Two pixels for both ends together, because beak and flukes are thin. The focal length has the standard
# deviation 0: the board was seen through the same lens. Without the board the barometer's standard deviation
# would be a metre, and the camera's 3 %, as much as the makers' numbers differ from source to source:

# %%
values, sds = measured()
for name, changed in {
    "as it is": {},
    "no board": dict(altitude=1.0, focal=0.03 * values["focal"]),
    "a laser altimeter, no board": dict(altitude=0.1, focal=0.03 * values["focal"]),
    "a board, and two pixels become one": dict(pixels=1.0),
}.items():
    low, high, shares = interval_of(length_of, values, sds | changed)
    most = max(shares, key=shares.get).replace("focal", "focal length")
    percent = 50 * (high - low) / fitted_length
    print(f"{name:36}± {percent:4.1f} %, mostly from the {most}")

# %% [markdown]
# ## What each trap would have cost
#
# The same animal, the same pixels:

# %%
values, _ = measured()
drone = values["altitude"] - correction  # what the drone says, from the sea
traps = {
    "nothing is forgotten": {},
    "no board": dict(altitude=drone),
    "no board, no launch height": dict(altitude=drone - LAUNCH_HEIGHT),
    "focal_len 22.00 taken for millimetres": dict(focal=W * 22 / lens.sensor_width_mm),
    "the camera of lessons 1 to 5": dict(focal=W * 12.29 / 17.27),
    "an animal half a metre deeper": dict(depth=values["depth"] + 0.5),
}
for name, wrong in traps.items():
    x = {key: torch.tensor(value) for key, value in (values | wrong).items()}
    length = float(length_of(x))
    print(f"{name:40}{length:5.2f} m {100 * (length / fitted_length - 1):+5.0f} %")

# %% [markdown]
# None of these makes the fit look bad: the outlines would be covered just as well. **A wrong altitude
# leaves no trace in the picture.**

# %% [markdown]
# ## Exercise 14 · A volume from widths
#
# *{points of volume_from_widths}, bonus · 10 to 15 minutes · difficulty ●●○ · importance ●●○*
#
# **Why.** Biologists do not fit meshes. They measure the width at every 5 % of the length, take the height
# from animals that were measured on land, and pile up slices. Your number should be comparable with theirs.
#
# **The formula.** The body is cut into pieces between stations. All cross-sections are ellipses; width and
# height change linearly from station to station, each by itself. A piece of the length $d$, from $w_0, h_0$
# to $w_1, h_1$, holds
#
# $$V = \frac{\pi d}{24}\,\big(2 w_0 h_0 + w_0 h_1 + w_1 h_0 + 2 w_1 h_1\big)$$
#
# | | shape | what |
# |---|---|---|
# | `length` | () or (B,) | metres |
# | `widths`, `heights` | (S,) or (B, S) | metres, whole axes, at `STATIONS`, see below |
# | result | () or (B,) | cubic metres |
#
# `STATIONS` are shares of the length from the beak's tip, from 5 % to 85 %. At the tip (0 %) and at the
# flukes' end (100 %) widths and heights are 0. So there are 18 pieces, and the last is 15 % of the length.
# Gradients must flow to all three arguments.
#
# ![A dolphin's body from above, cut into 18 slices: 17 of 5 % of its length, and a last one of 15 %. Below
# are a few of its elliptical cross-sections: they grow from the beak to the middle and shrink to the
# tail.](pictures/slices.png)
#
# <details><summary>Hint 1: both ends</summary>
#
# `torch.nn.functional.pad(widths, (1, 1))` adds a zero at both ends of the last dimension. The places are
# `[0, *STATIONS, 1]`.
# </details>
# <details><summary>Hint 2: neighbours</summary>
#
# `w[..., :-1]` and `w[..., 1:]` are front and back of each piece, of one animal and of many.
# </details>
# <details><summary>Hint 3: one animal or many</summary>
#
# Sum over the last dimension, and multiply by the length afterwards. Then the shapes fit without a loop.
# </details>

# %% exercise="volume_from_widths"
import torch

from course_lib.photogrammetry import STATIONS
from solutions.measuring import volume_from_widths
# stub volume_from_widths
#     places = ...                                # (S + 2,) shares of the length
#     w, h = ...                                  # (..., S + 2) each
#     ...

# %% check="volume_from_widths"
from course_lib import check

check.volume_from_widths()

# %%
from course_lib.keep import keep

keep(volume_from_widths)

# %% [markdown]
# Widths and heights of the fitted animal, and both volumes. The mesh has fins, which the slices leave out.

# %%
from course_lib.photogrammetry import STATIONS, body_edges, body_spans

edges = body_edges(model)  # of the body's faces, without fins
spans = [body_spans(rest.numpy(), edges, axis) for axis in (0, 1)]
widths, heights = torch.tensor(np.array(spans), dtype=torch.float32)  # (S,) each
volume_by = or_the_courses(volume_from_widths)
slices = 1000 * float(volume_by(body_length(rest), widths, heights))
print(f"by slices {slices:.0f} litres, by the mesh {litres:.0f} litres")

# %% [markdown]
# **Its interval**, with your function of exercise 13. The widths come from the picture and scale with the
# size of a pixel on the animal, and so do the heights. The two ends matter for the length alone. Two sources
# are new: the outline, with half a pixel for each side of the body, and the heights, with 8 %; they are not
# seen at all, and may all be off together.

# %%
values, sds = measured(outline=0.0, height=1.0)
fitted_pixel = fitted_length / values["pixels"]  # metres on the animal


def volume_of(x):
    """The volume in litres from what is measured."""
    length = length_of(x)
    pixel = length / x["pixels"]  # metres on the animal
    wide = (widths / fitted_pixel + x["outline"]) * pixel
    high = heights / fitted_pixel * x["height"] * pixel
    return 1000 * volume_by(length, wide, high)


more = dict(outline=1.0, height=0.08)
low, high, shares = interval_of(volume_of, values, sds | more)
print(f"{slices:.0f} litres, 95 %: {low:.0f} to {high:.0f} litres")
for name, share in sorted(shares.items(), key=lambda item: -item[1]):
    print(f"{name:9}{100 * share:4.0f} % of the variance")

# %% [markdown]
# ## The truth
#
# `intervals`, from lesson 5, knows more sources than your formula: the camera may lean, the masks are off
# here and there, the animal bends. But its interval of the length is narrower: your two pixels for the ends
# make ± 3.4 %, and it finds half of that for the outline in all frames, where many small errors cancel.
# Beside it stands the truth, from the program that drew the video.

# %%
import json

from course_lib.photogrammetry import STATIONS, body_edges, body_spans
from course_lib.priors import held_by
from course_lib.uncertainty import SOURCES, intervals

edges = body_edges(model)


def sizes(rest):
    """Length, litres, and the widths at every 5 % of the length."""
    volume = 1000 * float(mesh_volume(rest, model.F))
    spans = dict(zip(STATIONS, body_spans(rest.numpy(), edges)))
    return dict(length=float(body_length(rest)), volume=volume) | spans


found = intervals(scene, dataset, held_by(dataset.known), sizes)
truth = json.loads(TRUTH.read_text()) if TRUTH else {}
true = dict(length=truth.get("length_m"), volume=1000 * truth.get("volume_m3", 0))
for name, unit, digits in (("length", "m", 2), ("volume", "litres", 0)):
    one = found[name]
    ends = f"95 %: {one.low:.{digits}f} to {one.high:.{digits}f}"
    print(f"{name:7}{one.median:.{digits}f} {unit}, {ends}", end="")
    print(f"; in truth {true[name]:.{digits}f}" if truth else "")
print(f"\n{'one source alone (95 %)':36}  length    volume")
for source, words in SOURCES.items():
    parts = [196 * found[name].sources.get(source, 0) for name in ("length", "volume")]
    if any(parts):
        print(f"{words:36} ±{parts[0]:4.1f} %   ±{parts[1]:4.1f} %")
if truth:
    off = float(altitudes.mean()) - np.mean(truth["altitude_m"][-len(altitudes) :])
    print(f"\naltitude: off by {off:+.2f} m, {100 * off / altitudes.mean():+.1f} %")
    print(f"the fin's tip: {truth['fin_out_m']:+.2f} m; {FIN_OUT:+.2f} m was assumed")
ones = [found[station] for station in STATIONS]
ends = [one.low for one in ones], [one.high for one in ones]
show.size_figure(rest, model.F, STATIONS, [one.median for one in ones], *ends)

# %% [markdown]
# Four things to see.
#
# **The altitude** is right to half a per cent, thanks to the board. Without it, every length would have been
# 6 % less.
#
# **The length** is 3 % too short, and the interval holds the truth. In one clip of twenty a 95 % interval
# misses the truth. And you know where to look: at the tips, whose last pixels the masks have lost. (In a
# terminal, `dolphins segment` draws the masks a second time, where a short fit says that the outline is.
# With these the same fit says about 2.15 m. Here it cannot, for that fit is what you build in lesson 4.)
#
# **The volume** is some 10 % too large, and its interval is wide enough for that. The masks reach a little
# into the water beside the body. A pixel more on each side makes it 8 % wider at its widest, and the volume
# about 11 % larger. The heights come from the template, and this animal has other proportions.
#
# **The fit told none of this.** It covered its masks well. What made the number believable was what you did
# around it: a known length, an altitude with its standard deviation, a look at the tips.
#
# <details><summary>A question to think about: you measure the same animal again a month later, and it is
# 2 % longer. Has it grown?</summary>
#
# You cannot tell. But the two intervals are not independent: the template's heights, how you click, the
# masks' lost tips are the same in both. What differs is the altitude's bias of that day. So a *difference*
# may be surer than each length by itself, if you calibrate each flight. Better still: measure the animal in
# several clips of each day.
# </details>

# %% [markdown]
# ## With your own drone
#
# | before you fly | why |
# |---|---|
# | film a floating board, a pole or your boat once | it finds the altitude's bias, whatever its cause |
# | write down from how high you took off | `rel_alt` counts from there |
# | straight down, above the animal | refraction is smallest, and the outline shows true widths |
# | low, so that it is 100 pixels long or more; no zoom | two pixels are then 2 % or less |
# | the sun behind you, or clouds | glare hides the outline |
# | switch on *video captions* in the drone's app | it writes the telemetry (.SRT) |
#
# **What works:** one whole animal at a time, seen from above, clear of glare, in water that is smooth against
# it. The template is a bottlenose dolphin; of a whale or a turtle it makes nonsense. Two animals that touch,
# one that leaves the picture, a drone that leans by more than some degrees: choose another part of the
# video.
#
# **In a terminal**, without a notebook:
#
#     dolphins clip VIDEO --telemetry FILE --from 0:12 --to 0:16 --camera NAME --out my_clip
#     dolphins prompts my_clip                             # click, save, and take what was saved
#     dolphins segment --pack my_clip
#     dolphins doctor --pack my_clip                       # what is assumed, and what that costs
#     dolphins demo --pack my_clip --out out/my_clip       # a page with size, intervals, doubts
#     dolphins measure my_clip other_clip --out season     # a table of many
#
# `dolphins measure` also writes widths in the form of MorphoMetriX, the program with which biologists measure
# by hand, so that you can lay both beside each other.
#
# *References: Christiansen et al., Estimating body mass of free-living whales using aerial photogrammetry and
# 3D volumetrics, Methods in Ecology and Evolution, 2019, DOI 10.1111/2041-210X.13298; Torres and Bierlich,
# MorphoMetriX: a photogrammetric measurement GUI, Journal of Open Source Software, 2020, DOI
# 10.21105/joss.01825.*
#
# **Keep everything together:** your clip, its telemetry, your notes. A number whose notes are lost is worth
# little.
