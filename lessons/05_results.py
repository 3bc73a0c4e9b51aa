# %% [markdown]
# # Lesson 5 · Look, doubt, measure
#
# **You will be able to** judge a 3D reconstruction: watch it in 3D and on the video, tell a wrong pose from a
# wrong description of a right one, measure an animal on its mesh, and say what one camera cannot know.
#
# **Minutes:** 45, and 40 more for the two bonus exercises. **You need to know:** PyTorch indexing; rotation
# vectors (lesson 2).
#
# ![The path of the course: segment, template, render, fit, results; you are at results.](pictures/path_5.png)

# %% setup=5
from course_lib.environment import setup

setup(lesson=5)

# %% [markdown]
# What earlier lessons built comes from the course's solutions. Set `USE_MY_WORK = True` to go on with the
# functions that you kept. The folder `my_work` must then lie beside this notebook: if you kept them
# elsewhere, copy it here.

# %%
USE_MY_WORK = False

from solutions.rendering import render
from solutions.rotations import batch_rodrigues

if USE_MY_WORK:
    from my_work import batch_rodrigues, render

# %% [markdown]
# ## A finished fit
#
# Nobody waits here: two finished fits of the clip come with the course. `"default"` was made with the better
# of its two recipes, `"tutorial"` with the losses, weights and start of the tutorial that the course follows.
# If you saved a fit of your own in lesson 4, name its file instead.
#
# The clip is a rendered one, so the truth is known: how the animal lay in every frame. The fit never saw it.
# With a wild animal you would have no such thing, and the whole question would be what to believe. (Cells
# that compare with the truth then leave it out.)

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
    """The scene of a saved fit, its skin (T, V, 3) in metres and its rotation matrices (T, 3, 3)."""
    scene = DolphinScene(model, len(dataset), init_rot_up=pack.init_rot_up_deg)
    scene.load(path)
    with torch.no_grad():
        vertices = torch.cat([scene.skin(t) for t in torch.arange(len(dataset)).split(20)])
        return scene, vertices, scene.rotations()


scene, vertices, rotmats = load_fit(FIT)
print(f"{FIT}: {len(vertices)} frames of {vertices.shape[1]} vertices")

# %% [markdown]
# ## Look at it in 3D
#
# Turn it with the mouse, zoom with the wheel, move the time slider, press Play. The blue sheet is the sea's
# surface. The colour is the distance of each point of the skin from where it truly was; the button *skin*
# takes it away.
#
# Look for what a video from above would hide: does the animal roll? Does it swim into the air? Are its
# flippers in place?

# %%
error = {}
if truth:
    error_cm = 100 * (vertices - truth.vertices).norm(dim=-1)  # (T, V)
    error = dict(intensity=error_cm, intensity_title="cm off", intensity_max=20)
    share, most = 100 * (error_cm > 20).float().mean(), error_cm.max()
    print(f"Colours end at 20 cm; {share:.1f} % of all points are farther off, at most {most:.0f} cm.")
every = 40 if small() else 8  # small() is only true in tests, where it must be quick
show.mesh_viewer(vertices, model.F, every=every, time_s=time_s, track=vertices.mean(1), **error)

# %% [markdown]
# Where is the error? The mean place of the skin can be compared direction by direction. The camera looks
# straight down: what it sees is x and z. And the *roll*, the turn about the body's long axis, is what a video
# from above hides best.


# %%
def roll(rotmats):
    """By how many degrees the body is turned about its long axis, 0 where its back is up. -> (T,)"""
    return torch.rad2deg(torch.atan2(rotmats[:, 1, 0], rotmats[:, 1, 1]))


if truth:
    offset_cm = 100 * (vertices.mean(1) - truth.positions)  # (T, 3)
    x, y, z = offset_cm.square().mean(0).sqrt()
    print(f"{x:5.1f} cm   x, across the picture")
    print(f"{z:5.1f} cm   z, up in the picture")
    print(f"{y:5.1f} cm   y, the height: where the camera looks")
    off = metrics.angle_between(metrics.heading(rotmats), true_heading)
    our_roll, true_roll = roll(rotmats), roll(batch_rodrigues(truth.rotvecs))  # (T,) each
    worst = int((our_roll - true_roll).abs().argmax())
    rolled = f"is {our_roll[worst]:.1f}°, in truth {true_roll[worst]:.1f}°"
    print(f"The heading is off by {off.max():.1f}° at most; the roll, in frame {worst}, {rolled}.")

# %% [markdown]
# So it does roll, and more than the fit shows. Keep the height and the roll in mind: the end of the lesson
# comes back to them.

