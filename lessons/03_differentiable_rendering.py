# %% [markdown]
# # Lesson 3 · A picture with gradients
#
# **You will be able to** project a mesh from the world into a camera's image, rasterise it, give its outline
# a soft edge through which gradients flow to the vertices, light it under water, and put all of this into one
# function that autograd can differentiate.
#
# **Minutes:** 100 to 150. **You need to know:** PyTorch broadcasting and autograd; what a mesh is (vertices,
# faces; lesson 2).
#
# ![The path of the course: segment, template, render, fit, results; you are at render.](pictures/path_3.png)

# %% setup=3
from course_lib.environment import setup

setup(lesson=3)

# %% [markdown]
# `batch_rodrigues` of lesson 2 comes from the course. With `USE_MY_WORK = True` it is the one that you kept;
# the folder `my_work` must then lie beside this notebook.

# %%
USE_MY_WORK = False

from solutions.rotations import batch_rodrigues

if USE_MY_WORK:
    from my_work import batch_rodrigues

# %% [markdown]
# ## Something worth rendering
#
# The scene below is already fitted to the clip (you will fit your own in lesson 4), so that you see at once
# whether your renderer is right. We look at one frame, through a **window**: the dolphin covers 0.6 per cent
# of the drone's picture, so to save time we render only 160 x 90 of its 640 x 360 pixels. The perspective
# stays the same.

# %%
import torch

from course_lib import kal, show
from course_lib.assets import find_pack, ready_fit
from course_lib.losses import iou_loss
from course_lib.scene import DolphinScene
from course_lib.dolphin_model import DolphinModel
from course_lib.video import SegmentedVideo
from course_lib.window import TUTORIAL_BAND, cut, window_camera

pack = find_pack()
dataset = SegmentedVideo(pack)
model = DolphinModel(pack, rodrigues=batch_rodrigues)
scene = DolphinScene(model, len(dataset))
scene.load(ready_fit("default"))

t = torch.tensor([100])  # (B,) one frame
W, H = 160, 90
corner = dataset.segment_centers[t] - torch.tensor([W / 2, H / 2])  # (B, 2)
left, top = corner.round().long().unbind(-1)
cam = dataset.cameras(t, scene.water_index)  # they see through the water
cam = window_camera(cam, left, top, W, H)
original = cut(dataset.frames, t, left, top, W, H) / 255  # (B, H, W, 3)
segmented = cut(dataset.masks, t, left, top, W, H)[..., None] / 255  # (B, H, W, 1)
verts = scene.skin(t).detach()  # (B, V, 3) metres, in the world

V, F, altitude = verts.shape[1], len(model.F), float(dataset.cam_eye[t, 1])
print(f"{V} vertices, {F} faces; the camera is {altitude:.1f} m above the sea")
show.tiles({"what the drone saw": original[0], "where the dolphin is": segmented[0]})

# %% [markdown]
# ## Four spaces
#
# A vertex goes through four coordinate systems. Most bugs of renderers are a mix-up of two of them.
#
# | space | coordinates | unit |
# |---|---|---|
# | **world** | y up from the sea's surface; x and z on it | metres |
# | **camera** | x right, y up in the image; it looks along **-z**: larger z is closer | metres |
# | **image** (normalised device coordinates, NDC) | x right, y **up**, both in [-1, 1] | half an image |
# | **pixels** | column i from the left, row j from the **top** | pixels |
#
# The centre of a pixel is at x = (2i + 1 - W)/W, y = (H - 2j - 1)/H of the image.
#
# ![Four plots in a row, with the dolphin's vertices as dots: in the world, seen from the side, just under the
# sea's surface at y = 0; in camera space, 11 m in front of the camera along -z, within the cone that it sees;
# in the image, from -1 to 1 in x and in y with y up, drawn as wide as the image is; in pixels, with rows
# counted from the top.](pictures/spaces.png)
#
# With the camera's rotation $R$ and translation $t$, the focal lengths $f_x, f_y$ in half images (as in
# lesson 2), and the **principal point** $o$, where the camera's axis meets the image: (0, 0) for the whole
# frame, somewhere else in a window:
#
# $$p_\text{cam} = R\,p + t, \qquad x = -f_x\,\frac{x_\text{cam}}{z_\text{cam}} + o_x, \qquad
# y = -f_y\,\frac{y_\text{cam}}{z_\text{cam}} + o_y$$
#
# `cam.extrinsics` does the first step, `cam.intrinsics` the second, division included. The division is the
# perspective: at twice the distance things look half as large.
#
# `kal` has the same functions as NVIDIA's *kaolin*, with the same results, but needs no GPU. Here are four
# points: the dolphin's middle, the origin, and two that are 1 m away from the origin. Which axis of the world
# points to the left in the image? Why do two of the points have the same place there?

