"""Instant checks of the exercises, a module per lesson.

    check.rodrigues()                                       the functions of these names in the notebook
    check.rodrigues(quat_to_rotmat, batch_rodrigues)        or these

Each prints which properties hold, and for one that does not, which mistake this most probably is; its value
is the points earned. No reference is needed, nor a network: what is right is known from properties, closed
forms, or another way to compute it. `core` says how a check is built, and how another judge can use it.
`spare_renderer` is DIB-R written a second way: for the checks of lesson 3, and for students who are stuck.
`stone_cases`, `pictures` and `found` are theirs too: what is drawn, how it is judged, what it tells.
`fitted` writes what wrong matrices and pixels are made of as a formula.
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
