# %% [markdown]
# # Lesson 1 · Find the dolphin in the video
#
# **You will be able to** say what a drone's clip holds and how many centimetres a pixel is, get a mask for
# each of its frames from a few points on one of them, measure how good the masks are, and look at data before
# you compute with it.
#
# **Minutes:** 30 to 45. **You need to know:** Python and NumPy; what a PyTorch tensor and its shape are.
#
# Each exercise says how hard it is (difficulty) and how much the rest of the course needs it (importance),
# each with up to three dots. Its hints and, at the end, its solution are folded: click to open them.
#
# ![The path of the course: segment, template, render, fit, results; you are at segment.](pictures/path_1.png)

# %% setup=1
from course_lib.environment import setup

setup(lesson=1)

# %% [markdown]
# ## What the data is
#
# A drone hovers over the sea, its camera looks straight down, and a dolphin swims a loop: 200 frames, 50 per
# second. With each frame the drone recorded its altitude. That is all we have: no second camera, no marks on
# the animal. This is **monocular** reconstruction, from one view.
#
# The clip that comes with the course is synthetic: a program drew the sea, the sun and an animal that the
# model of the later lessons cannot match exactly. The advantage is that the truth is known, so we can measure
# how good our methods are. Clips of real animals have the same files, without the truth.
#
# The course follows, in its own words and code, the *3D Reconstruction Lab* of STAG 2025, by D. Baieri,
# S. Zuffi and S. Melzi. Where a text says *the tutorial*, it means that one. The full method behind it:
# D. Baieri, R. Cicciarella, M. Krützen, E. Rodolà and S. Zuffi, *Model-based Metric 3D Shape and Motion
# Reconstruction of Wild Bottlenose Dolphins in Drone-Shot Videos*, CV4Animals workshop at CVPR 2025, arXiv
# 2504.15782.

# %%
from matplotlib import pyplot as plt

from course_lib.assets import find_pack
from course_lib.segmentation import Clip

pack = find_pack()
clip = Clip.of(pack)  # the frames, each read when it is asked for, and the prompts
figure, axes = plt.subplots(1, 3, figsize=(12, 2.6), layout="constrained")
for axis, t in zip(axes, (0, 100, 199)):
    axis.imshow(clip.read(t))  # (H, W, 3) bytes, red, green, blue
    axis.set(title=f"t = {t / 50:.2f} s", xlabel="x (pixels)")

# %% [markdown]
# ## How large is a pixel?
#
# In a **pinhole camera** the size of an object divided by the size of its image on the sensor is its distance
# divided by the focal length. With the altitude $h$, the sensor's width $s$, the focal length $f$ and an
# image $W$ pixels wide, the camera sees a strip of the sea that is $h\,s/f$ wide. So one pixel, the **ground
# sampling distance**, is
#
# $$g = \frac{h}{W}\,\frac{s}{f}\quad\text{metres of sea surface.}$$
#
# If the altitude is wrong by one per cent, every length that we measure is wrong by one per cent. The formula
# assumes a camera that looks straight down, a lens without distortion, and an object at the surface. What
# lies under water is further away, and refraction changes how far it seems to be: see lessons 2, 5 and 6.

# %%
from course_lib.assets.clip_files import load_altitudes
from course_lib.video import CAMERA_FOCAL, SENSOR_WIDTH

altitudes = load_altitudes(pack.altitude_path, len(clip))  # (T,) metres
W, H = clip.size_wh
pixel = altitudes.mean() / W * SENSOR_WIDTH / CAMERA_FOCAL  # metres
print(f"focal length {CAMERA_FOCAL} mm, sensor {SENSOR_WIDTH} mm, {W} x {H} pixels")
print(f"altitude {altitudes.min():.1f} to {altitudes.max():.1f} m")
print(f"a pixel is {100 * pixel:.1f} cm of the sea's surface")
print(f"a dolphin of 2.6 m is about {2.6 / pixel:.0f} pixels long")

# %% [markdown]
# ## Prompts: telling the computer what we mean
#
# We say what we want with a few **points on one frame**: some on the animal (label 1), some beside it (label
# 0). They are in the clip's `metadata/prompts.json`. For a clip of your own you click them (lesson 6), or
# note some pixels in any image viewer, and write such a file.

