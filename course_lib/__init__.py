"""The provided code of the course: Dolphins in 3D.

The modules in the order in which data flows through them: `machine`, `install`, `environment`; `assets`;
`segmentation`, `tracker`; `video`; `dolphin_model`; `scene`; `kal`; `window`, `outline`, `shading`, `losses`;
`metrics`; `show`; `check`; `keep`, `stand_ins`. The leaves that all of them use: `errors`, `files`, `shapes`,
`rotations`, `progress`. Importing the package does no work.
"""

import os

# Between two parallel sections the threads of torch wait for each other in a loop that burns its core:
# 300,000 rounds by default. Beside anything else that computes (a browser, numba's own threads, another
# notebook) they wait for a thread that has no core, and a fit takes ten times as long. With 5,000 rounds it
# takes twice as long there, as one core of two is gone, and the same on an idle machine. The variable is of
# libgomp, read once, when torch is imported; others ignore it.
os.environ.setdefault("GOMP_SPINCOUNT", "5000")

__version__ = "0.1.0"
