"""What a step of a fit asks of a GPU: how many operations, and how often it stops to wait for one.

    python tests/device/stand_in.py -m tests.device.counts           # the steps of both recipes, by place
    python tests/device/stand_in.py -m tests.device.counts --json    # what per_step gives

An operation is a call of torch that computes: on a GPU a kernel, or a few of them. Views and new memory are
none. A synchronisation is a call that returns only when the GPU has done all before it, as a number is wanted
on the CPU, or a size depends on what was computed, or memory moves from one to the other.
"""

import collections
import json
import sys
from pathlib import Path

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

ROOT = Path(__file__).resolve().parents[2]
ROOMS = tuple(f"{ROOT}/{room}/" for room in ("course_lib", "solutions", "dolphins"))
# Whose result has a size, or is a number, that the CPU waits for.
WAITS = {"_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_dim", "unique_consecutive"}
WAITS |= {"equal", "bincount", "histc", "multinomial", "_linalg_check_errors"}
# What a GPU does in the order in which its threads come, by the documentation of
# torch.use_deterministic_algorithms: always, or where several values have one place.
UNORDERED = {"put", "histc", "bincount", "cumsum", "cumprod", "kthvalue", "median"}
UNORDERED |= {"grid_sampler_2d_backward", "grid_sampler_3d_backward", "_adaptive_avg_pool2d_backward"}
UNORDERED |= {"upsample_bilinear2d_backward", "upsample_bicubic2d_backward", "avg_pool3d_backward"}
UNORDERED |= {"reflection_pad2d_backward", "replication_pad2d_backward", "_embedding_bag_backward"}
UNORDERED |= {"embedding_dense_backward"}
PLACING = {"index_add", "index_copy", "scatter", "scatter_add", "scatter_reduce"}  # (self, dim, index, ...)
INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"}


def tensors_in(values):
    return [value for value in tree_leaves(values) if isinstance(value, torch.Tensor)]


def why_it_waits(func, args, kwargs, outputs):
    """The reason for which an operation synchronises, None if it does not."""
    name = func.overloadpacket.__name__
    if name in WAITS:
        return name
    if name in ("copy_", "_to_copy", "_copy_from"):
        moves = len({x.device.type for x in [*tensors_in(args), *outputs]}) > 1
        sent = outputs[0].is_cuda and (kwargs.get("non_blocking") or args[2:3] == (True,))
        return "copy" if moves and not sent else None
    if name in INDEXING:
        indices = tensors_in(args[1])
        if any(index.dtype in (torch.bool, torch.uint8) for index in indices):
            return "boolean index"
        return "index of the CPU" if any(not index.is_cuda for index in indices) else None
    if name == "repeat_interleave" and kwargs.get("output_size") is None:
        return name
    return None


def is_unordered(func, args, outputs):
    """Whether an operation may give other last digits from run to run on a GPU."""
    name = func.overloadpacket.__name__.rstrip("_")
    if not any(x.is_floating_point() for x in outputs):
        return False
    if name == "index_put" and not (len(args) > 3 and args[3]):  # those that are added are sorted first
        index = torch.stack(torch.broadcast_tensors(*tensors_in(args[1]))).flatten(1)
        return index.dtype != torch.bool and index.shape[1] > index.unique(dim=1).shape[1]
    if name in PLACING:
        if args[4:5] in (("amax",), ("amin",)):  # the same in any order
            return False
        dim = args[1] if args[2].ndim > 1 else 0
        return bool((args[2].sort(dim=dim).values.diff(dim=dim) == 0).any())
    return name in UNORDERED


class Counts(TorchDispatchMode):
    """Within it operations on the GPU are counted, by (what, where): `operations`, `waits`, `unordered`."""

    def __init__(self):
        super().__init__()
        self.operations, self.waits, self.unordered = (collections.Counter() for _ in range(3))

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        outputs = tensors_in(out)
        if not any(x.is_cuda for x in [*tensors_in((args, kwargs)), *outputs]):
            return out
        name, where = func.overloadpacket.__name__, place()
        if not (func.is_view or "empty" in name or name in ("detach", "_unsafe_view")):
            self.operations[name, where] += 1
        if why := why_it_waits(func, args, kwargs, outputs):
            self.waits[why, where] += 1
        if is_unordered(func, args, outputs):
            self.unordered[name, where] += 1
        return out


def place():
    """The innermost line of the course that is running; autograd has threads of its own."""
    frame = sys._getframe(2)
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(ROOMS):
            return f"{name[len(str(ROOT)) + 1 :]}:{frame.f_lineno} {frame.f_code.co_name}"
        frame = frame.f_back
    return "backward"


def prepare(name, frames):
    """Scene and recipe as `dolphins demo` has them, on the GPU."""
    from course_lib.assets import find_pack
    from course_lib.dolphin_model import DolphinModel
    from course_lib.scene import DolphinScene
    from course_lib.video import SegmentedVideo
    from solutions.recipes import RECIPES
    from solutions.rotations import batch_rodrigues

    pack = find_pack()
    dataset = SegmentedVideo(pack, frames=frames)
    model = DolphinModel(pack, "cuda", rodrigues=batch_rodrigues)
    scene = DolphinScene(model, frames, init_rot_up=pack.init_rot_up_deg)
    return scene, RECIPES[name](scene, dataset, 7, 50, seed=0)


def counted(name, frames=28):
    """A pass of a recipe, of four steps, counted after another. -> Counts, steps"""
    from dolphins.guard import Guard
    from solutions.fitting import fit

    scene, recipe = prepare(name, frames)
    guard, counts = Guard(scene, recipe), Counts()
    parts = scene, recipe.loader, recipe.render, guard.compute_loss, guard
    fit(*parts, steps=1)
    with counts:
        fit(*parts, steps=1)
    return counts, len(recipe.loader)


CASES = "default", "tutorial"


def per_step():
    """-> {case: [operations, synchronisations, names of unordered operations] of a step}"""
    found = {}
    for case in CASES:
        counts, steps = counted(case)
        found[case] = [sum(of.values()) / steps for of in (counts.operations, counts.waits)]
        found[case].append(sorted({name for name, _ in counts.unordered}))
    return found


def show(most=40):
    """Prints the counts of a step by place."""
    for case in CASES:
        counts, steps = counted(case)
        for what, of in (("operations", counts.operations), ("synchronisations", counts.waits)):
            print(f"\n{case}: {sum(of.values()) / steps:.1f} {what} a step")
            by_file, by_place = collections.Counter(), collections.Counter()
            for (name, where), n in of.items():
                by_file[where.split(":")[0]] += n
                by_place[where, name if what[0] == "s" else ""] += n
            for where, n in by_file.most_common():
                print(f"  {n / steps:7.1f}  {where}")
            for (where, name), n in by_place.most_common(most):
                print(f"      {n / steps:7.1f}  {where} {name}")


if __name__ == "__main__":
    print(json.dumps(per_step())) if "--json" in sys.argv else show()
