"""All backends of DIB-R against kaolin's numbers, against each other, and against their own derivatives."""

import functools
import math
import subprocess
import sys
import threading
from pathlib import Path

import numba
import pytest
import torch
from numba.core import caching
from torch.autograd import forward_ad, functional

from course_lib.errors import CourseError
from course_lib.kal import dibr
from course_lib.kal.dibr import compiled, dispatch, reference

from .kaolins import DIBR, close, dibr_case

ROOT = Path(__file__).parents[3]
CASES = sorted({name.split("/")[0] for name in DIBR.files})
DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
BACKENDS = [(backend, device) for device in DEVICES for backend in dibr.available_backends(device)]


def every_backend(function):
    names = [f"{backend}-{device}" for backend, device in BACKENDS]
    return pytest.mark.parametrize("backend, device", BACKENDS, ids=names)(function)


def random_scene(batch, faces, dtype=torch.float64, seed=0, size=0.3, channels=(2, 3)):
    """Corners, depths, features and valid faces: triangles of all sizes on, across and off the image."""
    generator = torch.Generator().manual_seed(seed)
    rand = functools.partial(torch.rand, generator=generator, dtype=torch.float64)
    offsets = (rand(batch, faces, 3, 2) - 0.5) * size * 2 * rand(batch, faces, 1, 1)
    corners = rand(batch, faces, 1, 2) * 2.6 - 1.3 + offsets
    depths = -1 - 3 * rand(batch, faces, 3)
    features = [rand(batch, faces, 3, d).to(dtype) for d in channels]
    return corners.to(dtype), depths.to(dtype), features, rand(batch, faces) < 0.7


def moved(scene, device):
    corners, depths, features, valid = scene
    features = [feature.to(device) for feature in features]
    return corners.to(device), depths.to(device), features, valid.to(device)


def render(scene, height, width, backend, sigmainv=500.0, boxlen=0.1, knum=5, aspect=1.0, seed=7):
    """Everything that comes out of a scene, and all gradients for fixed random cotangents; by name."""
    corners, depths, features, valid = scene
    outcome = {}
    corners = corners.clone().requires_grad_()
    features = [feature.clone().requires_grad_() for feature in features]
    images, face_idx = dibr.rasterize(height, width, depths, corners, features, valid, backend=backend)
    masks = {
        "soft": dibr.dibr_soft_mask(corners, face_idx, sigmainv, boxlen, knum, backend=backend),
        "nearest": dibr.nearest_soft_mask(corners, face_idx, sigmainv, boxlen, aspect, backend=backend),
    }
    generator = torch.Generator().manual_seed(seed)
    double = {"generator": generator, "dtype": torch.float64}
    cotangents = [torch.rand(image.shape, **double).to(image) for image in images]
    if corners.numel() and images:
        loss = sum((image * cotangent).sum() for image, cotangent in zip(images, cotangents))
        outcome["image_grad_corners"], *grads = torch.autograd.grad(loss, [corners, *features])
        outcome |= {f"image_grad_features_{k}": grad for k, grad in enumerate(grads)}
    for name, mask in masks.items():
        cotangent = torch.rand(mask.shape, **double).to(mask) - 0.3
        if corners.numel():
            (outcome[f"{name}_grad_corners"],) = torch.autograd.grad((mask * cotangent).sum(), corners)
        outcome[name] = mask.detach()
    return outcome | {"face_idx": face_idx} | {f"image_{k}": image.detach() for k, image in enumerate(images)}


def assert_same(ours, theirs, tolerance):
    """Values within the tolerance, gradients within it times the largest magnitude."""
    assert ours.keys() == theirs.keys()
    assert torch.equal(ours["face_idx"], theirs["face_idx"])
    for name, value in theirs.items():
        scale = max(float(value.abs().max()), 1.0) if "grad" in name and value.numel() else 1.0
        close(ours[name], value, atol=tolerance * scale, msg=lambda text: f"{name}: {text}")


# Against kaolin