# %%
middle = verts.mean(1, keepdim=True)  # (B, 1, 3), of the dolphin
others = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]])
points = torch.cat([middle, others], dim=1)  # (B, 4, 3)
whole = dataset.cameras(t)  # of the whole frame
in_camera_space = whole.extrinsics.transform(points)  # (B, 4, 3)
in_image = whole.intrinsics.transform(in_camera_space)[..., :2]  # (B, 4, 2)
spaces = {"world": points, "camera": in_camera_space, "image": in_image}
for name, values in spaces.items():
    texts = [", ".join(f"{x:6.2f}" for x in point) for point in values[0].tolist()]
    print(f"{name:8}", *(f"({text})" for text in texts))

# %% [markdown]
# <details><summary>The answers</summary>
#
# The world's x: the point (1, 0, 0) has a negative x in the image. The second and the fourth point, (0, 0, 0)
# and (0, 1, 0), have the same place: the drone is straight above both and looks down, so they lie on one ray,
# and the image knows no depth.
# </details>
#
# ## Rasterisation, and why it has no gradient
#
# `rasterize` finds, for every pixel, the faces that cover its centre, and keeps the nearest, as a
# **z-buffer** does. Within a face it mixes the values at the three corners by **barycentric weights** $w_0 +
# w_1 + w_2 = 1$: a point of the triangle is $w_0 v_0 + w_1 v_1 + w_2 v_2$, and its feature $w_0 f_0 + w_1 f_1
# + w_2 f_2$. The weights are those of the triangle in the image. With perspective that is not quite the
# triangle in space (perspective-correct interpolation would weigh the corners by 1/depth), but a face of a
# few centimetres seen from 11 m has nearly the same depth all over.
#
# You choose what the corners carry: colours, texture coordinates, normals, or the number 1. If it is 1 at all
# corners, the picture is the **hard mask**: 1 where a face is seen, 0 elsewhere.

# %%
corners = [[-0.5, -0.6], [0.6, -0.3], [-0.1, 0.7]]
triangle = torch.tensor([[corners]])  # (B, F, 3, 2), in the image
depth = torch.full((1, 1, 3), -1.0)  # (B, F, 3), z in camera space
colours = torch.eye(3)[None, None]  # (B, F, 3, 3): red, green, blue at the corners
ones = torch.ones(1, 1, 3, 1)
rasterize = kal.render.mesh.rasterize
(colour, hard), face_idx = rasterize(27, 48, depth, triangle, [colours, ones])
show.tiles({"colours of the corners, mixed": colour[0], "hard mask": hard[0]}, zoom=8)

# %% [markdown]
# If the triangle moves by a tenth of a pixel, a few of the 1,296 pixels jump from 0 to 1 or back, and all
# others do not change at all. Each pixel is a step function of the triangle's place. Its derivative is zero
# almost everywhere, and does not exist at the steps. So a loss that compares hard masks is smaller at the
# right place, but its gradient does not tell where that is.
#
# ## The soft mask
#
# DIB-R (a "differentiable interpolation-based renderer", reference below) mends this: a pixel beside the mesh
# belongs to each face a little, and more to a face that is nearer. With $d_k$ the distance from the
# pixel's centre to the outline of face $k$, in NDC, and $\sigma^{-1}$ the sharpness (`sigmainv`),
#
# $$m = 1 \text{ where a face is seen}, \qquad
# m = 1 - \prod_k \left(1 - e^{-\sigma^{-1} d_k^2}\right) \text{ elsewhere.}$$
#
# To save time not every face counts: only those whose bounding box, enlarged by `boxlen` on each side, holds
# the pixel, and of these only the first `knum` in the order of the faces. (The paper writes $e^{-d/\delta}$;
# kaolin, and so the course, takes $d_k^2$ with $d_k$ the distance.) Move the slider: what does a large
# sigmainv do, and a small one?

# %%
soft = {}
for s in (10, 30, 100, 300, 1000, 10000):
    mask = kal.render.mesh.dibr_soft_mask(triangle, face_idx, sigmainv=s, boxlen=1.0)
    soft[f"{s:,}"] = mask[0]
show.image_slider(soft, prefix="sigmainv ", outline=triangle[0, 0], start=2)

