# %% [markdown]
# # Lesson 2 · A dolphin that bends
#
# **You will be able to** turn rotation vectors into rotation matrices that a gradient can pass through, say
# how linear blend skinning poses a template mesh, name every number that the fit will change, and follow the
# animal from pixels to metres and back.
#
# **Minutes:** 90 to 130. **You need to know:** PyTorch tensors and broadcasting; what a gradient and gradient
# descent are; what a matrix does to a vector; the cross product of two vectors.
#
# ![The path of the course: segment, template, render, fit, results; you are at
# template.](pictures/path_2.png)

# %% setup=2
from course_lib.environment import setup

setup(lesson=2)

# %% [markdown]
# ## The template
#
# To a drone far above, a dolphin is a hundred pixels long. That is too little to find its shape from scratch:
# many shapes fit one picture, the problem is **ill-posed**. So we begin with a **template**, a mesh of a
# dolphin at rest that knows how dolphins bend. The fit only asks how *this* dolphin differs from it.
#
# An adult Indo-Pacific bottlenose dolphin is some 2.4 to 2.7 m long; the template is 2.6 m. It has ten bones,
# in seven **parts**: the bones of a part share one rotation, as left and right flipper do. Five of the parts
# bend; trunk and dorsal fin move with the whole animal. A list of bones and parts follows below, where they
# move.

# %%
import torch

from course_lib import show
from course_lib.assets import find_pack
from course_lib.dolphin_model import BASE_DOLPHIN_SIZE, DolphinModel

# of the course's dolphin
PARTS = ["trunk", "head", "tail stock, front", "tail stock, rear"]
PARTS += ["dorsal fin", "flippers", "flukes"]

pack = find_pack()
model = DolphinModel(pack)
V, F, J, K = model.V.shape[1], len(model.F), model.LBS.n_joints, model.LBS.n_groups
size = f"{BASE_DOLPHIN_SIZE} m from beak to flukes"
print(f"{V} vertices, {F} faces, {J} bones, {K} parts, {size}")
show.parts_figure(model, PARTS)

# %% [markdown]
# Turn it with the mouse. In the whole course z runs along the body towards the head, y up, and x to the
# dolphin's left.
#
# | in the model's file | shape | what |
# |---|---|---|
# | `V` | (1, V, 3) | vertices at rest, metres |
# | `F` | (F, 3) | the three vertices of each face |
# | `J_regressor` | (1, J, V) | the joint of each bone, about which it turns, as a weighted mean of vertices |
# | `parents` | (J,) | the bone that each bone hangs on |
# | `weights` | (V, J) | how much each vertex follows each bone |
# | `shapedirs` | (V, 3, 4) | `model.LBS.shapedirs`: where scaling takes a vertex: overall, in x, y, z |
#
# This is the format of **SMPL**, a model of human bodies. The file also holds SMPL's pose blend shapes
# (`posedirs`), which correct the skin where a joint bends; the skinning of the tutorial (which this course
# follows: see lesson 1) does not use them, and neither does ours. Such files are pickles, which can run code
# when they are opened; the course reads them without running any.

# %% [markdown]
# ## Rotations, written as three numbers
#
# In each of 200 frames the fit changes six rotations by gradient descent: one of the whole animal, five of
# parts. A rotation matrix has nine numbers that must satisfy six equations: after a step along the gradient
# they no longer do, and the matrix is no rotation any more. A **rotation vector** $\theta \in \mathbb{R}^3$
# has three free numbers: it points along the axis, and its length is the angle in radians. Any three numbers
# are a rotation.
#
# Move the slider. The vector $v$ (grey) is turned about the dashed axis; $\theta$ (blue, drawn 2π times
# shorter) grows along it. At 360° the vector is back where it was, but $\theta$ is not: many rotation vectors
# mean the same rotation. Remember that for lesson 5.

# %%
show.rotation_figure(axis=(1, 2, 2), vector=(1, 0, 0))

