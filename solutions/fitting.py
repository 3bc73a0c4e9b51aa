"""Exercise 7: the optimisation loop."""

import torch
from tqdm.auto import tqdm

from course_lib.errors import CourseError
from course_lib.video import to_device


def fit(scene, loader, render, compute_loss, optimizer, steps, start=0, before_pass=None, after_pass=None,
        progress=True):
    """Changes the scene until its picture looks like the video.

    scene: DolphinScene; loader: gives batches of frames, a dict with `t`, `cam`, `original`, `segmented`;
    render(scene, t, cam) -> image, hard_mask, soft_mask; compute_loss(scene, frames, image, hard_mask, silhouette)
    -> dict of weighted terms; optimizer: over the scene's parameters; steps: how often to go through the whole clip;
    start: the first pass, if some were done before; before_pass(step), for schedules; after_pass(step, terms), with the
    mean terms of the pass, for saving and drawing.
    -> history: for every pass, a dict of the mean of each term and of their sum, `loss`.

    Raises CourseError when the loss or a parameter stops being a number; the parameters are then as they were before
    the batch that broke.
    """
    history = []
    passes = tqdm(range(start, steps), desc="fit", initial=start, total=steps, disable=not progress)
    for step in passes:
        if before_pass is not None:
            before_pass(step)
        sums = {}
        for frames in loader:
            frames = to_device(frames, scene.translations.device)
            optimizer.zero_grad()
            image, hard_mask, silhouette = render(scene, frames["t"], frames["cam"])
            terms = compute_loss(scene, frames, image, hard_mask, silhouette)
            loss = sum(terms.values())
            loss.backward()
            require_finite(scene, terms, f"pass {step + 1}, frames {frames['t'].tolist()}")
            optimizer.step()
            scene.clamp_()
            for name, value in {**terms, "loss": loss}.items():
                sums[name] = sums.get(name, 0.0) + value.item()
        history.append({name: total / len(loader) for name, total in sums.items()})
        passes.set_postfix(loss=f"{history[-1]['loss']:.4f}")
        if after_pass is not None:
            after_pass(step, history[-1])
    return history


def require_finite(scene, terms, where):
    """Stops before a NaN reaches the parameters, and says where it came from."""
    finite = lambda values: values is None or bool(torch.isfinite(values).all())
    if not all(map(finite, terms.values())):
        bad = [name for name, value in terms.items() if not finite(value)]
        cause = [name for name, parameter in scene.named_parameters() if not finite(parameter)]
        found = (f"The parameter {', '.join(cause)} is not finite" if cause else
                 f"The loss term {', '.join(bad)} is not finite, though all parameters are")
        hint = "Go back to the last good checkpoint." if cause else "Look at these frames: is a mask empty, or all of a frame one colour?"
    else:
        bad = [name for name, parameter in scene.named_parameters() if not finite(parameter.grad)]
        if not bad:
            return
        found, hint = f"The gradient of {', '.join(bad)} is not finite", "A root, a division or a norm at zero is the usual cause."
    raise CourseError(f"{found} in {where}. The parameters are still those of the batch before. {hint}")
