"""DIB-R behind one interface: triangles in, feature image, face index and soft masks out, gradients back.

Chen et al., NeurIPS 2019, arXiv 1908.01210. Three backends compute the same numbers:

    "torch"   reference.py, plain PyTorch on any device, to be read
    "numba"   compiled.py, the CPU's: the same, some ten times faster and more
    "kaolin"  kaolin_backend.py, kaolin's own CUDA kernels, where kaolin is installed

`backend=None` (or kaolin's default word, "cuda") takes the best that works on the tensors' device. numba and
kaolin are imported when first needed.

There is no CUDA kernel of our own, of Triton for example. Of the 834 operations that a step of the default
recipe asks of a GPU, 252 are the reference's (tests/device/counts.py), with their gradients some 40 %.
A kernel that makes them two would leave 60 %, for a second implementation of 300 lines; it would have
to make the step twice as fast to earn its keep. Who needs more on a GPU should record the whole step as a
CUDA graph: shapes change from batch to batch, so windows would have to be of one size.
"""

from .dispatch import (
    available_backends,
    dibr_soft_mask,
    nearest_soft_mask,
    rasterize,
    squared_distances,
    warm,
)