# %%
import numpy as np

first = clip.prompts["frame"]
points, labels = np.array(clip.prompts["points"]), np.array(clip.prompts["labels"])
figure, axis = plt.subplots(figsize=(8, 4.5), layout="constrained")
axis.imshow(clip.read(first))
on, beside = points[labels == 1].T, points[labels == 0].T
dots = dict(c="white", edgecolors="black", s=40, label="on the dolphin (1)")
axis.scatter(*on, **dots)
crosses = dict(c="black", edgecolors="white", s=60, marker="X", label="beside it (0)")
axis.scatter(*beside, **crosses)
axis.legend(loc="lower right")

# %% [markdown]
# ## Segmentation
#
# **Segmentation** gives every pixel a label; ours is 1 on the dolphin and 0 beside it, a **mask**. There are
# two ways here.
#
# - **SAM-2**, a network trained on many videos. From the points it finds the object's outline, remembers what
#   the object looks like, and carries the mask from frame to frame. It works on nearly anything, and is slow
#   without a GPU.
# - **A tracker** without a network, which runs anywhere. It learns from the points what the animal and the
#   water around it look like, and decides for each pixel which of the two it shows.
#
# First the tracker. It learns from the points what the animal and the water beside it look like. How much a
# pixel of colour $c$ looks like the animal, whose colour is $a$, and not like the water, whose is $w$, is
#
# $$\frac{|c - w|}{|a - w|}$$
#
# 0 is water and 1 the animal's back. One frame leaves much open: some water has the animal's colour by
# chance, and pale flukes may have the water's. But the animal moves otherwise than the water. So the tracker
# looks for it in all frames, turns each until the animal lies as in the others, and takes the mean of all:
# the animal gets clear, and the water around it even. This makes all 200 masks, in half a minute; most of the
# time goes by before the first one:

# %%
import time

from course_lib.machine import small
from course_lib.progress import tqdm
from course_lib.tracker import Tracker, unlike

T = 20 if small() else len(clip)
tracker = Tracker(clip.read, T, clip.prompts, clip.silhouette)
begun = time.perf_counter()
tracked = dict(tqdm(tracker.propagate({}), total=T))  # {t: (H, W) bool}
tracked = np.stack([tracked[t] for t in range(T)])  # (T, H, W)
seconds, lost = time.perf_counter() - begun, len(tracker.lost)
print(f"{T} masks in {seconds:.0f} s; the dolphin was lost in {lost} frames")

mask = tracker.on > 0.5  # (h, w), as the mean
figure, axes = plt.subplots(2, 2, figsize=(12, 6), layout="constrained")
pictures = {
    "one frame, turned": tracker.stack[0].clip(0, 255).astype(np.uint8),
    "the mean of all frames": tracker.mean.clip(0, 255).astype(np.uint8),
    "how much it looks like the animal": unlike(tracker.mean, mask)[0],
    "the mask that the tracker makes of it": 1.0 * mask,
}
for axis, (title, picture) in zip(axes.flat, pictures.items()):
    axis.imshow(picture, cmap="cividis")  # yellow where it looks like the animal
    axis.set_title(title)

# %% [markdown]
# The mask is the region that looks most like the animal for the shortest outline; where colours leave it
# open, the silhouette of the template has a say. In each frame this mask is laid where the animal is, and its
# edge moved a little, as the animal bends and banks. No segmenter is perfect. How good a mask is, we measure
# below.

# %% [markdown]
# ## SAM-2, if you like
#
# **You do not need it.** The clip comes with masks like those of a good segmenter: what is visible of the
# animal, with small errors along the outline. All that follows, in every lesson, uses these and not the
# tracker's.
#
# `segment_clip` makes masks with SAM-2 and writes them as files. It is made for GPUs; on two CPU cores,
# expect half a minute for each frame. It downloads 0.9 GB of weights the first time (0.2 GB without a GPU),
# so nothing happens until you set the switch. It also needs the package. In a terminal, with the course's
# Python: `pip install hydra-core iopath huggingface_hub`, then `SAM2_BUILD_CUDA=0 pip install --no-deps
# --no-build-isolation sam2==1.1.0`.