# %% [markdown]
# <details><summary>The answer</summary>
#
# A large sigmainv gives a sharp edge: nearly the hard mask. A small one gives a wide blur: a pixel far away
# still depends on the triangle, but one cannot see any more where its outline is.
# </details>
#
# Now move the triangle sideways, away from where it should be (0), and compare the masks by the loss that the
# course uses for masks: 1 - intersection / union. Both losses fall towards the middle. But a fit does not see
# the losses of other places: it only has the slope where it is, from autograd. The second picture shows the
# slopes: for the hard mask there is none, at any place.

# %%
shifts = torch.linspace(-0.2, 0.2, 201)
names = ("hard mask", "soft mask, sigmainv 300")
losses, slopes = ({name: torch.zeros(len(shifts)) for name in names} for _ in range(2))
(small,), _ = rasterize(14, 24, depth, triangle, [ones])  # few pixels: large steps
for k, shift in enumerate(shifts):
    shift = shift.clone().requires_grad_()
    moved = triangle + torch.stack([shift, torch.zeros(())])
    (mask,), seen = rasterize(14, 24, depth, moved, [ones])
    soft_mask = kal.render.mesh.dibr_soft_mask(moved, seen, sigmainv=300, boxlen=0.3)
    for name, image in zip(names, (mask, soft_mask[..., None])):
        loss = iou_loss(image, small)
        losses[name][k] = loss.detach()
        slopes[name][k] = torch.autograd.grad(loss, shift, retain_graph=True)[0]
x = "shift (half images)"
show.lines(shifts, losses, x, "1 - IoU", height=280).show()
show.lines(shifts, slopes, x, "its slope, by autograd", height=280).show()

# %% [markdown]
# Left of the middle the soft mask's slope is negative, right of it positive: downhill is towards the middle
# from both sides. The slope is 0 a little beside the middle, and the loss is not 0 there: the soft mask has a
# **bias**, which we measure below.

# %% [markdown]
# You choose the width of the edge. If it is too narrow, a dolphin that is further off gets no gradient; if it
# is too wide, the outline is blurred. The tutorial takes sigmainv = 100,000 for the whole frame: the edge
# falls to 1/e at a distance of $1/\sqrt{100000} = 0.0032$. In its image of 640 x 360 that is 1.0 pixel in x,
# but only 0.57 pixels in y, because in NDC the height is 2 as well as the width. `TUTORIAL_BAND` holds its
# three numbers, and `TUTORIAL_BAND.seen_by(cam)` gives them for a camera that shows a part of the frame: in a
# window of a quarter of the width all distances are four times as long.

# %%
print("whole frame: sigmainv %g, boxlen %g, knum %d" % TUTORIAL_BAND.seen_by(whole))
print("our window:  sigmainv %g, boxlen %g, knum %d" % TUTORIAL_BAND.seen_by(cam))

