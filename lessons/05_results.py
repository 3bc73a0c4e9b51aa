# %% [markdown]
# # Lesson 5 · Look, doubt, measure
#
# **You will be able to** judge a 3D reconstruction: watch it in 3D and on the video, tell a wrong pose from a
# wrong description of a right pose, measure an animal on its mesh, and say what one camera cannot know.
#
# **Minutes:** 45 to 60, and 40 to 60 more for the two bonus exercises. **You need to know:** PyTorch
# indexing; rotation vectors (lesson 2).
#
# ![The path of the course: segment, template, render, fit, results; you are at results.](pictures/path_5.png)

# %% setup=5
from course_lib.environment import setup

setup(lesson=5)

# %% [markdown]
# What earlier lessons built comes from the course's solutions. Set `USE_MY_WORK = True` to use the functions
# that you kept. The folder `my_work` must then lie beside this notebook: if you kept them elsewhere, copy it
# here.

# %%
USE_MY_WORK = False

from solutions.rendering import render
from solutions.rotations import batch_rodrigues

if USE_MY_WORK:
    from my_work import batch_rodrigues, render

# %% [markdown]
# ## A finished fit
#
# Two finished fits of the clip come with the course, so that you need not wait. `"default"` was made with the
# better of its two recipes, `"tutorial"` with the tutorial's losses, weights and learning rates, and with one
# heading for all frames at the start. If you saved a fit of your own in lesson 4, name its file instead.
#
# The clip is synthetic, so the truth is known: where the animal was in every frame, and how it was bent. The
# fit never saw it. For a wild animal there is no truth to compare with, and you must judge the fit without
# it. (The cells below then leave out what they cannot compare.)

# %%
from pathlib import Path

import torch

from course_lib import metrics, show
from course_lib.assets import find_pack, ready_fit
from course_lib.machine import small
from course_lib.scene import DolphinScene
from course_lib.dolphin_model import DolphinModel
from course_lib.video import SegmentedVideo

FIT = ready_fit("default")  # or "my_work/dolphin_fit.pth"
NAME = "default fit" if FIT == ready_fit("default") else Path(FIT).stem

pack = find_pack()  # of a clip of your own: find_pack("its folder")
dataset = SegmentedVideo(pack)
truth = metrics.load_truth(pack.truth_path) if pack.truth_path else None
true_heading = truth.heading_deg if truth else None  # (T,) degrees
model = DolphinModel(pack, rodrigues=batch_rodrigues)
time_s = torch.arange(len(dataset)) / dataset.fps  # (T,) seconds


def load_fit(path):
    """The scene of a saved fit, its skin (T, V, 3), metres, its rotations (T, 3, 3)."""
    scene = DolphinScene(model, len(dataset), init_rot_up=pack.init_rot_up_deg)
    scene.load(path)
    with torch.no_grad():
        batches = torch.arange(len(dataset)).split(20)
        vertices = torch.cat([scene.skin(t) for t in batches])
        return scene, vertices, scene.rotations()


scene, vertices, rotmats = load_fit(FIT)
print(f"{FIT}: {len(vertices)} frames of {vertices.shape[1]} vertices")

# %% [markdown]
# ## Look at it in 3D
#
# Turn it with the mouse, zoom with the wheel, move the time slider, press Play. The blue sheet is the sea's
# surface. The colour is the distance of each point of the skin from where it truly was; the button *skin*
# shows plain skin.
#
# Look for what a video from above does not show: does the animal roll? Does it leave the water? Are its
# flippers in place?

# %%
error = {}
if truth:
    error_cm = 100 * (vertices - truth.vertices).norm(dim=-1)  # (T, V)
    error = dict(intensity=error_cm, intensity_title="cm off", intensity_max=20)
    share, most = 100 * (error_cm > 20).float().mean(), error_cm.max()
    print(f"The colours end at 20 cm; {share:.1f} % of all points are farther off,")
    print(f"the farthest by {most:.0f} cm.")
every = 40 if small() else 8  # small() is true in tests, which must be quick
shown = dict(every=every, time_s=time_s, track=vertices.mean(1))
show.mesh_viewer(vertices, model.F, **shown, **error)

