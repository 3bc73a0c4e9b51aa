"""`dolphins demo`: the whole method, from video to report."""

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from tqdm.auto import tqdm

from course_lib import kal, metrics, show
from course_lib.assets import describe, find_pack, verify_pack
from course_lib.environment import choose_device, peak_rss_mb
from course_lib.errors import CourseError
from course_lib.scene import DolphinScene, load_tensors, save_atomically
from course_lib.template import DolphinModel
from course_lib.video import SegmentedVideo
from course_lib.window import whole_frames
from solutions.recipes import RECIPES
from solutions.results import body_length, body_mass, compose_frame, mesh_volume
from solutions.rotations import batch_rodrigues, continuous_rotvecs

from .report import build_report