# %%
RUN_SAM2 = False

from course_lib.machine import choose_device, has_module
from course_lib.segmentation import segment_clip

if RUN_SAM2:
    segment_clip(pack, method="sam2", out="sam2_masks", resume=True)
else:
    there = "installed" if has_module("sam2") else "not installed"
    print(f"SAM-2 is {there}, the device is {choose_device()}; RUN_SAM2 is False.")

# %% [markdown]
# ## How good is a mask?
#
# Compare it with the true one. If $A$ and $B$ are the sets of white pixels, their **intersection over union**
# is
#
# $$\mathrm{IoU}(A, B) = \frac{|A \cap B|}{|A \cup B|}$$
#
# It is 1 if they are equal and 0 if they have no pixel in common. Why not count the pixels that are right?
# More than 99 % of a frame is water: a mask that is black all over is right there, and its IoU is 0.
#
# ![Two overlapping outlines of dolphins. On the left the pixels that both have are coloured, the
# intersection; on the right the pixels that at least one has, the union.](pictures/iou.png)

# %%
import torch

from course_lib import metrics, show
from course_lib.video import SegmentedVideo

if pack.truth_path:
    truth = metrics.load_truth(pack.truth_path, T).masks  # (T, H, W) bool
    with_clip = SegmentedVideo(pack, frames=T).masks > 0  # those of the clip
    grow = torch.nn.MaxPool2d(3, stride=1, padding=1)
    thicker = grow(truth[:, None].float())[:, 0] > 0
    candidates = {
        "the tracker's masks": torch.from_numpy(tracked),
        "the masks in the clip's folder": with_clip,
        "the truth, one pixel thicker": thicker,
        "all black": torch.zeros_like(truth),
    }
    for name, masks in candidates.items():
        overlap = metrics.mask_iou(masks, truth)  # (T,)
        right = 100 * (masks == truth).float().mean()
        ious = f"mean IoU {overlap.mean():.3f}, worst {overlap.min():.3f}"
        print(f"{name:31} {ious}, pixels right {right:.2f} %")
else:
    print("The truth of this clip is not known: look at the masks, in exercise 1.")

# %% [markdown]
# Read the third line: **one pixel** too much all along the outline costs a fifth of the IoU, because the
# dolphin is small. An IoU of 0.87 means that the outline is off by less than a pixel on average. A part of
# that is not the tracker's fault: waves bend the light (refraction), so the visible outline is not quite
# where a flat sea would show it. The true masks are those of a flat sea.
#
# The fourth line shows why we do not count right pixels: all black is 99.4 % right. The first three are all
# between 99.8 and 100 % right; their IoU tells them apart.

# %%
if pack.truth_path:
    ious = {
        "tracker": metrics.mask_iou(torch.from_numpy(tracked), truth),
        "masks with the clip": metrics.mask_iou(with_clip, truth),
    }
    time_s = np.arange(T) / 50
    show.series_over_time({"IoU with the truth": ious}, time_s, panel_height=220).show()

# %% [markdown]
# ## The clip as a dataset
#
# `SegmentedVideo` reads frames, altitudes and the masks that came with the clip (not those that you have just
# made). Like other datasets of PyTorch it gives one sample at a time, here one frame as a dictionary. It
# checks the files, and says which is missing or does not fit.
#
# | key | shape | what |
# |---|---|---|
# | `original` | (H, W, 3) | the frame, RGB, from 0 to 1 |
# | `segmented` | (H, W, 1) | its mask, 0 or 1 |
# | `segm_center` | (2,) | the mask's centre, from -1 to 1, x right, **y up** |
# | `t` | int | the frame's number |
# | `cam_eye`, `cam_at`, `cam_up` | (3,) | where the camera is, what it looks at, what is up; metres |
# | `cam_width`, `cam_height` | int | W, H |

# %%
dataset = SegmentedVideo(pack)
sample = dataset[0]
for key, value in sample.items():
    print(f"{key:12} {tuple(value.shape) if torch.is_tensor(value) else value}")
x, y, z = sample["cam_eye"].tolist()
print(f"\nThe camera of frame 0 is at ({x:.2f}, {y:.2f}, {z:.2f}); the sea at y = 0.")