# %% [markdown]
# Where is the error? The mean place of the skin can be compared direction by direction. The camera looks
# straight down: what it sees is x and z. And a video from above hardly shows the *roll*, the turn about the
# body's long axis.


# %%
def roll(rotmats):
    """The turn about the body's long axis in degrees, 0 if the back is up. -> (T,)"""
    return torch.rad2deg(torch.atan2(rotmats[:, 1, 0], rotmats[:, 1, 1]))


if truth:
    offset_cm = 100 * (vertices.mean(1) - truth.positions)  # (T, 3)
    x, y, z = offset_cm.square().mean(0).sqrt()
    print(f"{x:5.1f} cm   x, across the picture")
    print(f"{z:5.1f} cm   z, up in the picture")
    print(f"{y:5.1f} cm   y, the height: where the camera looks")
    off = metrics.angle_between(metrics.heading(rotmats), true_heading)
    our_roll = roll(rotmats)  # (T,)
    true_roll = roll(batch_rodrigues(truth.rotvecs))  # (T,)
    worst = int((our_roll - true_roll).abs().argmax())
    rolled = f"is {our_roll[worst]:.1f}°, in truth {true_roll[worst]:.1f}°"
    print(f"The heading is off by {off.max():.1f}° at most.")
    print(f"The roll in frame {worst} {rolled}.")

# %% [markdown]
# So it does roll, and more than the fit shows. Remember the height and the roll: we come back to them at the
# end of the lesson.

# %% [markdown]
# ## Exercise 8 · Output video
#
# *{points of video} · 10 to 15 minutes · difficulty ●○○ · importance ●○○*
#
# **Why.** Numbers say how good a fit is on average. A video shows *when* it is bad, also to people who have
# never heard of IoU.
#
# **The task.** Four tiles of the same size: what went in above, what came out below.
#
# | | | |
# |---|---|---|
# | above | original | segmentation |
# | below | render over the original | soft mask |
#
# The render is black around the dolphin. So it is laid over the original: with $I$ the original, $R$ the
# render and $S$ the soft mask, each pixel shows
#
# $$C = R \;\text{ where } S > \tfrac12, \qquad C = I \;\text{ elsewhere.}$$
#
# | | shape | what |
# |---|---|---|
# | `original`, `render` | (H, W, 3) | colours, in [0, 1] |
# | `segmentation`, `soft_mask` | (H, W, 1) | masks, in [0, 1] |
# | result | (2 H, 2 W, 3) | in [0, 1] |
#
# ![What you should see: four tiles. Above, the sea with the dolphin, and its white mask on black. Below, the
# same sea with the rendered grey dolphin in it, and a mask with a soft rim.](pictures/frame.jpg)
#
# <details><summary>Hint 1: choosing per pixel</summary>
#
# `torch.where(condition, a, b)` takes `a` where the condition holds, else `b`. A condition of shape (H, W, 1)
# is enough: it is repeated along the last dimension.
# </details>
# <details><summary>Hint 2: grey is a colour</summary>
#
# A mask has one channel, a picture three, and `torch.cat` needs the same shape in all other dimensions.
# `mask.expand(-1, -1, 3)` repeats the channel without copying it.
# </details>
# <details><summary>Hint 3: two and two</summary>
#
# Dimension 0 counts rows, dimension 1 columns. Join original and segmentation along dimension 1, composite
# and soft mask as well; then these two rows along dimension 0.
# </details>

# %% exercise="video"
import torch

from solutions.results import compose_frame
# stub compose_frame
#     composite = ...                             # (H, W, 3)
#     top = ...                                   # (H, 2 W, 3)
#     bottom = ...                                # (H, 2 W, 3)
#     return ...                                  # (2 H, 2 W, 3)

# %% [markdown]
# The dolphin covers less than one per cent of a frame. So we render and show only a window that follows it:
# `window_camera` makes a camera that sees just these pixels. `WINDOW = (640, 360)` is the whole picture.

# %%
from PIL import Image

from course_lib.window import cut, window_camera

WINDOW = (256, 144)  # width, height in pixels


