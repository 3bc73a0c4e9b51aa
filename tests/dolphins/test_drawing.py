"""What the report shows of a fit: the dolphin as it is seen."""

import torch

from course_lib.assets import find_pack
from course_lib.dolphin_model import DolphinModel
from course_lib.refraction import SEA_WATER
from course_lib.scene import DolphinScene, init_translations
from course_lib.video import SegmentedVideo
from dolphins.demo import rendered_frames
from solutions.rendering import render


@torch.no_grad()
def test_a_saved_fit_is_drawn_through_the_water_through_which_it_was_fitted():
    """Windows hold all of it, in its place in the whole frame; through water it seems larger."""
    model, clip, t = DolphinModel(find_pack()), SegmentedVideo(find_pack(), frames=4), torch.arange(4)
    scene, loaded, areas = DolphinScene(model, 4), DolphinScene(model, 4), []
    for index in (SEA_WATER, 1.0):
        scene.water_index = index
        scene.translations.copy_(init_translations(clip, -3.0, index))
        loaded.load_parameters(scene.parameter_dict())
        whole = render(scene, t, clip.cameras(t, index))[1] > 0
        drawn = torch.stack([hard_mask > 0 for *_, hard_mask, _ in rendered_frames(loaded, clip)])
        assert (drawn != whole).sum() <= 4
        areas.append(int(drawn.sum()))
    assert 1.05 < areas[0] / areas[1] < 1.2