@every_backend
@pytest.mark.parametrize("case", CASES)
def test_rasterize_is_kaolins(case, backend, device):
    g = dibr_case(case, device)
    corners, features = g["face_vertices_image"].requires_grad_(), g["face_features"].requires_grad_()
    height, width = g["size_hw"].tolist()
    scene = g["face_vertices_z"], corners, features, g.get("valid_faces")
    image, face_idx = dibr.rasterize(height, width, *scene, backend=backend)
    single = corners.dtype == torch.float32
    assert image.dtype == corners.dtype and face_idx.dtype == torch.int64
    assert torch.equal(face_idx, g["face_idx"])
    close(image, g["image"], atol=2e-5 if single else 1e-5)
    grads = torch.autograd.grad((image * g["image_cotangent"]).sum(), [corners, features])
    for ours, theirs in zip(grads, (g["image_grad_face_vertices_image"], g["image_grad_face_features"])):
        close(ours, theirs, atol=(2e-4 if single else 1e-5) * float(theirs.abs().max()))


@every_backend
@pytest.mark.parametrize("case", CASES)
def test_dibr_soft_mask_is_kaolins(case, backend, device):
    g = dibr_case(case, device)
    corners = g["face_vertices_image"].requires_grad_()
    options = [g[name].item() for name in ("sigmainv", "boxlen", "knum")]
    mask = dibr.dibr_soft_mask(corners, g["face_idx"], *options, backend=backend)
    single = corners.dtype == torch.float32
    assert mask.dtype == corners.dtype
    close(mask, g["soft_mask"], atol=5e-5 if single else 1e-5)
    (ours,) = torch.autograd.grad((mask * g["soft_mask_cotangent"]).sum(), corners)
    theirs = g["soft_mask_grad_face_vertices_image"]
    largest = float(theirs.abs().max())
    close(ours, theirs, atol=(5e-3 if single else 1e-5) * largest)
    if single and backend != "kaolin":  # nearer to kaolin's float64 than its float32 is
        exact = dibr_case(case.replace("f32", "f64"), device)["soft_mask_grad_face_vertices_image"]
        assert (ours - exact).abs().max() <= max((theirs - exact).abs().max(), 1e-6 * largest)
        assert (ours - exact).abs().max() <= 3e-5 * largest


# Against a dense computation and finite differences


def dense_distances(corners, height, width, aspect):
    """Squared distances of pixel centres to triangles' outlines; the centres; the triangles' boxes."""
    columns = aspect * (2 * torch.arange(width, dtype=torch.float64) + 1 - width) / width
    rows = (height - 2 * torch.arange(height, dtype=torch.float64) - 1) / height
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    centre = torch.stack([x, y], dim=-1).reshape(-1, 1, 1, 2)  # (H * W, 1, 1, 2)
    corners = corners * torch.tensor([aspect, 1.0], dtype=torch.float64)  # (F, 3, 2)
    start, way = corners[None], (corners.roll(-1, 1) - corners)[None]
    t = (((centre - start) * way).sum(-1) / (way * way).sum(-1)).clamp(0, 1)
    squared = ((start + t[..., None] * way - centre) ** 2).sum(-1).amin(-1)  # (H * W, F)
    return squared, centre[:, :, 0], corners.amin(1), corners.amax(1)


@every_backend
@pytest.mark.parametrize("aspect", [1.0, 1.75])
def test_soft_masks_are_what_they_say(aspect, backend, device):
    height, width, boxlen, sigmainv, knum = 16, 28, 0.12, 60.0, 2
    corners, depths, features, valid = moved(random_scene(1, 60, size=0.2, seed=3), device)
    _, face_idx = dibr.rasterize(height, width, depths, corners, features, valid, backend=backend)
    squared, centre, low, high = dense_distances(corners[0].cpu(), height, width, aspect)
    near = ((centre >= low - boxlen) & (centre < high + boxlen)).all(-1)
    seen = face_idx.cpu().reshape(-1) >= 0
    claims = torch.where(near, torch.exp(-sigmainv * squared), 0.0)  # (H * W, F)
    nearest = torch.where(seen, 1.0, claims.amax(1))
    ours = dibr.nearest_soft_mask(corners, face_idx, sigmainv, boxlen, aspect, backend=backend)
    close(ours.cpu().reshape(-1), nearest, atol=1e-9)
    assert (nearest == 0).any() and ((nearest > 0) & (nearest < 1)).sum() > 50 and seen.any()
    if aspect == 1.0:
        counted = claims * (near.cumsum(1) <= knum)
        soft = torch.where(seen, 1.0, 1 - (1 - counted).prod(1))
        ours = dibr.dibr_soft_mask(corners, face_idx, sigmainv, boxlen, knum, backend=backend)
        close(ours.cpu().reshape(-1), soft, atol=1e-9)
        assert (near.sum(1)[~seen] > knum).any()