@torch.no_grad()
def look(scene, t):
    """Of the frames t (B,): original, mask, render and soft mask, (B, h, w, C) each."""
    size, full = torch.tensor(WINDOW), torch.tensor(dataset.data_resolution)
    corner = (dataset.segment_centers[t] - size / 2).round().long()
    left, top = torch.minimum(corner.clamp(min=0), full - size).unbind(-1)
    original = cut(dataset.frames, t, left, top, *WINDOW) / 255
    segmentation = cut(dataset.masks, t, left, top, *WINDOW)[..., None] / 255
    cam = dataset.cameras(t, scene.water_index)  # through the water, if the fit did
    cam = window_camera(cam, left, top, *WINDOW)
    image, hard_mask, soft_mask = render(scene, t, cam)
    # Beside the dolphin the soft mask is above 1/2 and the render black: keep the sea.
    image = torch.where(hard_mask > 0, image, original)
    return original, segmentation, image, soft_mask


frame = compose_frame(*(picture[0] for picture in look(scene, torch.tensor([100]))))
Image.fromarray((frame * 255).round().byte().numpy())

# %% check="video"
from course_lib import check

check.video()

# %%
from course_lib.keep import keep

keep(compose_frame)

# %% [markdown]
# And now all frames. `write_video` writes H.264, which every browser plays; it takes the frames one by one,
# so that they need not all be in memory. The file is `dolphin_fit.mp4` beside this notebook: download it from
# the file list.

# %%
SHOWN = 24 if small() else len(dataset)  # frames


def frames_of(scene):
    for t in torch.arange(SHOWN).split(8):
        for pictures in zip(*look(scene, t)):
            yield compose_frame(*pictures)


video = show.write_video("dolphin_fit.mp4", frames_of(scene), fps=dataset.fps, crf=26)
what = "original, segmentation, render over the original, soft mask"
show.inline_video(video, description=what)

# %% [markdown]
# <details><summary>A question to think about: the soft mask is above 1/2 not only on the dolphin, but on a
# quarter more pixels in this clip. What does a fit do that compares the soft mask with the
# segmentation?</summary>
#
# It makes the animal smaller, until its mask *with* the rim covers the segmentation. The rim is about a pixel
# wide; but the body is less than twenty pixels wide here, and has two sides. In the tutorial's recipe this is
# one reason why the dolphin is too short (lesson 4). The default recipe compares distances to the outline
# instead, and has no such rim.
# </details>
#
# *Reference: Porter and Duff, Compositing digital images, SIGGRAPH 1984, DOI 10.1145/800031.808606.*

# %% [markdown]
# # Epilogue · Whoops
#
# That was the good fit. Now the one that the tutorial's recipe makes.

# %%
their_scene, their_vertices, their_rotmats = load_fit(ready_fit("tutorial"))

# %% [markdown]
# Its video first: on the left the animal's mask, on the right the soft mask of the fit. Pause at 2 seconds
# and compare where the flukes are.


# %%
def masks_of(scene):
    """The segmentation beside the soft mask, frame by frame: (h, 2 w, 1) each."""
    for t in torch.arange(SHOWN).split(8):
        _, segmentation, _, soft_mask = look(scene, t)
        yield from torch.cat([segmentation, soft_mask], dim=2)


frames = masks_of(their_scene)
video = show.write_video("tutorial_fit.mp4", frames, fps=dataset.fps, crf=26)
what = "two masks, the animal's and that of the fit with the tutorial's recipe"
seen = "in the middle of the clip their flukes are at opposite ends"
show.inline_video(video, description=f"{what}: {seen}")

# %% [markdown]
# The animal is too small, and for a while it swims tail first. The three numbers of its orientation show
# where: they jump, at the dashed red lines. (Headings a whole turn apart, as at the end, are the same.) The
# tutorial calls this *gimbal lock*. Is it?

# %%
stored = their_scene.global_poses[:, 0].detach()  # (T, 3), as they were optimised
show.orientation_figure(stored, time_s=time_s, truth_heading_deg=true_heading)

# %% [markdown]
# Many rotation vectors mean the same rotation: a vector is only one of the *names* of a rotation. So a jump
# can mean two things: the animal really turns, or only the name changes. The vector alone cannot tell which;
# the rotation matrix can. It also tells what turns: the heading, or the roll.

