"""Exercise 7: the optimisation loop."""

import torch
from tqdm.auto import tqdm

from course_lib.errors import CourseError
from course_lib.video import to_device


def fit(
    scene,
    loader,
    render,
    compute_loss,
    optimizer,
    steps,
    start=0,
    before_pass=None,
    after_pass=None,
    progress=True,
):
    """Changes the scene until its picture looks like the video. Exercise 7.

    scene: DolphinScene; loader: gives batches of frames, dicts with `t`, `cam`, `original`, `segmented`; once
    through it is once through the clip; render(scene, t, cam) -> image, hard_mask, silhouette;
    compute_loss(scene, frames, image, hard_mask, silhouette) -> dict of weighted terms; optimizer: over the
    scene's parameters; steps: how often to go through the clip. -> history: a list of `steps` dicts, each
    with the mean over a pass of every term and of their sum, `loss`, as plain numbers.
    """
    # For runs that go on after an interruption, and for schedules. start: the first pass, if some were done
    # before; before_pass(step); after_pass(step, terms), with the mean terms of the pass, for saving and
    # drawing. Raises CourseError when the loss or a parameter stops being a number; the parameters are then
    # as they were before the batch that broke.
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
    """Stops before a NaN reaches the parameters, and says where it came from: the first of these three that
    is not finite."""
    parameters = dict(scene.named_parameters())
    gradients = {name: parameter.grad for name, parameter in parameters.items() if parameter.grad is not None}
    for what, values, hint in (
        ("parameter", parameters, "It was so before this batch: go back to the last good checkpoint."),
        ("loss term", terms, "Is a mask of these frames empty?"),
        ("gradient of", gradients, "A root, a division or a norm at zero is the usual cause."),
    ):
        bad = [name for name, value in values.items() if not torch.isfinite(value).all()]
        if bad:
            raise CourseError(f"""The {what} {", ".join(bad)} is not finite in {where}. This batch changed
                nothing. {hint}""")