# %% [markdown]
# ## Exercise 2 · Rodrigues
#
# *{points of rodrigues} · 30 to 50 minutes · difficulty ●●● · importance ●●●*
#
# **Why.** A function like this turns every bone of the dolphin. If its gradient is wrong, nothing can be
# fitted.
#
# **The formula.** With $a = |\theta|$ the angle (radians) and $n = \theta / a$ the axis, the same rotation is
# the unit **quaternion** (four numbers that stand for a rotation; here its formula is all that you need)
#
# $$q = (w, x, y, z) = \left(\cos\tfrac{a}{2},\; n_x \sin\tfrac{a}{2},\; n_y \sin\tfrac{a}{2},\;
# n_z \sin\tfrac{a}{2}\right)$$
#
# and with $u = (x, y, z)$ it takes a point $v$ to $\;R\,v = v + 2w\,(u \times v) + 2\,u \times (u \times v)$,
# where $\times$ is the cross product.
#
# | | shape | what |
# |---|---|---|
# | `quat` | (B, 4) | quaternions (w, x, y, z), of any length but 0: divide by the length first |
# | `theta` | (B, 3) | rotation vectors, radians; may be zero: the gradient must be right there, too |
# | result | (B, 3, 3) | rotation matrices; dtype and device of the input; gradients flow back to it |
#
# B is the number of rotations: all bones of all frames of a batch at once. So write no loop over them.
#
# Do not name a device (`torch.device("cuda")`, `.cuda()`). Make new tensors on the input's device, for
# example `torch.eye(3, device=theta.device)`. Then your code runs with and without a GPU. Checks and grading
# always use the CPU.

# %% [markdown]
# **What you should see** when you try it below: the dolphin at rest, then turned by 40° about x, y and z,
# counter-clockwise when the axis points at you.
#
# ![Four drawings of the dolphin, seen from ahead, from its left and above: at rest; turned about the x axis,
# nose down; about the y axis, to its left; about the z axis, rolled so that its left side goes
# up.](pictures/rodrigues.png)

# %% [markdown]
# <details><summary>Hint 1: the matrix of a quaternion</summary>
#
# The columns of a matrix are the images of $e_x, e_y, e_z$. Put these into the formula for $R\,v$ in place of
# $v$, one by one. For example, $u \times e_x = (0, z, -y)$, and $u \times (u \times e_x) = (-y^2 - z^2,\;
# xy,\; xz)$.
# </details>
# <details><summary>Hint 2: theta = 0</summary>
#
# All poses start at zero. There $a = 0$, and $\theta / a$ is 0/0. You never need $n$ alone, though: $n
# \sin\frac{a}{2} = \theta \cdot \frac{\sin(a/2)}{a}$. What is the limit of $\sin(a/2) / a$? What is it, to
# second order, where $a$ is small?
# </details>
# <details><summary>Hint 3: the gradient at zero</summary>
#
# The length $a = \sqrt{\theta \cdot \theta}$ has no derivative at 0 (torch's `sqrt` gives an infinite one,
# and NaN follows; its `norm` chooses 0); the square has. `torch.where(small, series, exact)` computes both
# branches, and in the backward pass NaN times 0 is NaN. So choose twice: first put a harmless number, 1 say,
# into the square where it is small, then take the root and compute the exact branch from that, and let a
# second `torch.where` pick the series where it was small.
# </details>

# %% exercise="rodrigues"
import torch

from solutions.rotations import quat_to_rotmat, batch_rodrigues
# stub quat_to_rotmat
#     w, x, y, z = ...                                # (B,) each, of the unit quaternion
#     return ...                                      # (B, 3, 3)
# stub batch_rodrigues
#     squared = ...                                   # (B, 1), the angle's square
#     quat = ...                                      # (B, 4), (w, x, y, z)
#     return quat_to_rotmat(quat)

# %% [markdown]
# **Try it.** Your function turns the dolphin. The number compares it in all bones with the course's own way,
# the matrix exponential (`torch.linalg.matrix_exp`).