# %% [markdown]
# ## Exercise 8 · Output video
#
# *10 minutes, 5 points.*
#
# **Why.** Numbers say how good a fit is on average. A video shows *when* it is bad, and to people who never
# heard of IoU.
#
# **What.** Four tiles of one size: above what went in, below what came out.
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
# A mask has one channel, a picture three, and `torch.cat` joins only what has the same shape elsewhere.
# `mask.expand(-1, -1, 3)` repeats the channel without copying.
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
#     composite = ...                                 # (H, W, 3)
#     top = ...                                       # (H, 2 W, 3)
#     bottom = ...                                    # (H, 2 W, 3)
#     return ...                                      # (2 H, 2 W, 3)

# %% [markdown]
# The dolphin covers less than one per cent of a frame. So a window that follows it is shown, and only that is
# rendered: `window_camera` makes the camera that sees just these pixels. `WINDOW = (640, 360)` is the whole
# picture.

# %%
from PIL import Image

from course_lib.window import cut, window_camera

WINDOW = (256, 144)  # width, height in pixels


@torch.no_grad()
def look(scene, t):
    """What goes into the video at the frames t (B,): original, mask, render, soft mask, (B, h, w, C) each."""
    size, full = torch.tensor(WINDOW), torch.tensor(dataset.data_resolution)
    corner = (dataset.segment_centers[t] - size / 2).round().long()
    left, top = torch.minimum(corner.clamp(min=0), full - size).unbind(-1)
    original = cut(dataset.frames, t, left, top, *WINDOW) / 255
    segmentation = cut(dataset.masks, t, left, top, *WINDOW)[..., None] / 255
    image, hard_mask, soft_mask = render(scene, t, window_camera(dataset.cameras(t), left, top, *WINDOW))
    # The soft mask is above 1/2 a little beyond the dolphin, where the render is black: there the sea stays.
    return original, segmentation, torch.where(hard_mask > 0, image, original), soft_mask


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
show.inline_video(video, description="original, segmentation, render over the original, soft mask")

# %% [markdown]
# <details><summary>A question to think about: where the soft mask is above 1/2 there is more than
# the dolphin: a quarter more pixels in this clip. What does a fit do that compares the soft mask
# with the segmentation?</summary>
#
# It makes the animal smaller, until its mask *with* the rim covers the segmentation. The rim is about a pixel
# wide; but the body is less than twenty pixels wide here, and has two sides. In the tutorial's recipe this is
# one reason why the dolphin comes out too short. The default recipe compares distances to the outline
# instead, and has no such rim.
# </details>
#
# *Reference: Porter and Duff, Compositing digital images, SIGGRAPH 1984, DOI 10.1145/800031.808606.*

# %% [markdown]
# # Epilogue · Whoops
#
# So much for the good fit. Now the one that the tutorial's recipe makes.

# %%
their_scene, their_vertices, their_rotmats = load_fit(ready_fit("tutorial"))

# %% [markdown]
# Its video first: left the animal's mask, right the soft mask of the fit. Pause at 2 seconds and compare
# where the flukes are.


# %%
def masks_of(scene):
    """The segmentation beside the soft mask, frame by frame: (h, 2 w, 1) each."""
    for t in torch.arange(SHOWN).split(8):
        _, segmentation, _, soft_mask = look(scene, t)
        yield from torch.cat([segmentation, soft_mask], dim=2)


video = show.write_video("tutorial_fit.mp4", masks_of(their_scene), fps=dataset.fps, crf=26)
what = "two masks, the animal's and that of the fit with the tutorial's recipe"
seen = "in the middle of the clip their flukes are at opposite ends"
show.inline_video(video, description=f"{what}: {seen}")

# %% [markdown]
# The animal is too small, and for a while it swims tail first. The three numbers of its orientation show
# where: they leap, at the dashed red lines. (Headings a whole turn apart, as at the end, are the same.) The
# tutorial calls this *gimbal lock*. Is it?

# %%
stored = their_scene.global_poses[:, 0].detach()  # (T, 3) rotation vectors, as they were optimised
show.orientation_figure(stored, time_s=time_s, truth_heading_deg=true_heading)

# %% [markdown]
# A rotation vector is only a *name* of a rotation. So there are two things that a leap can be: the animal
# really turns, or only its name changes. The name alone cannot tell; the rotation matrix can. It also tells
# what turns: the heading, or the roll.

