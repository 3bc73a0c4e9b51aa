"""The provided code of the course: Dolphins in 3D.

The modules in the order in which data flows through them:

    unpack                                  out of the zip beside a notebook, where that is all there is
    machine, install, environment           what is here, what is missing, and how every notebook begins
    file_kind                               what a file is that is not what it is called
    assets                                  a pack, template and clip in one folder: find, verify, import
    telemetry                               the drone's altitude over time, from what lies beside a video
    footage                                 frames of a video of your own
    known_length                            the altitude's bias, by a thing of known length
    lens                                    the camera under a drone, and pictures without its distortion
    prompts                                 points to segment from, clicked in a notebook or a browser
    segmentation, first_mask, two_sides     points on one frame -> its mask, and one for every frame,
    tracker, way, sprite                    without a network
    rims                                    where a fitted animal's outline runs, across it, in all frames
    doubts                                  how far these masks can be trusted
    refraction                              where what is under water seems to be, from above
    surfacing                               how deep an animal is, by frames in which it breaks the surface
    video                                   the clip as a dataset, with the drone's cameras
    dolphin_model                           the SMPL-style template: read safely, posed by blend skinning
    scene                                   the parameters that a fit changes
    kal                                     kaolin's API: cameras, DIB-R, light, meshes
    window, shading, outline, losses        cropping, skin and light and water, what a fit minimises
    priors                                  what the default fit asks of an animal besides the picture
    appearance, heave                       skin, light and water of a dolphin that is in place, its heave
    metrics, show                           how far a fit is from the truth; figures and videos
    photogrammetry, uncertainty             a mask's axes, widths along the body; how sure the size is
    check                                   the instant checks of the exercises
    keep, stand_ins                         what a student wrote, kept; what answers in its place in a release

and small helpers, which import none of these: errors, files, shapes, in_order, rotations, progress.
README.md has a map of who imports whom. Importing the package does no work.
"""

import os

# Between two parallel sections the threads of torch wait for each other in a loop that burns its core:
# 300,000 rounds by default. Beside anything else that computes (a browser, numba's own threads, another
# notebook) they wait for a thread that has no core, and a fit takes ten times as long. With 5,000 rounds it
# takes twice as long there, as one core of two is gone, and the same on an idle machine. The variable is of
# libgomp, read once, when torch is imported; others ignore it.
os.environ.setdefault("GOMP_SPINCOUNT", "5000")

__version__ = "0.1.0"

if not os.path.exists(__file__):  # imported from the course's zip: what follows comes from what is in it
    from .unpack import unpack

    __path__ = [str(unpack(__file__))]
    __file__ = os.path.join(__path__[0], "__init__.py")
