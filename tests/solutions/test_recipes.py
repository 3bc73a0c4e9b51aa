"""The recipes: what they ask for does not depend on how a clip was filmed."""

from course_lib.assets import find_pack
from course_lib.dolphin_model import DolphinModel
from course_lib.scene import DolphinScene
from course_lib.video import SegmentedVideo
from solutions.recipes import DefaultRecipe


def test_changes_of_velocity_cost_the_same_at_any_frame_rate():
    """Of the same motion, half as many frames a second show changes four times as large, squared 16 times."""
    model, paces = DolphinModel(find_pack()), []
    for fps in (50, 25):
        clip = SegmentedVideo(find_pack(), fps, 4)
        paces.append(DefaultRecipe(DolphinScene(model, 4), clip, batch_size=2, steps=1, seed=0).pace)
    assert paces == [1, 1 / 16]