@every_backend
def test_nearest_mask_does_not_saturate(backend, device):
    """Cutting a face into many changes the product of all faces' claims, but not the nearest one's."""
    triangle = torch.tensor([[-0.5, -0.4], [0.5, -0.4], [0.0, 0.5]], dtype=torch.float64, device=device)
    a, b, c = triangle
    cuts = torch.linspace(0, 1, 17, dtype=torch.float64, device=device)[:, None]
    slices = [torch.stack([c, a + (b - a) * s, a + (b - a) * t]) for s, t in zip(cuts, cuts[1:])]
    fan = torch.stack(slices)[None]  # (1, 16, 3, 2)
    nearest, soft = [], []
    for corners in (triangle[None, None], fan):
        depths = corners.new_full(corners.shape[:3], -2.0)
        _, face_idx = dibr.rasterize(40, 40, depths, corners, depths[..., None], backend=backend)
        nearest.append(dibr.nearest_soft_mask(corners, face_idx, 200, 0.3, backend=backend))
        soft.append(dibr.dibr_soft_mask(corners, face_idx, 200, 0.3, 30, backend=backend))
    close(nearest[1], nearest[0], atol=1e-9)
    assert soft[1].sum() > soft[0].sum() + 10
    close(nearest[0], soft[0], atol=1e-9)


@every_backend
def test_gradcheck(backend, device):
    if backend == "kaolin":
        return  # its pixel centres are float32 even where all else is float64
    corners, depths, (feature, _), _ = moved(random_scene(2, 5, size=2.0, seed=5), device)
    corners *= 0.6
    _, face_idx = dibr.rasterize(6, 8, depths, corners, feature, backend=backend)
    assert (face_idx >= 0).sum() > 8 and (face_idx < 0).sum() > 8
    corners.requires_grad_()
    feature.requires_grad_()
    options = {"eps": 1e-7, "atol": 1e-5, "rtol": 1e-4, "nondet_tol": 1e-12}

    def image(corners, feature):
        return dibr.rasterize(6, 8, depths, corners, feature, eps=1e-12, backend=backend)[0]

    def soft(corners):
        return dibr.dibr_soft_mask(corners, face_idx, 20, 0.5, 3, backend=backend)

    def nearest(corners):
        return dibr.nearest_soft_mask(corners, face_idx, 20, 0.5, 1.5, backend=backend)

    assert torch.autograd.gradcheck(image, (corners, feature), **options)
    assert torch.autograd.gradcheck(soft, (corners,), **options)
    assert torch.autograd.gradcheck(nearest, (corners,), **options)


# Against each other

SCENES = {
    "one frame": (1, 150, 20, 30, {}),
    "seven frames": (7, 60, 24, 40, {}),
    "three frames": (3, 200, 33, 17, {"size": 0.1}),
    "one pixel": (2, 20, 1, 1, {}),
    "one row": (2, 30, 1, 19, {}),
    "one column": (2, 30, 21, 1, {}),
    "one face": (2, 1, 15, 16, {"size": 1.0}),
    "no faces": (2, 0, 9, 8, {}),
    "no frames": (0, 4, 9, 8, {}),
    "large faces": (2, 12, 20, 21, {"size": 5.0}),
    "tiny faces": (2, 400, 40, 40, {"size": 0.02}),
    "no channels": (1, 9, 8, 8, {"channels": (0,)}),
    "no features": (1, 9, 8, 8, {"channels": ()}),
}