# %% [markdown]
# ## Exercise 4 · Basic rendering
#
# *{points of dibr} · 40 to 60 minutes · difficulty ●●● · importance ●●●*
#
# **Why.** This function is the core of the course. All that the fit knows of the picture comes through it.
#
# **The steps.** (`mesh`, in the first line that is given, is a `SurfaceMesh`: the vertices in the world, with
# the faces.)
#
# 1. Take the vertices into camera space, then into the image. Of the image only x and y count.
# 2. Gather both at the corners of the faces: `kal.ops.mesh.index_vertices_by_faces(values, model.F)`.
# 3. Which faces look at the camera? Take their normals $n = (v_1 - v_0) \times (v_2 - v_0)$ in **camera
#    space**: the function `kal.ops.mesh.face_normals(corners of the faces)` makes one per face, (B, F, 3).
#    The camera looks along -z: keep the faces with $n_z \ge 0$, as the tutorial does. This is **back-face
#    culling**; with perspective it is wrong for a few faces that are seen almost edge-on.
# 4. What the corners carry, in this order: **texture coordinates** (given: where on the skin's picture a
#    corner lies; the model counts v from the top, `texture_mapping` from the bottom), normals in the
#    **world** (given: the attribute `mesh.face_normals`, (B, F, 3, 3). It has the name of the function of
#    step 3, but holds one normal per corner; the sun stands in the world), **height over the sea** (y in the
#    world, at each corner), and ones, for the hard mask.
# 5. `rasterize(height, width, face_vertices_z, face_vertices_image, face_features, valid_faces)`: the depth
#    is z in camera space, as it is. (With another sign far faces hide near ones. On this dolphin, with its
#    back faces culled, you would hardly see it; the check does.)
# 6. `dibr_soft_mask(face_vertices_image, face_idx, sigmainv, boxlen, knum)`.
#
# | | shape | what |
# |---|---|---|
# | `verts` | (B, V, 3) | vertices in the world, metres |
# | `cam` | | B cameras, with `.extrinsics`, `.intrinsics`, `.width`, `.height` |
# | `model` | | `.F` (F, 3) faces, `.face_uvs` (1, F, 3, 2) |
# | `face_vertices_z` | (B, F, 3) | depth: z of the corners in camera space |
# | `face_vertices_image` | (B, F, 3, 2) | the corners in the image, NDC |
# | `face_features` | list of 4, (B, F, 3, D) each | D numbers at each corner of each face |
# | `valid_faces` | (B, F) bool | the faces to draw |
# | result: features | list of 4, (B, H, W, D) each | uv (D = 2), normal (3), height (1), hard mask (1) |
# | `band` | | passed on to step 6: `*band.seen_by(cam)` gives sigmainv, boxlen, knum |
# | result: soft mask | (B, H, W, 1) | |
#
# As in lesson 2, do not name a device: make new tensors on `verts.device`. Gradients must flow from soft mask
# and height back to `verts`: detach nothing.
#
# ![What you should see: six pictures of the dolphin from above. Texture coordinates as colours that change
# along and around the body; normals as colours, greener where the skin faces up; the height, light at the
# dorsal fin; the hard mask with a sharp edge; the soft mask with a blurred edge; and the difference of the
# two, a thin bright outline.](pictures/features.png)
#
# <details><summary>Hint 1: which space?</summary>
#
# Write down for each argument of `rasterize` which of the four spaces it is in. Camera and image say *where*
# things are in the picture and *what hides what*. Light and water need the world: which way does the skin
# face, how deep is it?
# </details>
# <details><summary>Hint 2: one value per corner</summary>
#
# `verts[..., 1]` is (B, V), the heights of the vertices. Rasterisation wants (B, F, 3, 1): gather at the
# faces' corners first, and slice with `1:2` instead of `1`, which keeps the last dimension.
# `mesh.face_vertices` has the corners in the world already.
# </details>
# <details><summary>Hint 3: nearly the answer</summary>
#
# `in_camera = cam.extrinsics.transform(verts)`, and `cam.intrinsics.transform(in_camera)` has three
# coordinates, of which `[..., :2]` are wanted. `index_vertices_by_faces` is called twice, for these two.
# The faces that look at us have `face_normals(...)[..., 2] >= 0`, of the first of its results; the depth is
# `[..., 2]` of the same, and the second result goes into both `rasterize` and `dibr_soft_mask`.
# </details>

# %% exercise="dibr"
import torch

from course_lib import kal
from course_lib.window import TUTORIAL_BAND

from solutions.rendering import dibr_rendering
# stub dibr_rendering
#     mesh = kal.rep.SurfaceMesh(verts, model.F)
#     u, v = model.face_uvs.expand(len(verts), -1, -1, -1).unbind(-1)
#     uv = torch.stack([u, 1 - v], dim=-1)        # (B, F, 3, 2), v from the bottom
#
#     in_camera = ...                             # (B, V, 3)
#     on_image = ...                              # (B, V, 2)
#     faces_camera = ...                          # (B, F, 3, 3)
#     faces_image = ...                           # (B, F, 3, 2)
#     looks_at_us = ...                           # (B, F) bool
#     height = ...                                # (B, F, 3, 1)
#     ones = torch.ones_like(uv[..., :1])         # (B, F, 3, 1)
#     at_corners = [uv, mesh.face_normals, height, ones]
#
#     features, face_idx = kal.render.mesh.rasterize(
#         cam.height, cam.width, ..., ..., at_corners, valid_faces=...)
#     soft_mask = kal.render.mesh.dibr_soft_mask(..., face_idx, *band.seen_by(cam))
#     return features, soft_mask[..., None]

# %% [markdown]
# Try it. Compare with the picture above: is anything upside down, inside out, in another space?
#
# In some frames a single pixel of the dorsal fin is black, like a hole. The z of a normal says whether a face
# looks along the camera's axis. Away from that axis the camera sees some steep faces that do not, and they
# are left out.

# %%
features, soft_mask = dibr_rendering(verts, cam, model)
uv, normals, height, hard_mask = features
pictures = {
    "texture coordinates": uv,
    "normals": (normals + 1) / 2 * hard_mask,
    "height": (height - height.min()) / (height.max() - height.min()) * hard_mask,
    "hard mask": hard_mask,
    "soft mask": soft_mask,
    "soft minus hard": soft_mask - hard_mask,
}
show.tiles({name: picture[0] for name, picture in pictures.items()})

# %% check="dibr"
from course_lib import check

check.dibr()

# %%
from course_lib.keep import keep

keep(dibr_rendering)

# %% [markdown]
# **Stuck?** Set `SPARE_RENDERING = True`: the rest of the lesson then works with a function of the course. To
# come back to yours, run the cell of the exercise again.

