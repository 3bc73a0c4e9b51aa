"""The other animals of the benchmarks are what their tables say, and their clips show them."""

import numpy as np
import pytest
import torch

from benchmarks import animals, tables
from benchmarks.bodies import ANIMALS, Body
from course_lib.assets import find_pack
from course_lib.dolphin_model import DolphinModel


@pytest.fixture(scope="module")
def model():
    return DolphinModel(find_pack())


@pytest.mark.parametrize("name", ANIMALS)
def test_an_animal_is_closed_and_as_long_as_its_table_says(name, model):
    animal = ANIMALS[name]
    body = Body(animal, model)
    assert body.length_m == pytest.approx(animal.length)
    edges = np.sort(body.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2))
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()
    assert 0.007 < body.volume_m3 / animal.length**3 < 0.019
    left, right = body.vertices[:, 0].max(), -body.vertices[:, 0].min()
    assert (abs(left / right - 1) < 1e-3) == (animal.lopsided == 0)


def test_a_stout_animal_is_wider_than_a_lean_one(model):
    across = [
        animals.widths(b.vertices, b.body) for b in (Body(ANIMALS[n], model) for n in ("stout", "lean"))
    ]
    assert (across[0] > across[1]).mean() > 0.9


def test_a_clip_shows_its_animal(model, tmp_path, monkeypatch):
    monkeypatch.setattr(animals, "FRAMES", 13)
    swimmer, true_masks = animals.make_clip_of(ANIMALS["calf"], model, tmp_path / "clip")
    given = animals.SegmentedVideo(tmp_path / "clip").masks > 127
    assert true_masks.shape == given.shape == (13, 360, 640)
    assert animals.metrics.mask_iou(given, true_masks).min() > 0.8
    there = true_masks[0].nonzero().double()
    assert 70 < float((there.amax(0) - there.amin(0)).norm()) < 110  # pixels


def test_the_fit_knows_the_water_that_the_clips_are_drawn_with(model, tmp_path, monkeypatch):
    monkeypatch.setattr(animals, "FRAMES", 13)
    animals.make_clip_of(ANIMALS["calf"], model, tmp_path / "clip")
    clip = animals.SegmentedVideo(tmp_path / "clip")
    camera = clip.cameras(torch.tensor([0]), animals.OutlineAlone.WATER_INDEX)
    deep = np.array([[0.7, -1.0, 0.4]])
    drawn = animals.make_clip.project(deep, float(clip.cam_eye[0, 1]))
    seen = camera.transform(torch.tensor(deep, dtype=torch.float32)[None])[0, :, :2]
    assert np.allclose(seen.numpy(), drawn, atol=1e-4)


def test_the_table_has_a_row_for_each_fit_and_the_means(model):
    figures = dict.fromkeys(tables.ANIMALS, 1.0) | {"given_iou": 0.9}
    of = {"default": figures, "other": figures | {"volume_error_pct": -3.0}}
    machine = dict(
        processor="a", cores=2, system="b", python="3", torch="2", numba="0", threads=1, load_before=0
    )
    section = {"measured": "today", "machine": machine}
    section["figures"] = {"calf": {"chosen_with": True, **of}, "lean": {"chosen_with": False, **of}}
    text = tables.animals_table(section)
    assert text.count("| default |") == 4 and "never looked at, mean" in text
    assert "| calf | default | 0.900 | 1.000 | 1.000 | +1.0 | +1.0 | 1.0 | +1.0 |" in text
    assert "|  | other |  | 1.000 | 1.000 | 1.0 | 3.0 | 1.0 | 1.0 |" in text