@every_backend
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", SCENES)
def test_backends_agree(name, dtype, backend, device, monkeypatch):
    batch, faces, height, width, options = SCENES[name]
    scene = random_scene(batch, faces, dtype, seed=len(name), **options)
    if backend == "kaolin" and not (batch and faces and scene[2] and scene[2][0].shape[3]):
        return  # its kernels want something to do
    theirs = render(scene, height, width, "torch")
    if backend == "torch" and device == "cpu":  # against itself, a few pairs at a time
        monkeypatch.setattr(reference, "PAIRS_AT_ONCE", 1000)
    ours = render(moved(scene, device), height, width, backend)
    tolerance = 1e-4 if dtype == torch.float32 else 1e-5 if backend == "kaolin" else 1e-9
    assert_same({k: v.cpu() for k, v in ours.items()}, theirs, tolerance)
    if batch and 2 < faces and height > 1 and width > 1:
        assert (theirs["face_idx"] >= 0).any()


def test_pairs_in_memory_are_bounded(monkeypatch):
    corners = random_scene(1, 500, size=2.0)[0][0]
    columns, rows = reference.pixel_centres(30, 40, 1, corners)
    boxes = reference.pixel_boxes(corners, torch.ones(500, dtype=torch.bool), columns, rows, 0.1)
    monkeypatch.setattr(reference, "PAIRS_AT_ONCE", 5000)
    chunks = list(reference.face_pixel_pairs(*boxes))
    sizes = [len(face) for face, _, _ in chunks]
    assert len(sizes) > 10 and max(sizes) <= 5000
    face, row, column = (torch.cat(parts) for parts in zip(*chunks))
    left, right, top, bottom = boxes
    assert len(face) == int(((right - left) * (bottom - top)).sum())
    assert ((left[face] <= column) & (column < right[face]) & (top[face] <= row) & (row < bottom[face])).all()
    assert len(torch.stack([face, row, column]).unique(dim=1)[0]) == len(face)


@every_backend
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e30])
def test_faces_with_impossible_coordinates_are_nowhere(bad, backend, device):
    if backend == "kaolin":
        return  # draws garbage
    scene = random_scene(2, 80, torch.float32, seed=1)
    corners, depths, features, valid = moved(scene, device)
    broken = torch.arange(80, device=device) % 4 == 0
    elsewhere = torch.where(broken[:, None, None], 9.0, corners)
    without = render((elsewhere, depths, features, valid), 20, 24, backend)
    for axis in (0, 1):
        spoilt = corners.clone()
        spoilt[:, broken, 1, axis] = bad
        outcome = render((spoilt, depths, features, valid), 20, 24, backend)
        assert_same(outcome, without, 1e-6)
        assert all((outcome[name][:, broken] == 0).all() for name in outcome if "grad_corners" in name)
    if abs(bad) != 1e30:
        spoilt = depths.clone()
        spoilt[:, broken, 2] = bad
        _, face_idx = dibr.rasterize(20, 24, spoilt, corners, features, valid, backend=backend)
        assert torch.equal(face_idx, without["face_idx"])


@every_backend
def test_everything_off_screen(backend, device):
    corners, depths, features, valid = random_scene(2, 30, torch.float32)
    scene = moved((corners + 5, depths, features, valid), device)
    outcome = render(scene, 10, 12, backend)
    assert (outcome.pop("face_idx") == -1).all() and all((value == 0).all() for value in outcome.values())