# %%
headings, rolls = metrics.heading(their_rotmats), roll(their_rotmats)
print("frames      vector jumps by    body turns by    its heading    its roll")
for t, jump, turn in show.orientation_jumps(stored):
    heading_step = metrics.angle_between(headings[t], headings[t + 1])
    roll_step = metrics.angle_between(rolls[t], rolls[t + 1])
    row = f"{jump:15.0f}°{turn:16.0f}°{heading_step:14.0f}°{roll_step:11.0f}°"
    print(f"{t:3} to {t + 1:3}  {row}")

# %% [markdown]
# The body turns by 99 degrees and more within a fiftieth of a second. No dolphin does that: **these poses
# are wrong**, and writing the rotations in another way would not mend them.
#
# There are two kinds of wrong poses: either the heading flips, or only the roll. Where do they come from?
# Every frame started at the same heading, and gradient descent goes to a **local minimum** near its start.
# Compare how far off each frame started with how far off it ended:

# %%
start = torch.full((len(dataset),), float(pack.init_rot_up_deg))
start_error = metrics.angle_between(start, true_heading)
their_error = metrics.angle_between(headings, true_heading)
good_error = metrics.angle_between(metrics.heading(rotmats), true_heading)
near = start_error < 90
within = their_error[near].max()
off = metrics.angle_between(rolls, true_roll)[near].median()
print(f"{near.sum()} frames started within 90° of the true heading.")
print(f"They ended within {within:.0f}° of it; but the roll of half of them")
print(f"is wrong by more than {off:.0f}°.")
of_heading = {
    "start of the tutorial's recipe": start_error,
    "after its fit": their_error,
    f"after the {NAME}": good_error,
}
of_roll = {"truth": true_roll, "after its fit": rolls, f"after the {NAME}": our_roll}
panels = {"how far off the heading is, in degrees": of_heading}
panels["the roll, in degrees"] = of_roll
show.series_over_time(panels, time_s, panel_height=220)

# %% [markdown]
# **The heading.** All frames that started within a quarter turn of the true heading found it. Of those that
# started farther off, most are tail first: a dolphin turned round covers much of its own mask, and that local
# minimum was the nearer one. Between the two kinds of frames the heading jumps by 180°.
#
# **The roll.** It is wrong in nearly all frames: the body lies on one side or the other, and where the side
# changes, the roll jumps. Nothing in the tutorial's loss keeps the back up, and the masks alone do not.
#
# There are two cures. One is a better initialisation: a body that has to turn far to its heading rolls on the
# way. The other is a prior. The default recipe has both: it reads the heading from the masks' long axis and
# the direction of travel, and in its loss a tilted back costs.

# %% [markdown]
# ## The other kind of jump
#
# Now the good fit. Its heading is right in every frame, and its back is up. Take each frame by itself,
# compute the **shortest** rotation vector of its rotation matrix (the matrix's logarithm), and look again:

# %%
from course_lib.rotations import rotmat_to_rotvec

shortest = rotmat_to_rotvec(rotmats)  # (T, 3)
for t, jump, turn in show.orientation_jumps(shortest):
    when = time_s[t : t + 2].mean()  # between the two frames
    print(f"At {when:.2f} s the vector jumps by {jump:.0f}°,", end=" ")
    print(f"and the body turns by {turn:.1f}°.")
style = dict(name="read frame by frame", time_s=time_s, truth_heading_deg=true_heading)
show.orientation_figure(shortest, **style)

# %% [markdown]
# The animal keeps turning smoothly past 180°. But +181° about an axis is the same rotation as −179° about it,
# and the logarithm takes the shorter. **Here only the name jumps, not the animal.** This is called the wrap
# of the axis-angle chart.
#
# It does harm all the same. What is half-way between the two neighbouring frames? Average their vectors, and
# see where that dolphin points:

# %%
jumps = show.orientation_jumps(shortest)
JUMP = jumps[0][0] if jumps else 123  # the frame before the first of them
before, after = metrics.heading(rotmats[JUMP : JUMP + 2])
middle = shortest[JUMP : JUMP + 2].mean(0, keepdim=True)  # (1, 3)
average = metrics.heading(batch_rodrigues(middle)).item()
print(f"heading before {before:.1f}°, after {after:.1f}°")
print(f"heading of the average of both vectors: {average:.1f}°")