# %%
headings, rolls = metrics.heading(their_rotmats), roll(their_rotmats)
print("frames        the vector leaps by    the body turns by    its heading    its roll")
for t, leap, turn in show.orientation_jumps(stored):
    heading_step, roll_step = (metrics.angle_between(x[t], x[t + 1]) for x in (headings, rolls))
    print(f"{t:3} to {t + 1:3}    {leap:18.0f}°  {turn:18.0f}°  {heading_step:13.0f}°  {roll_step:9.0f}°")

# %% [markdown]
# The body turns by more than 100 degrees within a fiftieth of a second. No dolphin does that: **these poses
# are wrong.** No other way of writing rotations down would mend them.
#
# There are two kinds: the heading flips, or only the roll does. Where do they come from? Every frame started
# at one heading, and a gradient goes to the *nearest* good place. Compare how far off each frame started with
# how far off it ended:

# %%
start = torch.full((len(dataset),), float(pack.init_rot_up_deg))
start_error = metrics.angle_between(start, true_heading)
their_error = metrics.angle_between(headings, true_heading)
good_error = metrics.angle_between(metrics.heading(rotmats), true_heading)
near = start_error < 90
within, off = their_error[near].max(), metrics.angle_between(rolls, true_roll)[near].median()
began = f"{near.sum()} frames started within 90° of the true heading. They ended within {within:.0f}° of it"
print(f"{began}; but half of them are rolled wrongly by more than {off:.0f}°.")
of_heading = {
    "start of the tutorial's recipe": start_error,
    "after its fit": their_error,
    f"after the {NAME}": good_error,
}
of_roll = {"truth": true_roll, "after its fit": rolls, f"after the {NAME}": our_roll}
panels = {"how far off the heading is, in degrees": of_heading, "the roll, in degrees": of_roll}
show.series_over_time(panels, time_s, panel_height=220)

# %% [markdown]
# **The heading.** All frames that started within a quarter turn of the true heading found it. Of those that
# started farther off, most lie tail first: a dolphin turned round covers much of its own mask, and the
# nearest way to cover it was the wrong one. Where the fit changes from one side to the other, the heading
# leaps by 180°.
#
# **The roll.** It is wrong in nearly all frames: the body lies on one side or the other, and where the side
# changes, the roll leaps. Nothing in the tutorial's loss holds the back up, and the masks alone do not.
#
# Two cures: a better start, since on the long way to its heading the body rolled as well; and a prior. The
# default recipe reads the heading from the masks' long axis and the direction of travel, and a tilted back
# costs.

# %% [markdown]
# ## The other kind of leap
#
# Now the good fit. Its heading is right in every frame, and its back is up. Read each frame by itself, with
# the logarithm, the map from a rotation matrix to its **shortest** rotation vector, and look again:

# %%
from course_lib.rotations import rotmat_to_rotvec

shortest = rotmat_to_rotvec(rotmats)  # (T, 3)
for t, leap, turn in show.orientation_jumps(shortest):
    print(f"At {time_s[t]:.2f} s the vector leaps by {leap:.0f}°, and the body turns by {turn:.1f}°.")
style = dict(name="read frame by frame", time_s=time_s, truth_heading_deg=true_heading)
show.orientation_figure(shortest, **style)

# %% [markdown]
# The animal turns on smoothly past 180°. But +181° about an axis is the same rotation as −179° about it, and
# the shorter is taken. **Here the leap is in the name, not in the animal.** It is called the wrap of the
# axis-angle chart.
#
# It does harm all the same. What is between the two neighbouring frames? Average their vectors, and see where
# that dolphin looks:

# %%
leaps = show.orientation_jumps(shortest)
LEAP = leaps[0][0] if leaps else 123  # the frame before the first of them
before, after = metrics.heading(rotmats[LEAP : LEAP + 2])
middle = shortest[LEAP : LEAP + 2].mean(0, keepdim=True)  # (1, 3)
average = metrics.heading(batch_rodrigues(middle)).item()
print(f"heading before {before:.1f}°, after {after:.1f}°; of the average of both vectors {average:.1f}°")

# %% [markdown]
# It looks backwards. A smoothing filter, an interpolation, or a loss that asks neighbouring vectors to be
# alike would all do this to you.
#
# **And gimbal lock?** That is a third thing. It belongs to *Euler angles*, three turns one after the other:
# where the middle one is a quarter turn, the first and the third turn about the same axis, and one way of
# turning is lost. See it happen: two different triples, one rotation.

# %%
PITCHES = (20.0, 90.0)  # degrees


