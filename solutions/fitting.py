"""Exercise 7: the optimisation loop."""

from course_lib.progress import tqdm
from course_lib.video import to_device


def fit(scene, loader, render, compute_loss, optimizer, steps):
    """Changes the scene until its picture looks like the video. Exercise 7.

    scene: DolphinScene.
    loader: gives batches of frames, dicts with `t`, `cam`, `original`, `segmented`;
        once through it is one pass through the clip.
    render(scene, t, cam): gives image, hard_mask, silhouette.
    compute_loss(scene, frames, image, hard_mask, silhouette): gives a dict of weighted
        terms; the loss is their sum.
    optimizer: over the scene's parameters.
    steps: how many passes to make.
    -> history: a list of `steps` dicts, each with the mean over a pass of every term
        and of the loss, called `loss`, as plain numbers.
    """
    history = []
    passes = tqdm(range(steps), desc="fit")
    for _ in passes:
        sums = {}
        for frames in loader:
            frames = to_device(frames, scene.translations.device)
            optimizer.zero_grad()
            image, hard_mask, silhouette = render(scene, frames["t"], frames["cam"])
            terms = compute_loss(scene, frames, image, hard_mask, silhouette)
            loss = sum(terms.values())
            loss.backward()
            optimizer.step()
            scene.clamp_()
            for name, value in {**terms, "loss": loss}.items():
                sums[name] = sums.get(name, 0.0) + value.detach()
        history.append({name: s.item() / len(loader) for name, s in sums.items()})
        passes.set_postfix(loss=f"{history[-1]['loss']:.4f}")
    return history
