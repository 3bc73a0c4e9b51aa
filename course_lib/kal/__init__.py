"""A twin of NVIDIA kaolin 0.18 in PyTorch and numba, for what the course uses of it.

Same module paths, arguments, shapes, conventions and numbers, so that what you write here runs with the
original after changing one line:

    from course_lib import kal        # this twin: any device, nothing to compile
    import kaolin as kal              # the original: its renderer needs CUDA

    kal.render.camera     Camera, CameraFOV, generate_pinhole_rays
    kal.render.mesh       rasterize, dibr_soft_mask, dibr_rasterization, texture_mapping
    kal.render.lighting   spherical-Gaussian suns, diffuse and specular terms
    kal.ops.mesh          index_vertices_by_faces, face_normals
    kal.ops.coords        spherical2cartesian, cartesian2spherical
    kal.rep               SurfaceMesh
    kal.metrics.render    mask_iou
    kal.io.obj            import_mesh

It is always the twin. Of kaolin, where it is installed and the tensors are on a CUDA device, `rasterize` and
`dibr_soft_mask` take the kernels; `kal.dibr` holds them and our own behind one interface.

Conventions. The camera looks down its own -z axis, x to the right and y up (OpenGL). Projected points are
normalised device coordinates (NDC): x and y in [-1, 1] over the image, y up. Pixel (row j, column i) has its
centre at x = (2 i + 1 - W) / W, y = (H - 2 j - 1) / H. Textures have their origin at the bottom left.

What differs from kaolin:

- Errors are CourseErrors: earlier, and in words. Shapes are checked.
- Cameras are fixed pinholes: no requires_grad, no backend, no parameters to optimise. dtype=None means
  torch's default. `pinhole_ray_directions` makes the rays of a whole batch.
- `dibr.nearest_soft_mask` and `dibr.squared_distances` are ours. `rasterize` knows no nvdiffrast.
- `texture_mapping` takes one texture for a batch; kaolin wants a copy for each.
- `SgLightingParameters` takes dtype and device of its direction. The gradients of weak suns are no NaN, and
  `sg_warp_specular_term` can be differentiated fully.
- `SurfaceMesh` is one mesh or a batch with the same faces, not a list of different ones; it always checks and
  derives. `face_uvs` of faces without texture coordinates are an error, not those of the first vertex.
- `import_mesh` cuts faces into triangles unless told otherwise, and knows negative indices.
"""

from . import io, metrics, ops, render, rep