# %% [markdown]
# It points backwards. The same happens if you smooth these vectors, interpolate them, or have a loss in which
# different neighbouring vectors cost.
#
# **And gimbal lock?** That is a third thing. It belongs to *Euler angles*, three turns one after the other.
# If the middle one is a quarter turn, the first and the third are about the same axis, and one degree of
# freedom is lost. See it happen: two different triples, one rotation.

# %%
PITCHES = (20.0, 90.0)  # degrees


def euler(heading, pitch, roll):
    """Turn about y, then x, then z of the body, in degrees -> (3, 3)"""
    turns = torch.tensor([[0.0, heading, 0], [pitch, 0, 0], [0, 0, roll]])
    about_y, about_x, about_z = batch_rodrigues(torch.deg2rad(turns))
    return about_y @ about_x @ about_z


for pitch in PITCHES:
    difference = (euler(30, pitch, 0) - euler(0, pitch, -30)).abs().max()
    what = "heading 30° and roll -30° differ by"
    print(f"pitch {pitch:.0f}°: {what} {difference:.3f}")

# %% [markdown]
# At a pitch of 90° heading and roll are the same turn. Our dolphin never pitches like that, and its
# orientation is not stored as Euler angles. So there is no gimbal lock in either fit: the tutorial's has
# wrong poses, and the vectors of the good one wrap. That wrap you can mend now.

# %% [markdown]
# ## Exercise 9 · bonus: an orientation without jumps
#
# *{points of orientation}, bonus · 20 to 30 minutes · difficulty ●●● · importance ●○○*
#
# **Why.** For speeds of turning, for smoothing and for a good plot you need numbers that change only when the
# animal turns.
#
# **The formula.** The rotation by the angle $a$ about the axis $n$ (of length 1) has the rotation vectors
#
# $$v_k = (a + 2\pi k)\, n, \qquad k = \ldots, -1, 0, 1, 2, \ldots$$
#
# For the first frame take the shortest. For each following frame take the one **nearest to the vector that
# you took for the frame before**.
#
# | | shape | what |
# |---|---|---|
# | `rotmats` | (T, 3, 3) | rotation matrices, each close to the one before; some may be the identity |
# | `rotmat_to_rotvec(rotmats)` | (T, 3) | given: the shortest vectors $a\,n$, radians, $a \le \pi$ |
# | result | (T, 3) | rotation vectors, radians, without jumps |
#
# ![What you should see: above, three curves of which one falls from +180 to −180 degrees at one moment;
# below, the same three curves, and that one goes on rising.](pictures/orientation.png)
#
# <details><summary>Hint 1: what not to do</summary>
#
# Unwrapping each of the three numbers by itself changes the rotation: where the vector flips, all three
# change sign, but only large ones jump by more than pi. And the *length* never jumps: it grows to pi and
# shrinks again. It is the axis that is reversed.
# </details>
# <details><summary>Hint 2: one frame</summary>
#
# With `short` the shortest vector of this frame and `before` the one that you took for the last frame, all
# candidates lie on a line: `short + k * 2 * pi * axis`. Which whole number k brings you closest to `before`?
# You can try some, say -5 to 5, or project `before - short` onto the axis and round.
# </details>
# <details><summary>Hint 3: no rotation, no axis</summary>
#
# At the identity `short` is zero, and `short / short.norm()` is NaN. Take the axis of the vector before
# there, `torch.nn.functional.normalize(before, dim=0)`, which gives zero, not NaN, where that is zero too.
# Compare with the vector that you *took* for the frame before, `chosen[-1]`, not with the shortest one of
# that frame.
# </details>

# %% exercise="orientation"
import torch

from course_lib.rotations import rotmat_to_rotvec
from solutions.rotations import continuous_rotvecs
# stub continuous_rotvecs
#     shortest = rotmat_to_rotvec(rotmats)        # (T, 3), of each frame by itself
#     chosen = [shortest[0]]
#     for short in shortest[1:]:
#         ...
#     return torch.stack(chosen)                  # (T, 3)

# %%
continuous = continuous_rotvecs(rotmats)  # (T, 3)
show.orientation_figure(shortest, continuous, **style)

# %% check="orientation"
from course_lib import check

check.orientation()

# %%
from course_lib.keep import keep

keep(continuous_rotvecs)

# %% [markdown]
# With these vectors the average of the two frames looks where it should. And the tutorial's fit? All its
# jumps stay: no choice of rotation vectors mends a wrong pose.