@every_backend
def test_only_what_is_asked_for(backend, device):
    corners, depths, (feature, _), valid = moved(random_scene(1, 50, torch.float32), device)
    image, face_idx = dibr.rasterize(12, 14, depths, corners, feature, valid, backend=backend)
    assert isinstance(image, torch.Tensor) and not image.requires_grad and not face_idx.requires_grad
    images, _ = dibr.rasterize(12, 14, depths, corners, [feature, feature[..., :1]], valid, backend=backend)
    assert isinstance(images, tuple)
    assert torch.equal(images[0], image) and torch.equal(images[1], image[..., :1])
    both = [tensor.clone().requires_grad_() for tensor in (corners, feature)]
    image, _ = dibr.rasterize(12, 14, depths, *both, valid, backend=backend)
    expected = torch.autograd.grad(image.sum(), both)
    for k in (0, 1):  # one gradient alone; a strided input; an upstream gradient of stride 0
        given = [corners, feature]
        given[k] = given[k].mT.contiguous().mT.requires_grad_()
        image, _ = dibr.rasterize(12, 14, depths, *given, valid, backend=backend)
        (alone,) = torch.autograd.grad(image.sum(), given[k])
        close(alone, expected[k], atol=1e-5)


@every_backend
def test_mask_follows_the_given_selection(backend, device):
    """`selected_face_idx` may come from elsewhere: where it is 0 or more the mask is 1, with no gradient."""
    corners = random_scene(2, 20, torch.float32)[0].to(device).requires_grad_()
    selected = torch.full((2, 15, 18), -1, device=device)
    selected[:, ::2] = 3
    for mask in (
        dibr.dibr_soft_mask(corners, selected, 50, 0.2, backend=backend),
        dibr.nearest_soft_mask(corners, selected, 50, 0.2, backend=backend),
    ):
        assert (mask[:, ::2] == 1).all() and (mask[:, 1::2] < 1).any() and (mask >= 0).all()
        (grad,) = torch.autograd.grad(mask[:, ::2].sum(), corners, retain_graph=True)
        assert (grad == 0).all()
    assert (dibr.dibr_soft_mask(corners, selected, 50, 0.2, 0, backend=backend) == (selected >= 0)).all()


@every_backend
def test_faces_that_reach_far_beyond_the_image_are_as_exact_as_others(backend, device):
    far = torch.tensor([[-0.37, 0.21], [0.42, -0.3], [-990.0, 1005.0]], dtype=torch.float64)
    corners = torch.stack([far, far.roll(1, 0), far.flip(0)])[None].to(device)
    selected = torch.full((1, 30, 40), -1, device=device)
    exact = dibr.nearest_soft_mask(corners.float().double(), selected, 3000.0, 0.5, backend=backend)
    close(
        dibr.nearest_soft_mask(corners.float(), selected, 3000.0, 0.5, backend=backend).double(),
        exact,
        atol=1e-5,
    )


@every_backend
@pytest.mark.parametrize("far", [10.0, 1e3, 9e4])
def test_a_corner_far_away_costs_no_digits_of_what_is_near(far, backend, device):
    chance = torch.Generator().manual_seed(1)
    corners = 2 * torch.rand(60, 1, 3, 2, generator=chance) - 1
    way = 2 * torch.pi * torch.rand(60, generator=chance)
    for k in range(60):
        corners[k, 0, k % 3] += far * torch.stack([way[k].cos(), way[k].sin()])
    selected = torch.full((60, 24, 32), -1, device=device)
    for mask in (dibr.dibr_soft_mask, dibr.nearest_soft_mask):
        images, grads = [], []
        for dtype in (torch.float32, torch.float64):
            given = corners.to(device, dtype).requires_grad_()
            images.append(mask(given, selected, 300, 0.5, backend=backend).double())
            grads.append(torch.autograd.grad(images[-1].sum(), given)[0].double())
        close(*images, atol=1e-5)
        close(*grads, atol=2e-5 * grads[1].abs().max())


def draw(what, backend, device):
    """A function of corners or features, and what to call it with."""
    scene = moved(random_scene(1, 9, torch.float32, size=1.0), device)
    corners, depths, (feature, _), _ = scene
    seen = dibr.rasterize(8, 9, depths, corners, [], backend=backend)[1]
    return {
        "image": (lambda x: dibr.rasterize(8, 9, depths, x, feature, backend=backend)[0], corners),
        "features": (lambda x: dibr.rasterize(8, 9, depths, corners, x, backend=backend)[0], feature),
        "mask": (lambda x: dibr.dibr_soft_mask(x, seen, 20, 0.5, backend=backend), corners),
        "nearest": (lambda x: dibr.nearest_soft_mask(x, seen, 20, 0.5, backend=backend), corners),
        "squared": (lambda x: dibr.squared_distances(x, seen, 4, backend=backend), corners),
    }[what]