# %%
SPARE_RENDERING = False

if SPARE_RENDERING:
    from course_lib.check.spare_renderer import dibr_rendering

# %% [markdown]
# <details><summary>A question to think about: z decides what hides what, but no gradient flows to
# it. What can the fit therefore not learn?</summary>
#
# Which of two faces is in front is a yes or no, and that has no slope. If a flipper is hidden behind the
# body, nothing in the picture pulls it to the front. (Depth does get a gradient in another way: what is
# nearer looks a little larger.)
# </details>
#
# *Reference: W. Chen et al., Learning to predict 3D objects with an interpolation-based differentiable
# renderer, NeurIPS 2019, arXiv 1908.01210, section 3: interpolation for the inside, the soft mask for the
# outside.*

# %% [markdown]
# ## The soft mask is larger than the dolphin
#
# Outside the outline the soft mask is above 0, and it is nowhere below the hard mask: it is larger than the
# animal, even if the animal is right. With one triangle that is a thin rim. Beside a fine mesh dozens of
# faces are near the same pixel, and the product of all the $1 - e^{-\sigma^{-1}d^2}$ goes to 0: the mask
# **saturates** to 1 before it falls.
#
# What does that do to a fit? Take the mesh's own hard mask as the truth, shrink and grow the dolphin, and see
# where the loss is lowest. A loss without bias would be lowest at 1.

# %%
from course_lib.window import Band

hard_mask = dibr_rendering(verts, cam, model)[0][3]  # (B, H, W, 1): the truth here
scales = torch.linspace(0.9, 1.06, 33)
middle = verts.mean(1, keepdim=True)
narrow = Band(sigmainv=1600000, boxlen=0.0025)  # a quarter of the tutorial's width
bands = {"the tutorial's band": TUTORIAL_BAND, "a quarter as wide": narrow}
names = (*bands, "hard mask (no gradient)")
curves = {name: torch.zeros(len(scales)) for name in names}
with torch.no_grad():
    for k, s in enumerate(scales):
        sized = middle + s * (verts - middle)
        for name, band in bands.items():
            features, soft_mask = dibr_rendering(sized, cam, model, band)
            curves[name][k] = iou_loss(soft_mask, hard_mask)
        curves["hard mask (no gradient)"][k] = iou_loss(features[3], hard_mask)
for name, values in curves.items():
    print(f"{name}: lowest at {float(scales[values.argmin()]):.3f} of the true size")
size = "size of the dolphin, 1 is the truth"
show.lines(scales, curves, size, "1 - IoU", mark=(1.0, "truth"))

# %% [markdown]
# The loss is lowest below 1: minimising it makes the animal too small, and *measures* it too short. A
# narrower band is less biased, but gives no gradient from further away. This trade-off is in the renderer,
# not in the fit, and it is easy to miss, because the loss falls nicely. Lesson 4 comes back to it:
# `course_lib/outline.py` has a loss made from distances without that bias.

# %% [markdown]
# ## Texture
#
# What colour is the skin at a pixel? The texture coordinates (u, v) say where to look in the texture image,
# the **albedo**: the share of the light that the skin reflects. `texture_mapping` mixes the four nearest
# texels (pixels of the texture; **bilinear interpolation**), so gradients flow to the texture. Ours has one
# channel, because dolphins are grey; `texturing` repeats it for red, green and blue.
#
# Here it is on the dolphin. The chequered one beside it shows how the texture is laid around the body.

# %%
from course_lib.shading import texturing

uv, normals, height, hard_mask = dibr_rendering(verts, cam, model)[0]  # of exercise 4
tile = torch.arange(512) // 16 % 2
chequered = (tile[:, None] ^ tile[None]).float()[None, None] * 0.6 + 0.3  # (1, 1, S, S)
with torch.no_grad():
    skin = texturing(uv, hard_mask, scene.dolphin_albedo)  # (B, H, W, 3)
    squares = texturing(uv, hard_mask, chequered)
show.tiles({"fitted skin": skin[0], "chequered": squares[0]})

# %% [markdown]
# ## Sun
#
# The sun and the sky around it are one **spherical Gaussian**: from the direction $x$ comes the light $a\,
# e^{\,s\,(x \cdot d - 1)}$, most from the direction $d$ of the sun, less around it. Formulas give how much of
# it a surface reflects, with smooth gradients. The scene has `azimuth` and `elevation` for $d$, and
# `strength` for the amplitude $a$. The sharpness $s$ comes from the strength **and** from `angle`, the width
# of the light:
#
# $$s = \frac{\ln(2a)}{1 - \cos(\text{angle}/2)}$$
#
# so that the light is 1/2 at the rim of the sun. (Then at $a = 1/2$ it is the same from everywhere, and below
# that $s$ is negative: the light is weakest from the direction of the sun. Nothing in the fit forbids it: the
# strength is only kept from going below 0.)
#
# Change the angle on this ball: what happens to the border between light and shadow?