# %%
mine = DolphinModel(pack, rodrigues=batch_rodrigues)
chance = torch.Generator().manual_seed(0)
pose = 0.3 * torch.randn(5, 10, 3, generator=chance)  # (B, J, 3), radians
placed = pose[:, :1], pose[:, 1:], torch.zeros(5, 1, 3)
error_mm = 1000 * (mine(*placed)["vertices"] - model(*placed)["vertices"]).abs().max()
good = "(good: below 0.01 mm; nan: see hint 2)"
print(f"Largest difference of a vertex in five random poses: {error_mm:.4f} mm {good}")
show.turns_figure(model, batch_rodrigues)

# %% [markdown]
# And now it swims, with your function in all its bones: the tail stock beats up and down, and the flukes
# follow a little later. Press Play.

# %%
beat = torch.linspace(0, 2 * torch.pi, 25)[:-1]  # (T,), one beat
theta = torch.zeros(24, 10, 3)  # (T, J, 3)
# bones 6 and 7: the tail stock; 8 and 9: the flukes
for bone, degrees, late in ((6, 10, 0.0), (7, 16, 0.7), (8, 22, 1.4), (9, 22, 1.4)):
    theta[:, bone, 0] = degrees / 180 * torch.pi * torch.sin(beat - late)
mine = DolphinModel(pack, rodrigues=batch_rodrigues)
swims = mine(theta[:, :1], theta[:, 1:], torch.zeros(24, 1, 3))["vertices"]  # (T, V, 3)
show.mesh_viewer(swims, model.F, every=1, time_s=torch.arange(24) / 30, sea=False)

# %% check="rodrigues"
from course_lib import check

check.rodrigues()

# %% [markdown]
# Keep what you wrote; later lessons can use it instead of the course's solution.

# %%
from course_lib.keep import keep

keep(quat_to_rotmat, batch_rodrigues)

# %% [markdown]
# <details><summary>A question to think about: why does the sign of a quaternion not matter?</summary>
#
# Every entry of the matrix is a sum of products of two of its numbers, so q and -q give the same rotation.
# Each rotation has two unit quaternions, and infinitely many rotation vectors: add a whole turn to the angle.
# Lesson 5 shows what follows from that.
# </details>
#
# *Reference: G. Gallego and A. Yezzi, A compact formula for the derivative of a 3-D rotation in exponential
# coordinates, J. Math. Imaging Vis. 51, 2015, arXiv 1312.0788. The formula is that of O. Rodrigues, 1840.*

# %% [markdown]
# ## Linear blend skinning
#
# A bone carries the vertices around it, as a **rigid** body would: between the joints nothing bends. Near a
# joint a vertex belongs to several bones: its place is the weighted mean of where each of them would take it.
# This is **linear blend skinning** (LBS). A real animal also breathes, and its spine bends everywhere; the
# model cannot show that.
#
# $$v' = \sum_{j=1}^{J} w_j \, A_j \begin{pmatrix} v \\ 1 \end{pmatrix}, \qquad
# A_j = G_j \, \bar G_j^{-1}, \qquad
# G_j = G_{p(j)} \begin{pmatrix} R_j & b_j \\ 0 & 1 \end{pmatrix}$$
#
# | symbol | what |
# |---|---|
# | $v,\ v'$ | the vertex at rest, and posed (the first three numbers of the sum) |
# | $w_j$ | its weight for bone $j$; the weights of a vertex sum to 1 |
# | $R_j$ | the bone's rotation, by your `batch_rodrigues` |
# | $b_j$ | from the joint of the parent $p(j)$ to this one, at rest; for the root, from the origin |
# | $G_{p(j)}$ | that of the parent; the root has none, there it is the identity |
# | $G_j,\ \bar G_j$ | 4 × 4: from the bone to the world, posed and at rest (all $R = 1$) |
#
# The 1 below $v$ makes **homogeneous coordinates** of it: with it one 4 × 4 matrix can turn a point and move
# it. $\bar G_j^{-1}$ takes the vertex from the world to the joint at rest; $G_j$ takes it to where the joint
# is now, and turns it there. The bones form a **kinematic tree**: a bone moves all that hangs on it, because
# $G_j$ contains $G_{p(j)}$.
#
# Here it is in a dozen lines. Read them beside the formula, then compare with the course's own
# (`course_lib/dolphin_model/skinning.py`), which does the same for a batch, faster.


