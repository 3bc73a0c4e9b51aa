"""Telemetry as many drones and apps write it: right at every frame, or refused.

A wrong altitude that nobody notices is the worst that can happen: a table of what could become one.
"""

import numpy as np
import pytest

from course_lib.errors import CourseError
from course_lib.telemetry import read_telemetry

from .test_telemetry import HEIGHTS, srt, stamp, written

ROWS = list(enumerate(HEIGHTS))  # a reading a second


def blocks(form, step=1 / 30, **how):
    return srt(
        [form.format(h=h, ft=h / 0.3048, comma=f"{h:.3f}".replace(".", ","), n=k) for k, h in ROWS],
        step,
        **how,
    )


def table(header, form, sign="\n", **more):
    rows = [form.format(t=k, ms=1000 * k, h=h, ft=h / 0.3048, **more) for k, h in ROWS]
    return sign.join(([header] if header else []) + rows) + sign


def commas(text):
    return text.replace(".", ",")


# Each with the seconds between its readings.
RIGHT = {
    "Mini 3, in capitals": (blocks("[ISO: 100] [REL_ALT: {h:.3f} ABS_ALT: 132.860]"), 1 / 30),
    "names in two words": (blocks("Lat: 1.5 Abs Altitude: 132.860 Rel Altitude: {h:.3f} Pitch: -90"), 1 / 30),
    "names in one word": (blocks("absoluteAltitude=132.860 relativeAltitude={h:.3f}"), 1 / 30),
    "the absolute one first": (blocks("[abs_alt: 132.860 rel_alt: {h:.3f}]"), 1 / 30),
    "decimals with commas": (blocks("[latitude: 59,3] [rel_alt: {comma} abs_alt: 132,860]"), 1 / 30),
    "an exponent": (blocks("[rel_alt: {h:.4e} abs_alt: 132.860]"), 1 / 30),
    "metres behind the number": (blocks("GPS(1.5,-20.2,14) BAROMETER: {h:.1f} m"), 1 / 30),
    "Air 2S, no brackets": (blocks("latitude: 59.30 longitude: 18.20 altitude: {h:.6f} iso: 100"), 1 / 30),
    "old line ends": (blocks("[rel_alt: {h:.3f} abs_alt: 3.0]").replace("\n", "\r"), 1 / 30),
    "counters that start again": (blocks("[rel_alt: {h:.3f}]").replace("\n4\n", "\n1\n"), 1 / 30),
    "no hours": (blocks("[rel_alt: {h:.3f}]").replace("00:00:", "00:"), 1 / 30),
    "whole seconds": (blocks("[rel_alt: {h:.3f}]", 1.0).replace(",000", ""), 1.0),
    "milliseconds without zeros": (
        "".join(f"{k}\n0:0:0,{40 * k} --> 0:0:0,{40 * k + 40}\n[rel_alt: {h}]\n\n" for k, h in ROWS),
        0.04,
    ),
    "Autel in UTF-16": (blocks("GPS(W: 95.69, N: 30.2, {h:.2f}m)").encode("utf-16"), 1 / 30),
    "AirData": (
        table(
            "time(millisecond),datetime(utc),latitude,longitude,height_above_takeoff(feet),"
            "height_above_ground_at_drone_location(feet),ground_elevation_at_drone_location(feet),"
            "altitude_above_seaLevel(feet),height_sonar(feet),speed(mph),distance(feet),altitude(feet)",
            "{ms},2026-05-02 10:11:12,59.3,18.2,{ft},,0,300,,1,250,310",
        ),
        1.0,
    ),
    "flight record": (
        table(
            "sep=,\nCUSTOM.date [local],OSD.flyTime [s],OSD.height [ft],OSD.altitude [ft]",
            "5/2/2026,{t},{ft},310",
        ),
        1.0,
    ),
    "a laser's log": (table("# Lidar v3\ntime_s,laser_cm,tilt", "{t},{h}0,1.0").replace(".", ""), 1.0),
    "units in a row of their own": (table("time;altitude\ns;ft", "{t};{ft}"), 1.0),
    "units behind the numbers": (table("time;altitude", "{t} s;{ft:.5f} ft"), 1.0),
    "units in both places": (table("time_s;altitude_ft", "{t} s;{ft:.5f} ft"), 1.0),
    "semicolons and commas": (commas(table("time [s];altitude [m]", "{t}.0;{h}")), 1.0),
    "commas in quotation marks": (commas(table('"time_s","altitude_m"', '"{t}.0","{h}"')), 1.0),
    "an ascent": (table("time_s,lat,lon,distance(m),altitude(m),ascent(m)", "{t},1,2,88,90,{h}"), 1.0),
    "Litchi": (
        table(
            "latitude,longitude,altitude(feet),ascent(feet),speed(mph),distance(feet),max_altitude(feet),"
            "max_ascent(feet),time(millisecond),datetime(utc),datetime(local),satellites",
            "59.3,18.2,310,{ft},1,250,400,200,{ms},2026-05-02 10:11:12.000,2026-05-02 12:11:12.000,14",
        ),
        1.0,
    ),
    "a record of the flight controller": (
        table(
            "Clock:Tick#,Clock:offsetTime,GPS:Time,osd_data:relativeHeight[meters],"
            "osd_data:vpsHeight[meters]",
            "9{t}000,{t},10:11:12,{h},2.0",
        ),
        1.0,
    ),
    "a flight record whose time is also text": (
        table(
            "sep=,\nCUSTOM.date [local],CUSTOM.updateTime [local],OSD.flyTime,OSD.flyTime [s],"
            "OSD.height [ft],OSD.heightMax [ft],OSD.vpsHeight [ft],OSD.altitude [ft]",
            "5/2/2026,1:00:0{t}.00 PM,0m {t}.0s,{t}.0,{ft},400,9,310",
        ),
        1.0,
    ),
    "lines above the names": (
        table("#DroneDeploy\t2.1\nAircraft Model\tP4\nDate/Time (UTC)\tElapsed Time (sec)\t"
              "Aircraft Speed (mph)\tAircraft Barometric Altitude (ft)", "05/02/2026 10:11:12\t{t}\t0\t{ft}"),
        1.0,
    ),
    "units in brackets, in a row of their own": (table("time,lat,hMSL\n(s),(deg),(m)", "{t},59.3,{h}"), 1.0),
    "bars between columns": (table("time_s|altitude_m", "{t}|{h}"), 1.0),
    "an arrow in a cell": (table("time_s,altitude_m,note", "{t},{h},a --> b"), 1.0),
    "the unit in words": (table("time (ms),altitude in feet", "{ms},{ft}"), 1.0),
    "the unit in a capital": (table("elapsed_seconds,AltitudeM", "{t},{h}"), 1.0),
    "MAVLink": (table("time_boot_ms,lat,lon,relative_alt_mm", "{ms},1,2,{h}00").replace(".", ""), 1.0),
    "Autel's subtitles": (
        "[Script Info]\nScriptType: v4.00+\n\n[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, "
        "MarginR, MarginV, Effect, Text\n" + table(
            "", "Dialogue: 0,0:00:0{t}.00,0:00:0{t}.90,Default,,0,0,0,,HOME(-117.96, 33.63) 2026.5.2 10:11:12"
            "\\NGPS(W: -117.-9605, N: 33.6323, -37) ReH:{h} \\NISO:100",
        ),
        1.0,
    ),
    "another minus": (blocks("[rel_alt: +{h:.3f} abs_alt: \N{MINUS SIGN}1.0]"), 1 / 30),
    "GPS alone": (table("time_s,latitude,longitude,gps_altitude_m", "{t},59.3,18.2,{h}"), 1.0),
    "a table in UTF-16 without a mark": (table("time_s,altitude_m", "{t},{h}").encode("utf-16-be"), 1.0),
    "subtitles in UTF-16 without a mark": (blocks("[rel_alt: {h:.3f}]").encode("utf-16-le"), 1 / 30),
    "a table in UTF-16 with tabs": (table("time\taltitude (m)", "{t}\t{h}").encode("utf-16"), 1.0),
}  # fmt: skip