# %%
from course_lib.kal.render.lighting import SgLightingParameters, sg_diffuse_fitted

normal, inside = show.ball()
grey = torch.full_like(normal[inside], 0.8)
direction = torch.tensor([[0.6, 0.6, 0.5]])
direction = direction / direction.norm()  # (1, 3)
balls = {}
for degrees in (5, 15, 30, 60, 90, 120):
    angle = torch.deg2rad(torch.tensor([float(degrees)]))  # (1,)
    sun = SgLightingParameters.from_sun(direction, torch.ones(1), angle)
    lobe = sun.amplitude, direction, sun.sharpness
    light = sg_diffuse_fitted(*lobe, normal[inside], grey)
    image = torch.zeros_like(normal)
    image[inside] = light / light.max()  # the brightest spot is white
    balls[f"{degrees}°"] = image
show.image_slider(balls, prefix="angle ", start=2)

# %% [markdown]
# <details><summary>The answer</summary>
#
# A small sun leaves a sharp border between light and shadow. The light of a wide one reaches round the ball,
# and the border becomes soft, as under clouds.
# </details>
#
# *Reference: J. Wang et al., All-frequency rendering of dynamic, spatially-varying reflectance, ACM TOG
# 28(5), 2009, doi 10.1145/1618452.1618479.*
#
# `sunlight` in `course_lib/shading.py` does this for the pixels that show the dolphin.

# %%
from course_lib.shading import sunlight

uv, normals, height, hard_mask = dibr_rendering(verts, cam, model)[0]
with torch.no_grad():
    skin = texturing(uv, hard_mask, scene.dolphin_albedo)
    lit = sunlight(scene, cam, hard_mask, skin, normals)  # (B, H, W, 3)
show.tiles({"skin": skin[0], "in the sun": lit[0]})

# %% [markdown]
# This scene, the default fit, has more light than the sun's: that of a sky, which lights a surface more the
# more it faces up, and a colour for each of the two (`sky_light`, `sun_colour`). The tutorial's scenes have
# neither. There the skin also mirrors the sun: to the diffuse part, which you saw on the ball, comes a
# **specular** one, a glint. In the tutorial's own fit the glint is all the light there is, and the
# pattern of the skin is not seen. But under water skin hardly mirrors, because its refractive index is nearly
# that of water: the default fit has no glint.
#
# **A trap.** Where does the sun of the scene stand? "Elevation" sounds like its height over the horizon. But
# `spherical2cartesian`, as in kaolin, has z up, and our world has y up: $d = (\cos e \cos a,\; \cos e \sin
# a,\; \sin e)$, so the height over the horizon is $\arcsin(\cos e \sin a)$. Compare the two:

# %%
tutorials = DolphinScene(model, len(dataset))
tutorials.load(ready_fit("tutorial"))
start = DolphinScene(model, 1)
suns = {"start": start, "default fit": scene, "tutorial's fit": tutorials}
for name, its in suns.items():
    _, y, _ = kal.ops.coords.spherical2cartesian(its.azimuth, its.elevation)
    angles = torch.rad2deg(torch.cat([its.elevation, torch.asin(y)]))
    elevation, height = (round(x, 1) + 0.0 for x in angles.tolist())  # + 0.0: no -0
    sun = f"elevation {elevation:5.1f}°, height {height:4.1f}°"
    print(f"{name:15} {sun}, strength {its.strength.item():.2f}")

# %% [markdown]
# At the start the sun is on the horizon. At the end of the tutorial's fit it is there too, with a strength
# not far above 1/2, and so with nearly the same light from everywhere. In truth it stood 40° high. But the
# animal is under water: refraction makes that 55°, and the default fit comes near to it, from nothing but the
# shading of the skin. Before you read a number, look up what it means: its name may mislead.