# %%
middle = continuous_rotvecs(rotmats)[JUMP : JUMP + 2].mean(0, keepdim=True)  # (1, 3)
average = metrics.heading(batch_rodrigues(middle)).item()
print(f"heading of the average of both vectors: {average:.1f}°")
for which, matrices in ((NAME, rotmats), ("tutorial's fit", their_rotmats)):
    before = len(show.orientation_jumps(rotmat_to_rotvec(matrices)))
    now = len(show.orientation_jumps(continuous_rotvecs(matrices)))
    print(f"{which}: jumps of the shortest vectors {before}, of yours {now}")

# %% [markdown]
# <details><summary>A question to think about: an animal circles on and on. How long does this work?</summary>
#
# Up to nearly a whole turn. All vectors of length $2\pi$ mean the identity, no turn at all. An animal that
# turns exactly about one axis passes through it, as in the check's last case. But a real one is a little
# tilted: near a whole turn a tiny tilt turns the axis a lot, and the vector has to change fast. So rotation
# vectors have a singularity of their own there. The cure is to measure the rotation from another one that
# turns along, so that the vectors stay short: `DolphinScene.anchor`. The default recipe does this during the
# fit.
# </details>
#
# *Reference: Grassia, Practical parameterization of rotations using the exponential map, J. Graphics Tools
# 3(3), 1998, DOI 10.1080/10867651.1998.10487493.*

# %% [markdown]
# ## Exercise 10 · bonus: measure the dolphin
#
# *{points of measures}, bonus · 20 to 30 minutes · difficulty ●●○ · importance ●●○*
#
# **Why.** Length tells the age of a growing animal; mass for its length tells how well fed it is. Biologists
# fly drones to measure these, without touching the animal. Below, your functions also say how sure the
# numbers are.
#
# **The formulas.** Measured on the fitted dolphin stretched out straight, `scene.rest_shape()`; its body axis
# is z.
#
# $$L = \max z - \min z, \qquad V = \tfrac16 \sum_{(a, b, c)} a \cdot (b \times c), \qquad m = \rho\, V$$
#
# The sum runs over all triangles; $a, b, c$ are the corners of one, counter-clockwise seen from outside. Each
# spans with the origin a tetrahedron, whose volume counts **with its sign**. $\rho$ is the mean density,
# about that of sea water: 1,025 kg/m³. Gradients must flow from length and volume back to the vertices: then
# a fit could ask for a known length.
#
# | | shape | what |
# |---|---|---|
# | `vertices` | (V, 3) | metres |
# | `faces` | (F, 3) | vertex numbers |
# | results | () each | metres, cubic metres, kilograms, in the `dtype` of `vertices` |
#
# `body_mass` also takes a plain number, and then gives one.
#
# ![The same sum in two dimensions: triangles between the origin and the edges of an outline. Edges that look
# away from the origin add the blue area, edges that look towards it take the hatched area away; the outline's
# own area is left.](pictures/signed.png)
#
# <details><summary>Hint 1: corners</summary>
#
# `vertices[faces]` has the shape (F, 3, 3): face, corner, coordinate. `.unbind(1)` makes three tensors (F, 3)
# of it.
# </details>
# <details><summary>Hint 2: signs</summary>
#
# Do not take absolute values. The picture shows why: what lies between the origin and the body is first added
# and then subtracted again. That is why the origin can lie anywhere.
# </details>
# <details><summary>Hint 3: many triangles at once</summary>
#
# `torch.linalg.cross(b, c)` is (F, 3). The dot product with `a` is a product, summed over the last dimension;
# then the sum over all faces. Stay in torch to the end: no `float()`, or no gradient flows.
# </details>

# %% exercise="measures"
import torch

from solutions.results import body_length, mesh_volume, body_mass
# stub mesh_volume
#     a, b, c = ...                               # (F, 3) each, corners of the triangles
#     return ...


# %%
def measured(vertices, faces):
    volume = mesh_volume(vertices, faces)
    return float(body_length(vertices)), 1000 * float(volume), float(body_mass(volume))


meshes = {"template": model.V[0], NAME: scene.rest_shape().detach()}
if truth:  # the course's own clip
    meshes["tutorial's fit"] = their_scene.rest_shape().detach()