def euler(heading, pitch, roll):
    """Turn about y, then x, then z of the body, in degrees -> (3, 3)"""
    turns = torch.tensor([[0.0, heading, 0], [pitch, 0, 0], [0, 0, roll]])
    about_y, about_x, about_z = batch_rodrigues(torch.deg2rad(turns))
    return about_y @ about_x @ about_z


for pitch in PITCHES:
    difference = (euler(30, pitch, 0) - euler(0, pitch, -30)).abs().max()
    print(f"pitch {pitch:.0f}°: heading 30° and roll -30° differ by {difference:.3f}")

# %% [markdown]
# At a pitch of 90° heading and roll are one and the same. Our dolphin never pitches like that, and it has no
# Euler angles. So: no gimbal lock, neither in the one fit nor in the other. Wrong poses there, a wrap of
# names here. The second you can mend now.

# %% [markdown]
# ## Exercise 9 · bonus: an orientation without jumps
#
# *20 minutes, 10 bonus points.*
#
# **Why.** Whoever wants speeds of turning, smoothing, or a plot to be proud of, needs numbers that change
# only when the animal does.
#
# **The formula.** A rotation by the angle $a$ about the axis $n$ (of length 1) has the names
#
# $$v_k = (a + 2\pi k)\, n, \qquad k = \ldots, -1, 0, 1, 2, \ldots$$
#
# The first frame takes the shortest. Each following frame takes that of its names which is **nearest to the
# vector chosen for the frame before**.
#
# | | shape | what |
# |---|---|---|
# | `rotmats` | (T, 3, 3) | rotation matrices, each close to the one before |
# | `rotmat_to_rotvec(rotmats)` | (T, 3) | given: the shortest names $a\,n$, radians, $a \le \pi$ |
# | result | (T, 3) | rotation vectors, radians, without jumps |
#
# ![What you should see: above, three curves of which one falls from +180 to −180 degrees at one moment;
# below, the same three curves, and that one goes on rising.](pictures/orientation.png)
#
# <details><summary>Hint 1: what not to do</summary>
#
# Unwrapping each of the three numbers by itself changes the rotation: where the vector flips, all three
# change sign, but only large ones leap by more than pi. And the *length* never leaps: it climbs to pi and
# comes down again. It is the axis that turns round.
# </details>
# <details><summary>Hint 2: one frame</summary>
#
# With `name` the shortest vector of this frame and `before` the one chosen for the last, all candidates lie
# on a line: `name + k * 2 * pi * axis`. Which whole number k brings you closest to `before`? You can try a
# few on both sides, -2 to 2 at least, or project `before - name` onto the axis and round.
# </details>
# <details><summary>Hint 3: no rotation, no axis</summary>
#
# At the identity `name` is zero, and `name / name.norm()` is NaN. `torch.nn.functional.normalize(name,
# dim=0)` gives zero there, and then any k leaves the vector as it is. Compare with the *chosen* vector,
# `chosen[-1]`, not with the shortest one of the frame before.
# </details>

# %% exercise="orientation"
import torch

from course_lib.rotations import rotmat_to_rotvec
from solutions.rotations import continuous_rotvecs
# stub continuous_rotvecs
#     names = rotmat_to_rotvec(rotmats)               # (T, 3), the shortest of each frame
#     chosen = [names[0]]
#     for name in names[1:]:
#         ...
#     return torch.stack(chosen)                      # (T, 3)

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
# With these vectors the average of the two frames looks where it should. And the tutorial's fit? Each of its
# leaps stays: no choice of names mends a wrong pose.

# %%
middle = continuous_rotvecs(rotmats)[LEAP : LEAP + 2].mean(0, keepdim=True)  # (1, 3)
print(f"heading of the average of both vectors: {metrics.heading(batch_rodrigues(middle)).item():.1f}°")
for which, matrices in ((NAME, rotmats), ("tutorial's fit", their_rotmats)):
    their_leaps = len(show.orientation_jumps(rotmat_to_rotvec(matrices)))
    your_leaps = len(show.orientation_jumps(continuous_rotvecs(matrices)))
    print(f"{which}: leaps of the shortest vectors: {their_leaps}, of yours: {your_leaps}")

# %% [markdown]
# <details><summary>A question to think about: an animal circles on and on. How long does this go
# well?</summary>
#
# Up to nearly a whole turn. All vectors of length $2\pi$ are names of the identity, no turn at all. An animal
# that turns exactly about one axis passes it, as in the check's last case. But a real one is a little tilted:
# close to a whole turn a tiny tilt turns the axis a lot, and the vector must swing fast to follow. There
# rotation vectors do have a lock of their own. The cure is to measure from another origin, one that turns
# along, so that the vectors stay short: `DolphinScene.anchor`. The default recipe does this during the fit.
# </details>
#
# *Reference: Grassia, Practical parameterization of rotations using the exponential map, J. Graphics Tools
# 3(3), 1998, DOI 10.1080/10867651.1998.10487493.*