# %% [markdown]
# ## Exercise 5 · Light under water
#
# *{points of absorption} · 10 to 20 minutes · difficulty ●○○ · importance ●●○*
#
# **Why.** Water absorbs red light within metres, blue light hardly at all. So the colour of a dolphin depends
# on its depth, and a fit without water would make its skin darker instead. (Does the colour then *tell* the
# depth? Lesson 5 shows why that does not work here.)
#
# **The formula** (Lambert and Beer). Each metre of water absorbs the same share of the light that is left;
# the share differs between colours. Where a pixel $ij$ shows the dolphin and its height $l_{ij}$ over the sea
# is below 0,
#
# $$I_{ij} \leftarrow I_{ij} \cdot e^{\,w\, l_{ij}}$$
#
# with $I$ the colour, $w$ the `water_absorption` in 1/m, one number each for red, green and blue, and $l$ in
# metres, negative under water. Everything else stays as it is: what is above the water, and the pixels off
# the dolphin.
#
# | | shape | what |
# |---|---|---|
# | `image` | (B, H, W, 3) | colours, lit; they may be above 1 or below 0 |
# | `sea_level_height` | (B, H, W, 1) | metres over the sea, negative under water |
# | `hard_mask` | (B, H, W, 1) | 1 where the dolphin is seen, up to rounding: ask for > 0.5, not == 1 |
# | `water_absorption` | (3,) | 1/m, for red, green, blue |
# | result | (B, H, W, 3) | a new image |
#
# Return a **new** image, and do not write into the one that you get: autograd still needs that one for the
# gradients of the steps before. Gradients must flow to `image`, `sea_level_height` and `water_absorption`,
# and be finite everywhere, also at black pixels.
#
# ![What you should see: a white plank that dips into water from left to right. Above the water it stays
# white; below it turns first cyan, then blue. On top the same plank without water.](pictures/water.png)
#
# <details><summary>Hint 1: three colours at once</summary>
#
# (B, H, W, 1) times (3,) broadcasts to (B, H, W, 3): no loop over the colours.
# </details>
# <details><summary>Hint 2: only some pixels, without writing into the image</summary>
#
# Two ways: choose between two images with `torch.where(condition, a, b)`; or make the exponent 0 where
# nothing is to change, because $e^0 = 1$.
# </details>
# <details><summary>Hint 3: nearly the answer</summary>
#
# With the second way: height times mask is 0 off the dolphin, and `.clamp(max=0)` makes it 0 above the water.
# What is left is the formula.
# </details>

# %% exercise="absorption"
import torch

from solutions.rendering import absorb
# stub absorb
#     return ...                                  # (B, H, W, 3)

# %% [markdown]
# Try it: a white plank that dips from half a metre above the water to 3 m under it. The absorption is made
# up; that of red is about the one fitted to the clip.

# %%
plank = torch.ones(1, 24, 140, 3)
plank_height = torch.linspace(0.5, -3, 140).expand(1, 24, 140)[..., None]
water = torch.tensor([0.9, 0.3, 0.1])  # 1/m, for red, green, blue
wet = absorb(plank, plank_height, torch.ones(1, 24, 140, 1), water)
pictures = {"a white plank": plank[0], "dipped into the water": wet[0]}
show.tiles(pictures, columns=1, frame=True)

# %% check="absorption"
from course_lib import check

check.absorption()

# %%
from course_lib.keep import keep

keep(absorb)

# %% [markdown]
# **Stuck?** With `SPARE_WATER = True` the rest of the lesson works with the course's `absorb`.

# %%
SPARE_WATER = False

if SPARE_WATER:
    from course_lib.check.spare_renderer import absorb

# %% [markdown]
# <details><summary>A question to think about: light goes down to the dolphin and then up to the drone.
# Is the formula then wrong?</summary>
#
# On its way down and up the light goes through at least twice the depth of water, so the fitted $w$ is at
# least twice the water's own absorption, and more if the sun is low. The formula keeps its form, but $w$ has
# another meaning: it is not the absorption of the water.
# </details>
#
# <details><summary>And another: what does the formula make of a dolphin 50 m deep? What do you see there?
# </summary>
#
# A black one. But deep water is not black: it scatters sunlight, and sends some of it up; more water sends
# more. With $S$ the light of water so deep that no bottom shows, the animal's light and the water's are
# together $I e^{wl} + S\,(1 - e^{wl})$, which is $(I - S)\,e^{wl} + S$. So `lighting` needs no other function
# than yours: where the scene has a `water_light` $S$, as the default fit has, it gives `absorb` the image $I
# - S$, and adds $S$ again.
# </details>
#
# *Reference: R. M. Pope and E. S. Fry, Absorption spectrum (380-700 nm) of pure water. II, Applied Optics
# 36(33), 1997, doi 10.1364/AO.36.008710: pure water takes 0.34 1/m of red light (650 nm), 0.009 1/m of blue
# (450 nm).*