def by_x(call, x):
    x = x.clone().requires_grad_()
    (grad,) = torch.autograd.grad(call(x).square().sum(), x, create_graph=True)
    return torch.autograd.grad(grad.sum(), x)


def by_all(call, x):
    x = x.clone().requires_grad_()
    (grad,) = torch.autograd.grad(call(x).square().sum(), x, create_graph=True)
    grad.sum().backward()


def by_what_comes_back(call, x):
    x = x.clone().requires_grad_()
    pixels = call(x)
    weights = torch.ones_like(pixels, requires_grad=True)
    (grad,) = torch.autograd.grad(pixels, x, weights, create_graph=True)
    return torch.autograd.grad(grad.sum(), weights)


def many_at_once(call, x):
    x = x.clone().requires_grad_()
    pixels = call(x)
    return torch.autograd.grad(pixels, x, torch.ones_like(pixels)[None], is_grads_batched=True)


def forward_mode(call, x):
    with forward_ad.dual_level():
        return forward_ad.unpack_dual(call(forward_ad.make_dual(x, torch.ones_like(x))))


SECOND = {
    "by x": by_x,
    "by all": by_all,
    "by what comes back": by_what_comes_back,
    "hessian": lambda call, x: functional.hessian(lambda x: call(x).square().sum(), x),
    "hvp": lambda call, x: functional.hvp(lambda x: call(x).square().sum(), x, x),
    "vhp": lambda call, x: functional.vhp(lambda x: call(x).square().sum(), x, x),
    "jvp, by two": lambda call, x: functional.jvp(call, x, x),
}
OTHERWISE = {
    "grad": lambda call, x: torch.func.grad(lambda x: call(x).sum())(x),
    "vmap": lambda call, x: torch.func.vmap(call)(x[None]),
    "jvp": lambda call, x: torch.func.jvp(call, (x,), (x,)),
    "vjp": lambda call, x: torch.func.vjp(call, x),
    "jacrev": lambda call, x: torch.func.jacrev(call)(x),
    "jacfwd": lambda call, x: torch.func.jacfwd(call)(x),
    "linearize": lambda call, x: torch.func.linearize(call, x),
    "forward mode": forward_mode,
    "forward Jacobian": lambda call, x: functional.jacobian(call, x, vectorize=True, strategy="forward-mode"),
    "many at once": many_at_once,
    "Jacobian at once": lambda call, x: functional.jacobian(call, x, vectorize=True),
}


@every_backend
@pytest.mark.parametrize("what", ["image", "features", "mask", "nearest", "squared"])
def test_there_are_first_derivatives_backwards_alone(what, backend, device):
    """Whoever asks for others is told so in a line, and never gets zeros for them."""
    call, x = draw(what, backend, device)
    for name, ask in SECOND.items():
        with pytest.raises(CourseError, match="first derivatives only"):
            pytest.fail(f"{name}: {ask(call, x)}")
    for name, ask in OTHERWISE.items():
        with pytest.raises(CourseError, match="take gradients with backward()"):
            pytest.fail(f"{name}: {ask(call, x)}")


# Threads, processes, compiling


def test_threads_do_not_change_a_bit():
    before = torch.get_num_threads()
    try:
        for batch in (1, 3):
            scene = random_scene(batch, 300, torch.float32, size=0.2)
            outcomes = []
            for threads in (1, 2, 5, 2):
                torch.set_num_threads(threads)
                outcomes.append(render(scene, 40, 50, "numba"))
            for outcome in outcomes[1:]:
                assert all(torch.equal(outcome[name], outcomes[0][name]) for name in outcome)
    finally:
        torch.set_num_threads(before)