# %%
def to_world(R, joints, parents):
    """From bones to the world, G. R (J, 3, 3), joints at rest (J, 3) -> (J, 4, 4)"""
    local = torch.eye(4).repeat(len(R), 1, 1)
    local[:, :3, :3] = R
    local[:, :3, 3] = joints
    local[1:, :3, 3] -= joints[parents[1:]]  # b: from the parent's joint
    G = [local[0]]
    for j in range(1, len(R)):
        G.append(G[parents[j]] @ local[j])
    return torch.stack(G)


def skin(vertices, weights, R, joints, parents):
    """The vertices (V, 3), posed; weights (V, J). -> (V, 3)"""
    at_rest = to_world(torch.eye(3).expand_as(R), joints, parents)
    A = to_world(R, joints, parents) @ torch.linalg.inv(at_rest)  # (J, 4, 4)
    points = torch.nn.functional.pad(vertices, (0, 1), value=1.0)  # (V, 4), homogeneous
    # for each vertex v the sum over the bones j: weight times matrix times point
    return torch.einsum("vj,jab,vb->va", weights, A, points)[:, :3]


rest = model.V[0] * model.global_scale  # (V, 3) metres
joints = model.J_regressor[0] @ rest  # (J, 3)
theta = 0.3 * torch.randn(1, 10, 3)  # (1, J, 3), a random pose
# bone_selection is 0 for the bones that never turn by themselves, else 1
R = model.LBS.rodrigues(theta[0] * model.bone_selection[:, None])  # (J, 3, 3)
ours = skin(rest, model.weights, R, joints, model.parents)
theirs = model(theta[:, :1], theta[:, 1:], torch.zeros(1, 1, 3))["vertices"][0]
print(f"Largest difference of a vertex: {1000 * (ours - theirs).abs().max():.4f} mm")

# %%
sums = model.weights.sum(dim=1)  # (V,)
print(f"Weights sum to {sums.min():.6f} ... {sums.max():.6f}")
bones = ["trunk", "head", "dorsal fin", "chest", "left flipper", "right flipper"]
bones += ["tail stock, front", "tail stock, rear", "left fluke", "right fluke"]
for j, parent in enumerate(model.parents.tolist()):
    part = model.LBS.seg_grouping[j]
    hangs_on = f"hangs on bone {parent}" if j else "is the root"
    moves = "" if model.bone_selection[j] else "  never turns by itself"
    name = f"{bones[j]:17}  {hangs_on:15}"
    print(f"bone {j}: {name}  part {part}, {PARTS[part]:17}{moves}")
show.weights_figure(model, bone=7, name=bones[7])

# %% [markdown]
# Between the tail stock's two bones the weight fades smoothly: there the skin bends, and does not break. Now
# move the bones. Choose a part in the menu, then move the slider; `axis="y"` turns it sideways, `axis="z"`
# twists it. Watch the flukes when the front of the tail stock turns: they follow.
#
# Two bones never turn by themselves: no dolphin can move its dorsal fin, and ribs keep the chest stiff. The
# root turns with the whole animal. So five of the seven parts bend; trunk and dorsal fin are not in the menu.

# %%
show.bend_figure(model, PARTS, axis="x")

# %% [markdown]
# <details><summary>A question to think about: what happens in this model to the skin at a joint that twists
# by 180°?</summary>
#
# A vertex with two weights of 1/2 is put half-way between two opposite places: on the axis. There the skin
# shrinks to a point, like a twisted sweet wrapper, because the mean of two rotation matrices is not a
# rotation matrix. For the small angles of a dolphin that hardly matters.
# </details>
#
# <details><summary>Another question: both flippers share one rotation vector. About which axes do they then
# move as mirror images of each other?</summary>
#
# About x only. The mirror at the middle of the body (x becomes -x) makes the rotation vector (a, -b, -c) of
# (a, b, c). With the same vector for both, a turn about y moves one flipper forwards and the other backwards,
# and a turn about z one up and the other down. For mirror symmetry one of them would need the signs of y and
# z changed. Try it above, with the part "flippers" and the other axes.
# </details>
#
# *Reference: M. Loper et al., SMPL: a skinned multi-person linear model, ACM Trans. Graph. 34(6), 2015, DOI
# 10.1145/2816795.2818013.*