@pytest.mark.parametrize("case", RIGHT)
def test_altitudes_are_those_printed(tmp_path, case):
    text, step = RIGHT[case]
    telemetry = read_telemetry(written(tmp_path, text))
    assert telemetry.altitudes(np.arange(6) * step) == pytest.approx(HEIGHTS, abs=6e-3)


def test_what_measured_it_follows_from_the_name(tmp_path):
    for name, above, sd in (
        ("gps_altitude_m", "sea", 5),
        ("elevation_m", "sea", 5),
        ("msl_altitude_m", "sea", 5),
        ("laser_m", "sea", 0.1),
        ("relative_alt_m", "launch", 1),
    ):
        telemetry = read_telemetry(written(tmp_path, table(f"time_s,{name}", "{t},{h}")))
        assert (telemetry.above, telemetry.sd_m) == (above, sd), name


FEET = "feet.*altitude_ft"
REFUSED = {
    "feet in subtitles": (blocks("[rel_alt: {ft:.1f}ft abs_alt: 400ft]"), "in feet"),
    "feet in subtitles, apart": (blocks("BAROMETER: {ft:.1f} feet"), "in feet"),
    "centimetres in subtitles": (blocks("H 1230cm"), "none of its 6 blocks holds an altitude"),
    "the next block's counter": (srt(["BAROMETER:\n"] * 6, first=20), "none of its 6 blocks"),
    "absolute altitude alone, in words": (blocks("Max Altitude: {h}"), "none of its 6 blocks"),
    "GPS with commas": (blocks("GPS(36,6146,-6,1120,{comma}M)"), "holds? .*no altitude"),
    "no header": (table("", "{t},59.3,18.2,{h}"), "4 columns and no names.*time_s,altitude_m"),
    "commas for both": (table("time_s,altitude_m", "{t},0,{h}"), "more cells than .*semicolons"),
    "a quotation mark lost": ('time_s,altitude_m\n"0,0",1\n1,0","2\n3,4"\n', "more cells than"),
    "a digit lost": (blocks("[rel_alt: {h:.3f}]").replace("12.6", "2.6"), "rel_alt jumps from"),
    "one block, cut off": ("1\n00:00:00,000 --> 00:00:01,000\n[rel_alt: 1", "none of its 1 blocks"),
    "a coarse clock": (
        "time,altitude_m\n" + "".join(f"0:{k // 10:02d},{10 + k / 100}\n" for k in range(50)),
        "45 of its 50 readings have the time of the one before .first 0:00.: its clock is too coarse",
    ),
    "two that may be it": (table("time_s,distance,altitude", "{t},88,{h}"), "distance and altitude.*may be"),
    "distance in a drone's log": (
        table("time_s,latitude,longitude,distance_m,speed", "{t},59.3,18.2,{h},1"),
        "distance_m.*laser",
    ),
    "feet in a comment": (table("# heights in feet\ntime_s,altitude", "{t},{ft}"), FEET),
    "feet beside it": (table("time_s,speed(ft/s),altitude", "{t},3,{ft}"), FEET),
    "a pressure": (table("time_s,barometer(hPa)", "{t},995"), "unit of the column"),
    "units that nobody knows": (table("time,altitude\ns,fathoms", "{t},{h}"), "unit of the column"),
    "a unit now and then": ("time_s,altitude\n0,40 ft\n1,41\n2,42\n", "some numbers of a column have a unit"),
    "above the ellipsoid": (table("time_s,hae_m", "{t},{h}"), "no column of altitude"),
    "furlongs of time": (table("time (h),altitude_m", "{t},{h}"), "unit of the column time .h. is not known"),
    "a time that nobody writes": (table("time,altitude_m", "a{t},{h}"), "times .'a0'. are written in a way"),
    "milliseconds, not said": (table("time,altitude_m", "{ms},{h}"), "1000 s apart: milliseconds"),
    "a track": ("<?xml version='1.0'?>\n<gpx><ele>12.3</ele></gpx>", "a track of GPS .*as .csv"),
    "the height that was aimed at": (table("time_s,target_altitude_m", "{t},{h}"), "no column of altitude"),
    "inches": (table("time_s,altitude_in", "{t},{h}"), "no column of altitude"),
    "a number of frames": (table("frame,altitude_m", "{t},{h}"), "no column of time"),
    "a pressure, without its unit": (table("time_s,barometer", "{t},995"), "is 995 m"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(tmp_path, case):
    text, message = REFUSED[case]
    with pytest.raises(CourseError, match=message) as refused:
        read_telemetry(written(tmp_path, text)).altitudes([0.05, 0.1] if isinstance(text, str) else [1.0])
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_table_cut_off_within_a_number(tmp_path, cut):
    whole = table("time_s,altitude_m", "{t},{h:.2f}").rstrip("\n")
    assert read_telemetry(written(tmp_path, whole)).altitudes([5.0]) == pytest.approx([13.0])
    telemetry = read_telemetry(written(tmp_path, whole[:-cut]))
    assert telemetry.time_s.tolist() == [0, 1, 2, 3, 4]
    assert telemetry.altitudes([4.0]) == pytest.approx([12.7])


@pytest.mark.parametrize("rate", [24 / 1.001, 29.97, 30, 59.94])
@pytest.mark.parametrize("cut", [np.floor, np.round])
def test_a_reading_a_frame_is_that_of_its_frame(tmp_path, rate, cut):
    heights = [12.3 + 0.1 * (k // 5 % 4) for k in range(90)]
    at = [cut(1000 * k / rate) / 1000 for k in range(91)]
    text = "\n".join(
        f"{k}\n{stamp(at[k])} --> {stamp(at[k + 1])}\n[rel_alt: {h:.3f}]\n" for k, h in enumerate(heights)
    )
    found = read_telemetry(written(tmp_path, text)).altitudes(np.arange(90) / rate)
    assert found == pytest.approx(heights, abs=1e-9)


LIDARBOX = (
    "# GPS and Laser Rangefinder logging\n# units:  accel=1g  gyro=deg/sec\n#gmt_date\tgmt_time\tnum_sats\t"
    "longitude\tlatitude\tgps_altitude_m\tSOG_kt\tCOG\tHDOP\tlaser_altitude_cm\ttilt_deg\taccel_x"
)
CLOCKS = {  # what a table holds, and when the second of its readings was
    "a laser's, after Dawson et al. 2017": (
        table(LIDARBOX, "2026/05/02\t10:11:1{t}\t9\tNaN\tNaN\t48.2\t0\t1\t1\t{h}0\t0.5\t0").replace(
            ".", ""
        ),
        "2026-05-02 10:11:11",
    ),
    "half days, with the day beside": (
        table("CUSTOM.date [local],CUSTOM.updateTime [local],OSD.height [m]", "5/2/2026,1:00:0{t}.00 PM,{h}"),
        "2026-05-02 13:00:01",
    ),
    "half days": (table("time,altitude_m", "12:00:0{t} AM,{h}"), "0:00:01"),
    "American": (table("datetime,altitude_m", "5/2/2026 9:11:1{t} AM,{h}"), "5/2/2026 9:11:11 AM"),
    "German": (table("time;altitude_m", "02.05.2026 10:11:1{t};{h}"), "2026-05-02 10:11:11"),
    "since 1970": (table("timestamp,altitude_m", "177771667{t}000,{h}"), "1777716671"),
    "since 1970, by a date": (table("timestamp,altitude_m", "177771667{t}000,{h}"), "2026-05-02 10:11:11"),
    "since 1970, by a zone": (table("unix_time,altitude_m", "177771667{t},{h}"), "2026-05-02T12:11:11+02:00"),
    "over midnight": (
        "time,altitude_m\n" + "".join(f"{t},{h}\n" for t, h in zip(
            ["23:59:59", "0:00:00", "0:00:01", "0:00:02", "0:00:03", "0:00:04"], HEIGHTS)),
        "24:00:00",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CLOCKS)
def test_clocks(tmp_path, case):
    text, start = CLOCKS[case]
    telemetry = read_telemetry(written(tmp_path, text, "log.csv"), start)
    assert telemetry.altitudes([0, 1, 2]) == pytest.approx(HEIGHTS[1:4], abs=6e-3)


def test_times_with_a_zone(tmp_path):
    rows = "".join(f"2026-05-02T12:11:1{t}+02:00,{h}\n" for t, h in ROWS)
    path = written(tmp_path, "timestamp,altitude_m\n" + rows, "log.csv")
    for start in ("2026-05-02T10:11:11Z", "2026-05-02 12:11:11", "2026-05-02T13:11:11+03:00"):
        assert read_telemetry(path, start).altitudes([0, 1]) == pytest.approx(HEIGHTS[1:3])
    path = written(tmp_path, "timestamp,altitude_m\n" + rows.replace("+02:00", ""), "log.csv")
    with pytest.raises(CourseError, match="--video-start .* has a zone, and the times of .* have none"):
        read_telemetry(path, "2026-05-02T10:11:11Z")


def test_a_log_whose_fine_times_count_from_its_start_and_whose_dates_are_whole_seconds(tmp_path):
    rows = [(100 * k, f"2026-05-02 10:11:{12 + (k + 3) // 10:02d}", 10 + k / 100) for k in range(60)]
    text = "time(millisecond),datetime(utc),height_above_takeoff(m)\n"
    path = written(tmp_path, text + "".join(f"{ms},{date},{h}\n" for ms, date, h in rows), "log.csv")
    # the log begins at 10:11:12.3
    for start, first in (("2026-05-02 10:11:13.3", 10.1), ("1.0", 10.1), ("2026-05-02T10:11:12.8", 10.05)):
        assert read_telemetry(path, start).altitudes([0, 0.5]) == pytest.approx([first, first + 0.05])


def test_a_table_without_a_clock_says_that_it_was_taken_to_begin_with_the_video(tmp_path):
    telemetry = read_telemetry(written(tmp_path, table("time_s,altitude_m", "{t},{h}")))
    assert "--video-start" in telemetry.notes[0]
    with pytest.raises(CourseError, match="but the clip is 0:40 to 0:42.*--video-start"):
        telemetry.altitudes([40, 42])


def test_readings_far_apart_are_not_bridged(tmp_path):
    telemetry = read_telemetry(written(tmp_path, "time_s,altitude_m\n0,10\n30,20\n60,30\n90,40\n"))
    with pytest.raises(CourseError, match="no altitude between 0:00 and 0:30"):
        telemetry.altitudes([10, 12])