def test_several_threads_may_call():
    scenes = [random_scene(2, 200, torch.float32, seed=seed) for seed in range(4)]
    expected = [render(scene, 30, 30, "numba") for scene in scenes]
    wrong = []

    def work(k):
        for _ in range(5):
            outcome = render(scenes[k], 30, 30, "numba")
            wrong.extend(name for name in outcome if not torch.equal(outcome[name], expected[k][name]))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert not wrong


def test_a_forked_child_may_call():
    program = """
import os, signal, sys
import torch
from course_lib.kal import dibr
torch.set_num_threads(2)
corners = torch.rand(3, 50, 3, 2, generator=torch.Generator().manual_seed(0)) - 0.5
def draw():
    _, face_idx = dibr.rasterize(20, 20, corners[..., 0], corners, corners, backend="numba")
    return dibr.dibr_soft_mask(corners, face_idx, backend="numba")
expected = draw()
child = os.fork()
if child == 0:
    signal.alarm(60)
    os._exit(0 if torch.equal(draw(), expected) else 1)
assert os.waitpid(child, 0)[1] == 0
assert torch.equal(draw(), expected)
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=120)


def test_compiles_without_a_place_for_the_cache(monkeypatch):
    njit = numba.njit

    def njit_without_cache(*args, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(*args, **options)

    monkeypatch.setattr(numba, "njit", njit_without_cache)
    assert compiled.compiled(lambda x: x + 1)(2) == 3


def test_compiles_with_no_space_for_the_cache(monkeypatch):
    def save(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(caching.IndexDataCacheFile, "save", save)
    assert compiled.compiled(lambda x: x + 2)(2) == 4


def test_no_kernel_is_compiled_anew_for_other_gradients():
    """A submission that is graded is a fork, which would compile it anew each time."""
    corners, depths, features, valid = random_scene(1, 9, torch.float32, channels=(2, 3, 1, 1))

    def gradients_through(*which):
        given = corners.clone().requires_grad_()
        wanted = [feature.clone().requires_grad_(k in which) for k, feature in enumerate(features)]
        images, _ = dibr.rasterize(8, 9, depths, given, wanted, valid, backend="numba")
        sum(images[k].sum() for k in which).backward()
        return given.grad, [wanted[k].grad for k in which]

    by_corners, by_features = gradients_through(0, 1, 2, 3)
    known = len(compiled.interpolate_backward.signatures)
    parts = [gradients_through(k) for k in range(4)]
    assert len(compiled.interpolate_backward.signatures) == known
    assert torch.allclose(sum(part for part, _ in parts), by_corners, rtol=1e-4, atol=1e-5)
    assert all(torch.equal(part[0], whole) for (_, part), whole in zip(parts, by_features))


def test_without_numba_the_reference_serves(monkeypatch):
    load = dispatch.load
    gone = (None, "ImportError: gone")
    monkeypatch.setattr(dispatch, "load", lambda name: gone if name == "numba" else load(name))
    assert dibr.available_backends("cpu") == ["torch"]
    scene = random_scene(1, 20, torch.float32)
    assert_same(render(scene, 9, 9, None), render(scene, 9, 9, "torch"), 0)
    with pytest.raises(CourseError, match="gone"):
        render(scene, 9, 9, "numba")


# Mistakes


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("face_vertices_image", torch.zeros(2, 5, 3, 3), ["(2, 5, 3, 3)", "(B, F, 3, 2)"]),
        ("face_vertices_image", torch.zeros(2, 5, 3, 2).half(), ["float16", "float32 or float64"]),
        ("face_vertices_image", [1, 2], ["list"]),
        ("face_vertices_z", torch.zeros(2, 4, 3), ["(2, 4, 3)", "(2, 5, 3)"]),
        ("face_vertices_z", torch.zeros(2, 5, 3).double(), ["float64", "float32"]),
        ("face_vertices_z", torch.zeros(2, 5, 3, device="meta"), ["meta", "cpu"]),
        ("face_features", torch.zeros(5, 3, 2), ["(5, 3, 2)", "(2, 5, 3, D)"]),
        ("face_features", [torch.zeros(2, 5, 3, 1), torch.zeros(2, 5, 2, 1)], ["[1]", "(2, 5, 2, 1)"]),
        ("valid_faces", torch.ones(2, 5), ["float32", "bool"]),
        ("valid_faces", torch.ones(2, 6, dtype=torch.bool), ["(2, 6)", "(2, 5)"]),
        ("height", 0, ["0"]),
        ("width", 8.5, ["8.5"]),
        ("multiplier", -1, ["-1"]),
        ("eps", math.nan, ["nan"]),
        ("backend", "opengl", ["opengl", '"torch"']),
        ("backend", "nvdiffrast", ["nvdiffrast", "not supported"]),
        ("backend", "nvdiffrast_fwd", ["nvdiffrast_fwd", "not supported"]),
        ("backend", "kaolin", ["kaolin"]),
    ],
)
def test_mistakes_in_rasterize(name, value, words):
    corners, depths, (feature, _), valid = random_scene(2, 5, torch.float32)
    scene = {"face_vertices_z": depths, "face_vertices_image": corners, "face_features": feature}
    with pytest.raises(CourseError) as caught:
        dibr.rasterize(**{"height": 8, "width": 9, "valid_faces": valid} | scene | {name: value})
    assert all(word in str(caught.value) for word in [name, *words]), str(caught.value)


SELECTED = torch.zeros(2, 8, 9, dtype=torch.int64)


@pytest.mark.parametrize("function", [dibr.dibr_soft_mask, dibr.nearest_soft_mask])
@pytest.mark.parametrize(
    "name, value, words",
    [
        ("selected_face_idx", torch.zeros(3, 8, 9, dtype=torch.int64), ["(3, 8, 9)", "(2, H, W)"]),
        ("selected_face_idx", torch.zeros(2, 8, 9), ["float32", "int64"]),
        ("selected_face_idx", torch.zeros(2, 8, 0, dtype=torch.int64), ["a pixel at least", "(2, 8, 0)"]),
        ("face_vertices_image", torch.zeros(2, 5, 6), ["(2, 5, 6)"]),
        ("sigmainv", -1.0, ["-1.0"]),
        ("boxlen", math.inf, ["inf"]),
        ("backend", "cpu", ["cpu", '"numba"']),
    ],
)
def test_mistakes_in_masks(name, value, words, function):
    scene = {"face_vertices_image": torch.zeros(2, 5, 3, 2), "selected_face_idx": SELECTED}
    with pytest.raises(CourseError) as caught:
        function(**scene | {"sigmainv": 100.0, "boxlen": 0.1, name: value})
    assert all(word in str(caught.value) for word in [name, *words]), str(caught.value)


def test_other_mistakes_in_masks():
    with pytest.raises(CourseError, match="knum.*2.5"):
        dibr.dibr_soft_mask(torch.zeros(2, 5, 3, 2), SELECTED, knum=2.5)
    with pytest.raises(CourseError, match="aspect.*0"):
        dibr.nearest_soft_mask(torch.zeros(2, 5, 3, 2), SELECTED, 100, 0.1, aspect=0)


def test_benchmark_runs(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import kernels

    figures = kernels.measure(repeats=1, reference_repeats=0, cold=False)
    assert all(isinstance(value, (int, float)) for value in figures.values())
    assert len(figures) == 1 + 4 * len(kernels.SETTINGS) * 2


def test_kernels_are_compiled_without_autograds_engine(monkeypatch):
    """Where there is a GPU, what is forked after the engine began cannot differentiate."""

    def engine(*arguments, **options):
        raise AssertionError("the engine runs")

    monkeypatch.setattr(torch.autograd, "_engine_run_backward", engine)
    monkeypatch.setattr(torch.autograd.graph, "_engine_run_backward", engine)
    dibr.warm((2, 3, 1, 1))
    assert compiled.interpolate_backward.signatures and compiled.mask_backward.signatures