# %% [markdown]
# ## Shape: four numbers a part
#
# Dolphins differ in length, girth and the size of their fins. Each part has four numbers, `part_scales` (7,
# 4): global, x, y, z. They are 0 for the template; 0.1 makes the part a tenth larger. When a part grows, the
# parts that hang on it move along, so that they still meet at the joint.
#
# There is one shape for the whole clip: an animal does not grow while it swims.

# %%
show.scale_figure(model, PARTS)

# %% [markdown]
# *Reference: shapes per part that are then made to meet are the idea of GLoSS, in S. Zuffi et al., 3D
# Menagerie: modeling the 3D shape and pose of animals, CVPR 2017, arXiv 1611.07700.*
#
# ## All that the fit will change
#
# `DolphinScene` holds every unknown of the clip as a parameter of a torch module. There is a pose and a place
# for each of the T frames, but only one shape, skin, sun and water. All start from simple values: a straight
# dolphin, grey all over. (`init_rot_up` and `init_rot_fwd` turn the start about y and z, in degrees; here it
# is not turned.)

# %%
from course_lib.scene import DolphinScene, init_translations
from course_lib.video import SegmentedVideo

dataset = SegmentedVideo(pack)
scene = DolphinScene(model, num_frames=len(dataset), init_rot_up=0.0, init_rot_fwd=0.0)
meaning = {
    "global_poses": "rotation vector of the whole dolphin",
    "joint_poses": "that of each part (five bend)",
    "translations": "place, metres",
    "part_scales": "shape: global, x, y, z",
    "shape_modes": "shape: girth, stretch, fins (lesson 4)",
    "azimuth": "direction of the sun: an angle about z, radians",
    "elevation": "the other angle (not the sun's height: lesson 3)",
    "strength": "of the sun: brightness",
    "angle": "spread of its light, radians",
    "dolphin_albedo": "grey of the skin, a texture",
    "water_absorption": "of red, green, blue, 1 / metre",
}
for name, parameter in scene.named_parameters():
    shape, values = str(tuple(parameter.shape)), parameter.flatten()
    start = values[:3].tolist() if parameter.dim() == 1 else values[:1].tolist()
    start = ", ".join(f"{value:.3g}" for value in start)
    print(f"{name:17} {shape:17} starts at {start:8} {meaning[name]}")
count = sum(parameter.numel() for parameter in scene.parameters())
print(f"{count:,} numbers, {count - scene.dolphin_albedo.numel():,} without the skin")

# %% [markdown]
# ## Where to start: the projection, backwards
#
# Gradient descent needs a good **initialisation**. A dolphin that does not overlap with the one in the video
# gets no gradient from the masks, and from a bad start the fit ends in a **local minimum**: no small step
# makes it better, but it is not the best. So each frame starts with the dolphin at the middle of its mask.
# The camera turns a point into a place in the image in three steps; we know the result and undo them.
#
# | | forwards | backwards |
# |---|---|---|
# | extrinsics | $p = R\,X + t$, world to camera, metres | $X = R^T (p - t)$ |
# | intrinsics | $(f_x\,p_x,\; f_y\,p_y)$ | divide by $f_x$ and $f_y$ |
# | perspective | divide by the depth $d = -p_z$: $c_x, c_y$ in [-1, 1] | multiply by $d$ |
#
# $f_x, f_y$ are the focal length, in units of half the image's width and height: the first two numbers on the
# diagonal of the camera's projection matrix.
#
# The last step cannot be undone from the image alone: the depth $d$ is lost. But we know the drone's altitude
# $h$, and **assume** that it looks straight down and that the animal is at the surface, $y = 0$. So $d = h$.
#
# We also assume that light travels in straight lines. In truth it bends where it leaves the water: this
# **refraction** (index 1.34) makes things under water look less deep, from straight above 1/1.34 of their
# true depth. The course's clip was rendered so. The tutorial leaves refraction out: the depths that its fit
# finds are *apparent* depths. The default recipe of lesson 4 draws the dolphin where it seems to be
# (`course_lib/refraction.py`). Here refraction does not matter: at the surface there is none.
#
# The camera's $p_x$ points to the right of the image. Seen from the drone, the world's +z points up in the
# image and +x to the **left**: a mask left of the middle has a positive $x$ in the world. The rotation $R$
# makes that change of sign.
#
# ![A drone at altitude h above the sea looks straight down. A ray from the camera passes the image plane at
# c_x and meets the surface at p_x = c_x h / f_x; the depth d of the surface is h. Below the surface the same
# ray leads further out.](pictures/projection.png)

