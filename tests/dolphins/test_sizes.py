"""dolphins.sizes: what a file, a terminal and a page say of a size and its interval."""

import pytest

from course_lib.uncertainty import Interval
from dolphins import sizes

FOUND = {
    "length": Interval(2.612, {"altitude": 0.015, "depth": 0.004}),
    "volume": Interval(0.2203, {"altitude": 0.045, "depth": 0.012}),
    "mass": Interval(225.8, {"altitude": 0.045, "depth": 0.012, "density": 0.02}),
    "width_05": Interval(0.12, {"altitude": 0.015}),
    "width_40": Interval(0.44, {"altitude": 0.015}),
}
FIGURES = {"length_m": 2.612, "volume_m3": 0.2203, "mass_kg": 225.8} | sizes.to_figures(FOUND)


def test_a_file_holds_ends_and_sources():
    assert FIGURES["length_m_low"] < 2.612 < FIGURES["length_m_high"]
    assert FIGURES["length_sd_pct_altitude"] == pytest.approx(1.5)
    assert FIGURES["mass_sd_pct_density"] == pytest.approx(2.0)
    assert FIGURES["width_40_m"] == 0.44 and FIGURES["width_40_m_low"] < 0.44
    assert all(isinstance(value, float) for value in FIGURES.values())


def test_a_terminal_says_it_in_three_lines():
    length, volume, mass = sizes.told(FIGURES)
    assert "2.61 m, 95 %: 2.53 to 2.69 m (-3.0 to +3.1 %; by itself ± altitude 2.9, depth 0.8)" in length
    assert "0.220 m³" in volume and "226 kg" in mass and "density 3.9" in mass
    assert sizes.told({"length_m": 2.6}) == []  # of a run without intervals


def test_widths_and_sources_are_left_out_of_the_terminals_table():
    left = {name for name in FIGURES if not sizes.is_detail(name)}
    assert left == {"length_m", "volume_m3", "mass_kg", "length_sd_pct", "volume_sd_pct", "mass_sd_pct"}


def test_a_page_gets_rows():
    numbers, sources = sizes.rows(FOUND)
    assert [row["name"] for row in numbers] == ["length", "volume", "mass"]
    assert numbers[0]["interval"] == "2.53 m to 2.69 m"
    assert [row["name"] for row in sources] == ["altitude", "depth", "density"]
    assert sources[-1]["percents"] == [0.0, 0.0, pytest.approx(3.92)]
    assert sizes.rows({}) == ([], [])


def test_the_profile_has_the_stations_that_were_measured():
    stations, widths, low, high = sizes.profile(FOUND)
    assert stations == [0.05, 0.4] and widths == [0.12, 0.44]
    assert all(a < width < b for a, width, b in zip(low, widths, high))


def test_a_recipe_without_priors_of_its_own_has_no_intervals():
    class Tutorials:
        pass

    assert sizes.sizes(None, None, Tutorials) == {}
