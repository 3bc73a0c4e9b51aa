"""DIB-R behind one interface: triangles in, feature image, face index and soft masks out, gradients back.

Chen et al., NeurIPS 2019, arXiv 1908.01210. Three backends compute the same numbers:

    "torch"   reference.py, plain PyTorch on any device, to be read
    "numba"   compiled.py, the CPU's: the same, some ten times faster and more
    "kaolin"  kaolin_backend.py, kaolin's own CUDA kernels, where kaolin is installed

`backend=None` (or kaolin's default word, "cuda") takes the best that works on the tensors' device. numba and
kaolin are imported when first needed.
"""

from .dispatch import (
    available_backends,
    dibr_soft_mask,
    nearest_soft_mask,
    rasterize,
    squared_distances,
    warm,
)