# %%
frame = torch.tensor([0])
camera = dataset.cameras(frame)
c = dataset.normalized_centers(frame)  # (1, 2), x right, y up
matrix = camera.intrinsics.projection_matrix()  # (1, 4, 4)
f_x, f_y = matrix[:, 0, 0], matrix[:, 1, 1]  # (1,) each
depth = dataset.cam_eye[frame, 1]  # (1,), the altitude
p = [c[:, 0] * depth / f_x, c[:, 1] * depth / f_y, -depth]
p = torch.stack(p, dim=-1)  # (1, 3), camera space
moved = (p - camera.extrinsics.t[..., 0])[:, None]  # (1, 1, 3)
X = moved @ camera.extrinsics.R  # (1, 1, 3), world; row times R = R^T times column
mask, dolphin = c[0].numpy().round(3), X[0, 0].numpy().round(3)
print(f"Frame 0: mask at {mask}, drone at {depth.item():.2f} m, dolphin at {dolphin} m")

with torch.no_grad():
    scene.translations.copy_(init_translations(dataset))  # the same for all frames
assert torch.allclose(scene.translations[0], X[0], atol=1e-5)

# %% [markdown]
# ## Exercise 3 · Tracking
#
# *{points of tracking} · 20 to 35 minutes · difficulty ●●○ · importance ●●○*
#
# **Why.** Project the translations back into the image: if they end where they came from, they are right.
# (Here half a pixel is missing; you will see why.) You need this projection from metres to pixels whenever
# you draw on a frame.
#
# **The formula.** `cameras.transform(points)` gives normalised coordinates: x to the right, y **up**, both in
# [-1, 1], and a depth. In an image of W × H pixels, column $i$ and row $j$ count from the **upper** left
# pixel, and pixel $(i, j)$ has its centre at
#
# $$x = \frac{2i + 1 - W}{W}, \qquad y = \frac{H - 2j - 1}{H}$$
#
# Solve these for $i$ and $j$. Then draw: on a black image, colour the pixel nearest to each point, and no
# other, by its place in time, from a dark colour (the first point, not black) to a light one (the last).
# Which colours you take is up to you; let them change gradually. Where two points fall on one pixel, the
# later one is seen. Leave out points that lie outside of the image; the others keep the colour of their place
# in time.

# %% [markdown]
# | | shape | what |
# |---|---|---|
# | `points` | (B, N, 3) | world, metres: N points for each of B cameras |
# | `cameras` | B cameras | `cameras.transform(points)`: (B, N, 3); `cameras.width`, `.height`: pixels |
# | pixels | (B, N, 2) | column and row, not rounded: (0, 0) is the centre of the upper left pixel |
# | `pixels` | (T, 2) | what `draw_track` takes, in the order of time; T is 2 or more |
# | `resolution` | (W, H) | width first |
# | image | (H, W, 3) | floats in [0, 1], **rows first**; black where no point is |
#
# **What you should see:** the track, here from dark violet (first frame) to yellow (last).
#
# ![Left, the whole image, black, with a small loop in its middle. Right, the loop on the first frame,
# enlarged: it comes from the lower left in dark violet, goes up on the right side in purple, over the top and
# down on the left in orange, crosses itself and ends at the lower right in yellow.](pictures/tracking.png)

