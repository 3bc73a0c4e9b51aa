"""Many clips measured: each has its row, whatever happens to another."""

import csv
import json
import shutil

import numpy as np
import pytest

from course_lib.assets import find_pack
from course_lib.errors import CourseError
from dolphins import measure
from dolphins.demo import Interrupted

SETTINGS = dict(frames=4, epochs=1, batch_size=4, device="cpu", recipe="default", seed=0)


def pack_of(folder, *clips):
    """A pack with the embedded clip under other names; "broken" has no frames."""
    embedded = find_pack()
    (folder / "data").mkdir(parents=True)
    (folder / "model").symlink_to(embedded.model_dir)
    for clip in clips:
        if clip == "broken":
            (folder / "data" / clip / "frames").mkdir(parents=True)
        else:
            shutil.copytree(embedded.clip_dir, folder / "data" / clip)
            (folder / "data" / clip / "truth.npz").unlink()
    return folder


def rows_of(out):
    with open(out / "sizes.csv", newline="") as file:
        return {row["clip"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def season(tmp_path_factory):
    folder = tmp_path_factory.mktemp("season")
    packs = [pack_of(folder / "monday", "one", "broken"), pack_of(folder / "tuesday", "two")]
    said = []
    measure.measure_all(packs, folder / "out", SETTINGS, said.append)
    return folder, packs, said


def test_each_clip_has_a_row_whatever_happens_to_another(season):
    folder, _, said = season
    rows = rows_of(folder / "out")
    assert list(rows) == ["broken", "one", "two"]
    assert rows["broken"]["state"] == "not measured" and "frames" in rows["broken"]["remarks"]
    for name in ("one", "two"):
        row = {key: value for key, value in rows[name].items() if value}
        figures = json.loads((folder / "out" / name / "metrics.json").read_text())
        for size in ("length_m", "volume_m3", "mass_kg", "width_40_m"):
            low, value, high = (float(row[size + end]) for end in ("_low", "", "_high"))
            assert low < value < high
        assert float(row["length_m"]) == pytest.approx(figures["length_m"], rel=1e-3)
        assert 10 < float(row["altitude_m"]) < 12 and row["frames"] == "4"
    assert [line.split(":")[0] for line in said] == ["broken", "one", "two"] and " m, 95 %: " in said[1]


def test_the_tables_to_lay_beside_hand_measurements(season):
    with open(season[0] / "out" / "morphometrix" / "one.csv", newline="") as file:
        table = list(csv.reader(file))
    row = rows_of(season[0] / "out")["one"]
    assert table[0] == ["Object", "Value", "Value_unit"]
    values = {name: (value, unit) for name, value, unit in table[1:]}
    assert values["Image ID"] == ("one", "Metadata")
    assert float(values["TL"][0]) == pytest.approx(float(row["length_m"]), abs=1e-3)
    assert float(values["TL_w40.00"][0]) == pytest.approx(float(row["width_40_m"]), abs=1e-3)
    assert values["TL_w05.00"][1] == "Meters"
    assert not (season[0] / "out" / "morphometrix" / "broken.csv").exists()


def test_what_is_measured_is_not_measured_again(season, monkeypatch):
    folder, packs, _ = season
    before = (folder / "out" / "one" / "metrics.json").stat().st_mtime_ns
    monkeypatch.setattr("dolphins.demo.run", pytest.fail)
    measure.measure_all(packs, folder / "out", SETTINGS, lambda line: None)
    assert (folder / "out" / "one" / "metrics.json").stat().st_mtime_ns == before
    assert rows_of(folder / "out")["one"]["state"] != "not measured"


def test_another_setting_is_said_and_nothing_is_overwritten(season):
    folder, packs, _ = season
    rows = measure.measure_all(packs[1:], folder / "out", SETTINGS | {"epochs": 2}, lambda line: None)
    assert rows[0]["state"] == "not measured" and "epochs: 1 there, 2 now" in rows[0]["remarks"]
    assert (folder / "out" / "two" / "metrics.json").exists()
    assert list(rows_of(folder / "out")) == ["broken", "one", "two"]  # of clips that were not named too


@pytest.mark.parametrize("changed", ["segmentation", "metadata"])
def test_a_size_of_other_masks_is_not_shown_as_the_clips(season, changed):
    """As after `dolphins segment` from better points; once they are as they were, so is the row."""
    folder, packs, _ = season
    clip = packs[1] / "data" / "two"
    masks, altitudes = sorted((clip / "segmentation").iterdir()), clip / "metadata" / "altitude.npy"
    path = masks[1] if changed == "segmentation" else altitudes
    before = path.read_bytes()
    try:
        if changed == "segmentation":
            shutil.copy(masks[2], path)
        else:
            np.save(path, np.load(path) + 0.5)
        (row,) = measure.measure_all(packs[1:], folder / "out", SETTINGS, lambda line: None)
        assert row["state"] == "not measured" and "other masks" in row["remarks"], row
        assert (folder / "out" / "two" / "metrics.json").exists()
    finally:
        path.write_bytes(before)
    (row,) = measure.measure_all(packs[1:], folder / "out", SETTINGS, lambda line: None)
    assert row["state"] != "not measured"


def test_a_run_of_an_earlier_version_is_shown(season):
    folder, packs, _ = season
    settings = folder / "out" / "two" / "settings.json"
    before = settings.read_text()
    settings.write_text(json.dumps({k: v for k, v in json.loads(before).items() if k != "given"}))
    (row,) = measure.measure_all(packs[1:], folder / "out", SETTINGS, lambda line: None)
    settings.write_text(before)
    assert row["state"] != "not measured"


def test_a_table_of_somebody_elses_stays(season, tmp_path):
    (tmp_path / "sizes.csv").write_text("a,b\n1,2\n")
    with pytest.raises(CourseError, match="is no table that this command wrote"):
        measure.measure_all(season[1], tmp_path, SETTINGS)
    assert (tmp_path / "sizes.csv").read_text() == "a,b\n1,2\n"


def test_an_interruption_ends_the_season_with_a_word(season, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise Interrupted("Interrupted.")

    monkeypatch.setattr(measure, "run_demo", stop)
    with pytest.raises(CourseError, match="The same command goes on from here"):
        measure.measure_all(season[1], tmp_path / "out", SETTINGS, lambda line: None)


def test_clips_of_one_name_are_told_apart(tmp_path):
    packs = [pack_of(tmp_path / day, "broken") for day in ("a", "b")]
    assert [name for name, *_ in measure.clips_of(packs)] == ["a_broken", "b_broken"]
    assert len(measure.clips_of([packs[0], packs[0]])) == 1
    (tmp_path / "c").mkdir()
    with pytest.raises(CourseError, match="names are those of several clips"):
        measure.clips_of([*packs, pack_of(tmp_path / "c" / "a", "broken")])


def test_a_folder_that_is_no_pack_is_left_out(tmp_path):
    (tmp_path / "notes").mkdir()
    said, packs = [], [tmp_path / "notes", pack_of(tmp_path / "day", "broken"), tmp_path / "nowhere"]
    assert [name for name, *_ in measure.clips_of(packs, said.append)] == ["broken"]
    assert len(said) == 2 and "notes has no folder model" in said[0] and "nowhere: no such" in said[1]
    with pytest.raises(CourseError, match="notes has no folder(.|\n)*nowhere: no such folder"):
        measure.clips_of(packs[::2])


def test_what_cannot_be_begun_is_said(tmp_path):
    with pytest.raises(CourseError, match="no such folder"):
        measure.measure_all([tmp_path / "nowhere"], tmp_path / "out", SETTINGS)
    pack = pack_of(tmp_path / "pack", "broken")
    (tmp_path / "file").write_text("")
    with pytest.raises(CourseError, match="is a file. Name a folder"):
        measure.measure_all([pack], tmp_path / "file", SETTINGS)
    shutil.rmtree(pack / "data" / "broken")
    with pytest.raises(CourseError, match="hold no clips"):
        measure.measure_all([pack], tmp_path / "out", SETTINGS)


def test_what_speaks_against_a_length_stands_beside_it():
    row = dict(clip="a", pack="p", frames=9, altitude_m=9.0, length_m=2.2, remarks="The mask, here, is cut.")
    for state, said in (("measured", ". The mask"), ("not to be trusted", ". NOT TO BE TRUSTED: The mask")):
        assert measure.told(row | {"state": state}) == f"a: 2.20 m{said}, here, is cut."
        notes = {cells[0]: cells[1] for cells in measure.morphometrix(row | {"state": state})}["Notes"]
        assert state in notes and notes.endswith("; The mask, here, is cut.")
    assert measure.told(row | {"state": "measured", "remarks": ""}) == "a: 2.20 m"


def test_one_clip_is_one():
    assert measure.summary([{"state": "measured"}], "out").startswith("1 clip: 1 measured")
    assert measure.summary([{"state": "measured"}] * 2, "out").startswith("2 clips: 2 measured")