# %% [markdown]
# The fit looks at a batch of frames at a time. `collate_batch` stacks samples and makes one object of all
# their cameras; a `DataLoader` calls it for random batches.

# %%
from torch.utils.data import DataLoader

from course_lib.video import collate_batch

loader = DataLoader(dataset, batch_size=7, shuffle=True, collate_fn=collate_batch)
batch = next(iter(loader))
shapes = [f"{name} {tuple(batch[name].shape)}" for name in ("original", "segmented")]
print(f"frames {batch['t'].tolist()}")
print(*shapes, f"{len(batch['cam'])} cameras", sep=", ")

# %% [markdown]
# ## Exercise 1 · Look at the data
#
# *{points of samples} · 10 to 15 minutes · difficulty ●○○ · importance ●●○*
#
# **Why.** A mask of the wrong frame, two colours swapped, an axis flipped: none of these raises an error, and
# each of them spoils the fit an hour later. Look at the data first, and you find them in a minute.
#
# **The task.** Show frames of the dataset above their masks. Column $k$ of the figure shows
# `dataset[indices[k]]`: the frame in row 0, the mask in row 1.
#
# | | what |
# |---|---|
# | `dataset` | a `SegmentedVideo`, as above; pixels, values from 0 to 1 |
# | `indices` | a list of $n$ frame numbers, $n \ge 1$, in any order; one may come twice; leave it unchanged |
# | result | a matplotlib `Figure`: 2 rows and $n$ columns of pictures, shown by `imshow`, not stretched |
#
# Show nothing else in the figure. The mask's colours are up to you, as long as dolphin and sea can be told
# apart. Do not invert its values: 1 is the dolphin.

# %% [markdown]
# **What you should see** when you try it below:
#
# ![Three columns: the frames 0, 100 and 199 with the grey dolphin on blue-green water, and below each its
# mask, white on black, with the dolphin at the same place.](pictures/samples.jpg)

# %% [markdown]
# <details><summary>Hint 1: a figure with several pictures</summary>
#
# `figure, axes = plt.subplots(rows, columns)` makes a figure and an array of axes; `axes[i,
# k].imshow(picture)` puts a picture into one of them. At the end, return `figure`.
# </details>
# <details><summary>Hint 2: shapes, and colours of a mask</summary>
#
# `imshow` takes (H, W, 3) as colours and (H, W) as numbers that it colours itself. The mask has shape (H, W,
# 1): take its only channel. By default numbers are shown from purple to yellow. For black and white choose
# `cmap="gray"`, and say with `vmin` and `vmax` which numbers are black and white.
# </details>
# <details><summary>Hint 3: one index</summary>
#
# With one column, `plt.subplots(2, 1)` gives an array of shape (2,), and `axes[0, 0]` fails. The option
# `squeeze=False` keeps it (2, 1). So: one loop over `enumerate(indices)`, in it one `dataset[index]` and two
# `imshow`.
# </details>

# %% exercise="samples"
from matplotlib import pyplot as plt

from solutions.preprocessing import show_samples
# stub show_samples
#     figure, axes = ...
#     for column, index in enumerate(indices):
#         ...
#     return figure

# %% [markdown]
# Try it:

# %%
figure = show_samples(dataset, [0, 100, 199])
plt.close("all")  # otherwise Jupyter shows a figure of pyplot a second time
display(figure)

# %% check="samples"
from course_lib import check

check.samples()

# %%
from course_lib.keep import keep

keep(show_samples)

# %% [markdown]
# <details><summary>A question to think about: which frames would you look at first?</summary>
#
# The first and the last, because counting goes wrong there. Those with the largest and the smallest mask.
# Those where the mask's area or centre jumps, because an animal does not jump. And some at random, to find
# what you did not think of. Let numbers choose the frames, and judge them with your eyes.
# </details>
#
# *References: Ravi et al., SAM 2: Segment Anything in Images and Videos, 2024, arXiv 2408.00714; Everingham
# et al., The PASCAL Visual Object Classes (VOC) Challenge, IJCV 88, 2010, DOI 10.1007/s11263-009-0275-4, for
# IoU as a measure of success.*
#
# **Next:** a dolphin that bends, in lesson 2.