# %% [markdown]
# <details><summary>Hint 1: which way is up</summary>
#
# Try the corners on paper. The upper left pixel is $(i, j) = (0, 0)$: its $x$ is close to -1, and its $y$
# close to +1. So one of the two axes is flipped.
# </details>
# <details><summary>Hint 2: half a pixel</summary>
#
# From $x = (2i + 1 - W) / W$ follows $2i + 1 = (x + 1)\,W$. The 1 on the left is the half pixel between a
# pixel's edge and its centre. Do the same for $j$; $y$ comes with a minus.
# </details>
# <details><summary>Hint 3: drawing</summary>
#
# The image is `torch.zeros(H, W, 3)`, and the pixel $(i, j)$ is `image[j, i]`. `pixels.round().long()` gives
# the nearest one. Points may lie outside the image: keep those with $0 \le i < W$ and $0 \le j < H$.
# `matplotlib.colormaps["plasma"](k / (T - 1))[:3]` is the colour of point $k$.
# </details>

# %% exercise="tracking"
import torch

from solutions.tracking import project_to_pixels, draw_track
# stub project_to_pixels
#     x, y = ...                                  # (B, N) each, normalised coordinates
#     return ...                                  # (B, N, 2)
# stub draw_track
#     width, height = resolution
#     image = ...                                     # black
#     ...                                             # colour the pixels
#     return image

# %% [markdown]
# **Try it.** On the left the whole image; on the right the track on the first frame, enlarged. The middles of
# the masks, `segment_centers`, are means of pixel numbers: (0, 0) is a pixel's centre, as for you. But the
# dataset turns them into coordinates by $x = 2i/W - 1$, as the tutorial does, as if (0, 0) were the pixel's
# corner. So the translations begin half a pixel to the left of the middles and above them. If your projection
# is right, it finds exactly that; so 0.5 is subtracted below.

# %%
from matplotlib import pyplot as plt

from course_lib.shapes import check_shape

cameras = dataset.cameras(torch.arange(len(dataset)))
pixels = project_to_pixels(scene.translations.detach(), cameras)
check_shape("project_to_pixels(points, cameras)", pixels, "T 1 2")
pixels = pixels[:, 0]  # (T, 2)
image = draw_track(pixels, dataset.data_resolution)
size = dataset.frames[0].shape  # (H, W, 3)
check_shape("draw_track(pixels, resolution)", image, size)
off = (pixels - (dataset.segment_centers - 0.5)).norm(dim=-1)  # (T,)
print(f"They are off by {off.min():.2f} to {off.max():.2f} pixels (right: 0.00).")

figure, (whole, near) = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained")
whole.imshow(image)
on_frame = torch.where(image.any(-1, keepdim=True), image, dataset.frames[0] / 255)
near.imshow(on_frame, interpolation="nearest")
(left, top), (right, bottom) = pixels.amin(0) - 25, pixels.amax(0) + 25
near.set(xlim=(left, right), ylim=(bottom, top))
plt.show()

# %% check="tracking"
from course_lib import check

check.tracking()

# %%
from course_lib.keep import keep

keep(project_to_pixels, draw_track)

# %% [markdown]
# So the projection is right, but the start is not quite. Because of the half pixel each frame starts 0.71
# pixels beside the middle of its mask: half a pixel in each direction. From 11 m up that is less than 2 cm on
# the sea, far less than the fit will move the dolphin.
#
# <details><summary>A question to think about: the dolphin is 1 m below the surface. How wrong is
# its starting point (without refraction)?</summary>
#
# The true point lies further along the same ray, at depth $h + 1$ instead of $h$. So it is a metre deeper,
# and it is also further from the point below the drone, by $1/h$ of its distance to that point: with $h$ = 11
# m and a distance of 1.7 m, by 15 cm. In the image the dolphin is at the right place, but 1/12 smaller than
# at the surface. Its size is the only thing that tells the depth, and a smaller dolphin nearer to the drone
# looks the same.
# </details>
#
# *Reference: R. Hartley and A. Zisserman, Multiple View Geometry in Computer Vision, 2nd ed. 2004, ch. 6, DOI
# 10.1017/CBO9780511811685.*

# %% [markdown]
# **What you have now:** a dolphin that bends (`DolphinModel`), all its unknowns (`DolphinScene`), and a start
# for each frame. In lesson 3 you render it, so that the picture can tell the dolphin how to move.