rows = {name: measured(vertices, model.F) for name, vertices in meshes.items()}
if truth:
    mass = float(body_mass(truth.volume_m3))
    rows["truth"] = truth.length_m, 1000 * truth.volume_m3, mass
print(f"{'':16}  length      volume     mass")
for name, (length, litres, mass) in rows.items():
    print(f"{name:16} {length:5.2f} m  {litres:6.0f} litres  {mass:4.0f} kg")

# %% check="measures"
from course_lib import check

check.measures()

# %%
from course_lib.keep import keep

keep(body_length, mesh_volume, body_mass)

# %% [markdown]
# ## What one camera can see, and what it cannot
#
# Less than one per cent in length, three in volume: that looks as if one camera were enough. It is not. Take
# the fitted dolphin of frame 100 and enlarge it by five per cent **as seen from the camera**, so that it
# also moves away from it. (Refraction makes depths look 1/1.34 as large. Seen from under water it is the
# other way round: the camera seems to be 1.34 times as high above the surface. From there we enlarge.)

# %%
FRAME, GROWTH = 100, 1.05
index = scene.water_index  # 1.34; 1 of a fit in which light travels straight
eye = dataset.cam_eye[FRAME] * torch.tensor([1, index, 1])  # (3,) metres
here = vertices[FRAME]  # (V, 3)
there = eye + GROWTH * (here - eye)
camera = dataset.cameras(torch.tensor([FRAME]), index)
first, second = (camera.transform(v[None])[0, :, :2] for v in (here, there))  # (V, 2)
moved = (second - first) * torch.tensor(dataset.data_resolution) / 2  # (V, 2) pixels
print(f"in the picture no vertex moves by more than {moved.abs().max():.4f} pixels;")
deeper = here[:, 1].mean() - there[:, 1].mean()
grown = f"{100 * (GROWTH - 1):.0f} % longer and {100 * (GROWTH**3 - 1):.0f} % heavier"
print(f"in the world the animal lies {deeper:.2f} m deeper, is {grown}.")
left = torch.exp(-scene.water_absorption.detach() * deeper)  # exercise 5
shares = " ".join(f"{share:.2f}" for share in left)
print(f"The added water leaves these shares of red, green and blue: {shares}")

# %% [markdown]
# Every outline is the same to a tenth of a pixel (only the tip of the fin moves at all, as it was in the
# air), so no loss on outlines can prefer one: from one camera you only get depth and size together. The
# problem is **ill-posed**. The colour would tell the depth if we knew what the water absorbs and how bright
# the skin is; but both are fitted to the same picture. They only tell by how much the animal rises and sinks
# during the clip (`course_lib/heave.py`). So an **assumption** decides. The default recipe
# assumes that the fin's tip is 5 cm above the surface, because the clip shows a trail of foam behind it. If
# that is wrong by 15 cm, the length is wrong by one per cent and the mass by three. Of a clip of your own you
# say it yourself: `dolphins demo --fin-out`; or name frames in which the fin's tip just breaks the surface,
# `--surfaced`, which is good to a few centimetres.
#
# **Refraction** is no assumption here: the embedded clip was rendered through water, and the default recipe
# draws the dolphin where it seems to be, at 1/1.34 of its depth. With straight light, as in the tutorial, the
# same dolphin at the same depth would come out one per cent longer. But the formula is that of a *flat* sea,
# seen from nearly straight above. What waves do is left as noise.
#
# The **roll** cannot be seen well either. In the default recipe it costs a little, and its fit rolls less
# than the animal: in the frame printed above by 8°, and yet it covers the mask well (IoU 0.92).
#
# Nor does a picture from above show how *high* the body is, from belly to back. The fit takes that from the
# template, scaled with what is seen. Of the three, trust the length most and the mass least; and write beside
# every number what you assumed for it.