# %% [markdown]
# ## Exercise 6 · The renderer
#
# *{points of renderer} · 10 to 20 minutes · difficulty ●○○ · importance ●●●*
#
# **Why.** The fit asks again and again: what would the drone see if the scene were like this? This function
# gives the answer.
#
# **The steps.** Pose the mesh as it is in the frames $t$; render its features and soft mask; look up the
# skin; light it under water.
#
# | call | gives |
# |---|---|
# | `scene.skin(t)` | vertices (B, V, 3) in the world |
# | `dibr_rendering(verts, cam, scene.model, band)` | [uv, normal, height, hard_mask], soft_mask: exercise 4 |
# | `texturing(uv, hard_mask, scene.dolphin_albedo)` | image (B, H, W, 3), the skin |
# | `lighting(scene, cam, hard_mask, image, normals, height, absorb)` | the same, lit: sun, then `absorb` |
# | **result** | image (B, H, W, 3), hard_mask (B, H, W, 1), soft_mask (B, H, W, 1) |
#
# `t` (B,) are the numbers of the frames asked for, in any order; `cam` holds their B cameras. Gradients must
# flow from the image and the soft mask to the scene's parameters. `band` is passed on to `dibr_rendering`.
#
# ![What you should see: four pictures. The drone's frame; the rendered dolphin on black, grey on the back and
# bluer at the fins; its hard mask; its soft mask.](pictures/renderer.png)
#
# **Stuck at exercise 4 or 5?** Go on without: the switches `SPARE_RENDERING` and `SPARE_WATER` are below
# their checks. The check of this exercise calls the course's functions in their place, and judges your
# `render` alone.

# %% [markdown]
# <details><summary>Hint 1: the order of things</summary>
#
# Skin first, then light. The light needs the skin: what is reflected diffusely is multiplied by the albedo,
# and the glint of the sun is then added to it.
# </details>
# <details><summary>Hint 2: the frames</summary>
#
# `scene.skin(t)` poses the frames that are asked for. `cam` has as many cameras as `t` has numbers.
# </details>
# <details><summary>Hint 3: nearly the answer</summary>
#
# Four lines, one for each row of the table, and one that unpacks the features into four names. Pass `absorb`
# to `lighting` as a function: without parentheses.
# </details>

# %% exercise="renderer"
from course_lib.shading import lighting, texturing
from course_lib.window import TUTORIAL_BAND

from solutions.rendering import render
# stub render
#     verts = ...                                 # (B, V, 3)
#     features, soft_mask = ...
#     uv, normals, height, hard_mask = features
#     image = ...                                 # (B, H, W, 3), the skin
#     image = ...                                 # (B, H, W, 3), lit, under water
#     return image, hard_mask, soft_mask

# %% [markdown]
# Try it: the frame that the drone filmed, and the one that your renderer makes of the fitted scene.

# %%
with torch.no_grad():
    image, hard_mask, soft_mask = render(scene, t, cam)
pictures = {"original": original, "render": image}
pictures |= {"hard mask": hard_mask, "soft mask": soft_mask}
show.tiles({name: picture[0] for name, picture in pictures.items()})

# %% check="renderer"
from course_lib import check

check.renderer()

# %%
from course_lib.keep import keep

keep(render)

# %% [markdown]
# ## Does the gradient point home?
#
# Push the dolphin 8 cm aside, render it, compare its soft mask with the segmentation, and let autograd tell
# in which direction the loss falls. Lesson 4 does this for all parameters at once: **gradient descent**.

# %%
push = torch.tensor([0.0, 0.0, -0.08])  # metres in the world
home = scene.translations.detach()[t, 0]  # (B, 3)
place = (home + push).requires_grad_()  # (B, 3)
pushed = verts + (place - home)[:, None]
loss = iou_loss(dibr_rendering(pushed, cam, model)[1], segmented)
(gradient,) = torch.autograd.grad(loss, place)
downhill = -gradient[0] / gradient[0].norm()
for name, vector in {"pushed by (metres)": push, "downhill": downhill}.items():
    print(f"{name:18}", [round(x, 2) for x in vector.tolist()])

# %% [markdown]
# Downhill is back along z. (A little of it is upwards: seen from above, a mask hardly tells the height.)
#
# <details><summary>A question to think about: the mask shows the outline alone. Which movements of the
# dolphin leave it nearly unchanged, and what could tell them apart?</summary>
#
# Deeper and larger at once; a small roll about its long axis; whatever stays within the outline, such as a
# flipper under the belly. Colour helps a little (roll changes the shading and shows other marks of the skin).
# What is known about dolphins helps more: the priors of lesson 4.
# </details>
#
# *Reference: M. M. Loper and M. J. Black, OpenDR: an approximate differentiable renderer, ECCV 2014,
# doi 10.1007/978-3-319-10584-0_11, for the idea of a renderer as a function to differentiate.*
