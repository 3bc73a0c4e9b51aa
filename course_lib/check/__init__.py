"""Instant checks of the exercises, a module per lesson.

    check.rodrigues()                                       the functions of these names in the notebook
    check.rodrigues(quat_to_rotmat, batch_rodrigues)        or these

Each prints which properties hold, and for one that does not, which mistake this most probably is; its value
is the points earned. No reference is needed, nor a network: what is right is known from properties, closed
forms, or another way to compute it.

    lesson1 ... lesson6     the exercises: what is right, and usual mistakes by name
    core                    what a check is made of, how it runs, and how another judge can use it
    same                    an exercise that is a function: as the right one, or a mistake with a name
    difference, fitted      how a wrong value differs from the right one; matrices and pixels as formulas
    pictures, stone_cases   of lesson 3: how images are judged, and what is drawn in them; with found (what a
                            picture tells) and spare_renderer (DIB-R a second way, also for who is stuck)
    devices, raised         the same points on every machine; what an exception of the student's means
    places                  where wrong numbers are, by an argument
    card                    a check as a notebook shows it
"""

from .core import Exercise
from .lesson1 import samples
from .lesson2 import rodrigues, tracking
from .lesson3 import absorption, dibr, renderer
from .lesson4 import fitting
from .lesson5 import measures, orientation, video
from .lesson6 import altitudes, apparent_depth, length_interval, volume_from_widths

EXERCISES = (samples, rodrigues, tracking, dibr, absorption, renderer, fitting, video, orientation, measures)
EXERCISES += (altitudes, apparent_depth, length_interval, volume_from_widths)