# %% [markdown]
# ## A number and its interval
#
# So what do you write down? Biologists do not publish a length alone. Not "2.65 m", but "2.65 m, 95 %: 2.54
# to 2.75 m": an interval that holds the true length in 95 of 100 such clips.
#
# The interval comes from everything that is not known exactly. The drone's altimeter may be off by 20 cm, the
# fin's tip by 5 cm, each mask by a fraction of a pixel, and a body may be higher or thinner here and there
# than the model can be. Each of these has a standard deviation. How much would the fitted length change if
# one of them were different? Near the optimum of the fit this needs no new fit: a small change moves every
# number in proportion. So each unknown $i$ gives the length a standard deviation $\sigma_i$ of its own. The
# unknowns are independent, so the squares add up:
#
# $$\sigma^2 = \sigma_\text{altitude}^2 + \sigma_\text{depth}^2 + \sigma_\text{outline}^2 + \ldots,
# \qquad \text{from } L\,e^{-1.96\,\sigma} \text{ to } L\,e^{1.96\,\sigma}$$
#
# with all $\sigma$ relative to the length. `intervals` of `course_lib.uncertainty` does this, with your
# functions of exercise 10. It needs the priors of the recipe: they decide what the outline leaves open.

# %%
from course_lib.photogrammetry import STATIONS, body_edges, body_spans
from course_lib.priors import held_by
from course_lib.uncertainty import SOURCES, intervals

edges = body_edges(model)  # of the body's faces, without fins


def sizes(rest):
    """Length, litres, kilograms, and the widths at every 5 % of the length."""
    widths = body_spans(rest.numpy(), edges)  # (17,) metres
    named = dict(zip(("length", "volume", "mass"), measured(rest, model.F)))
    return named | dict(zip(STATIONS, widths))


found = intervals(scene, dataset, held_by(dataset.known), sizes)
for name, unit in (("length", "m"), ("volume", "litres"), ("mass", "kg")):
    one, digits = found[name], 2 if name == "length" else 0
    ends = f"{one.low:.{digits}f} to {one.high:.{digits}f}"
    print(f"{name:7} {one.median:.{digits}f} {unit}, 95 %: {ends}")
print(f"\n{'by itself each would make it':36}  length    volume")
for source, words in SOURCES.items():
    shares = [196 * found[name].sources.get(source, 0) for name in ("length", "volume")]
    if any(shares):
        print(f"{words:36} ±{shares[0]:4.1f} %   ±{shares[1]:4.1f} %")
if truth:
    print(f"\nThe truth: {truth.length_m:.2f} m, {1000 * truth.volume_m3:.0f} litres.")
ones = [found[station] for station in STATIONS]
ends = [one.low for one in ones], [one.high for one in ones]
rest = scene.rest_shape().detach()
show.size_figure(rest, model.F, STATIONS, [one.median for one in ones], *ends)

# %% [markdown]
# The figure is the animal stretched out straight, with its widths and their intervals. From widths biologists
# read how fat an animal is.
#
# Three things to see. The interval of the **length** comes mostly from the altitude. A better altimeter would
# help most; better masks would change next to nothing, because the squares add up. For the **volume** the
# altitude counts three times as much, as volume grows with the cube of length. As much comes from the
# outline, because the body is only a few pixels wide, and from its height, which nobody sees. For the
# **mass** the density's 2 % are still missing here: $\sqrt{\sigma^2 + 0.02^2}$ is hardly more.
#
# An interval is only as good as the standard deviations in it. They are stated in `Beliefs` of
# `course_lib/uncertainty.py`; a clip of your own brings those of its altitude and depth. Whether 95 of 100
# such intervals really hold the truth was tried on clips of animals drawn at random (`benchmarks/README.md`).

# %% [markdown]
# <details><summary>A question to think about: what would you change about the flight to know the
# size for sure?</summary>
#
# Anything that adds a second view or a known length: a second drone, or one that moves while the animal
# rests; the animal's shadow; a moment at the surface, whose height is known; an animal that was measured
# before. And know the drone's altitude well: studies use laser altimeters, because an error of one per cent
# there is an error of one per cent in length.
# </details>
#
# *References: Zhang and Chen, Efficient feature extraction for 2D/3D objects in mesh representation, ICIP
# 2001, DOI 10.1109/ICIP.2001.958278; Christiansen et al., Estimating body mass of free-living whales using
# aerial photogrammetry and 3D volumetrics, Methods in Ecology and Evolution, 2019, DOI
# 10.1111/2041-210X.13298.*
#
# **That is the whole path**, from a video to kilograms. What to try next: an animal of your own. The bonus,
# lesson 6, goes there from the files that a drone writes, with another animal, whose size nobody tells you
# before the end.