# %% [markdown]
# ## Exercise 10 · bonus: measure the dolphin
#
# *20 minutes, 10 bonus points.*
#
# **Why.** Length tells the age of a growing animal, mass how well it feeds. Biologists fly drones to learn
# just these, without touching the animal.
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
# | results | () each | metres, cubic metres, kilograms |
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
# and then taken away again. That is why the origin may lie anywhere.
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
#     a, b, c = ...                                   # (F, 3) each, the corners of every triangle
#     return ...


# %%
def measured(vertices, faces):
    volume = mesh_volume(vertices, faces)
    return float(body_length(vertices)), 1000 * float(volume), float(body_mass(volume))


rows = {"template": measured(model.V[0], model.F), NAME: measured(scene.rest_shape().detach(), model.F)}
if truth:  # the course's own clip
    rows["tutorial's fit"] = measured(their_scene.rest_shape().detach(), model.F)
    rows["truth"] = truth.length_m, 1000 * truth.volume_m3, float(body_mass(truth.volume_m3))
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
# Half a per cent in length, two per cent in volume: that looks as if one camera were enough. It is not. Take
# the fitted dolphin of frame 100 and enlarge it by five per cent **as seen from the camera**, so that it also
# moves away from it:

# %%
FRAME, GROWTH = 100, 1.05
eye = dataset.cam_eye[FRAME]  # (3,) metres
here = vertices[FRAME]  # (V, 3)
there = eye + GROWTH * (here - eye)
camera = dataset.cameras(torch.tensor([FRAME]))
in_picture = [camera.transform(v[None])[0, :, :2] for v in (here, there)]  # (V, 2) each, from -1 to 1
moved = (in_picture[1] - in_picture[0]) * torch.tensor(dataset.data_resolution) / 2  # (V, 2) pixels
print(f"in the picture no vertex moves by more than {moved.abs().max():.4f} pixels;")
deeper = here[:, 1].mean() - there[:, 1].mean()
grown = f"{100 * (GROWTH - 1):.0f} % longer and {100 * (GROWTH**3 - 1):.0f} % heavier"
print(f"in the world the animal lies {deeper:.2f} m deeper, is {grown}.")
left = torch.exp(-scene.water_absorption.detach() * deeper)  # exercise 5
shares = " ".join(f"{share:.2f}" for share in left)
print("Of what was under water before, the added water leaves of red, green, blue:", shares)

# %% [markdown]
# Every outline is the same to the last pixel, so no loss on outlines can prefer one: depth and size come only
# together. The colour would tell, if we knew what the water absorbs and how grey the skin is; but both are
# fitted to the same picture. What decides is what we **believe**. The default recipe assumes that the fin's
# tip is 5 cm above the surface, because the clip shows a trail of foam behind it; an error of 11 cm there is
# one per cent of length and three of mass.
#
# The **roll** hides as well. The default recipe assumes a back that is up, and its fit rolls less than the
# animal does: in the frame printed above by nearly 14° less, and yet it covers the mask well (IoU 0.93).
#
# Nor does a picture from above show how *deep* the body is, from back to belly. The fit takes that from the
# template, scaled with what is seen. Of the three, trust the length most and the mass least; and write beside
# every number what you assumed for it.

# %% [markdown]
# <details><summary>A question to think about: what would you change about the flight to know the
# size for sure?</summary>
#
# Anything that adds a second view or a known length: a second drone, or one that moves while the animal is
# still; sun and shadow; a dive past the surface, whose height is known; an animal measured before. Knowing
# the drone's altitude well is the least: studies carry laser altimeters, because an error of one per cent
# there is an error of one per cent in length.
# </details>
#
# *References: Zhang and Chen, Efficient feature extraction for 2D/3D objects in mesh representation, ICIP
# 2001, DOI 10.1109/ICIP.2001.958278; Christiansen et al., Estimating body mass of free-living whales using
# aerial photogrammetry and 3D volumetrics, Methods in Ecology and Evolution, 2019, DOI
# 10.1111/2041-210X.13298.*
#
# **That is the whole path**, from a video to kilograms. What to try next: segment a clip of your own (lesson
# 1), fit it (lesson 4), and measure it here, without the epilogue and the ready fits, which belong to the
# course's clip. There will be no truth to compare with. You now know where to look instead.
