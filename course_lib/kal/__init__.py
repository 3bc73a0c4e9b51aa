"""kaolin's API for what the course uses, in plain PyTorch: a twin of NVIDIA kaolin 0.18.

Same module paths, signatures, shapes, conventions and numbers, so that what you write here runs with the
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

`kal.dibr` holds the renderer's kernels in several implementations behind one interface.

Conventions. The camera looks down its own -z axis, x to the right and y up (OpenGL). Projected points are
normalised device coordinates (NDC): x and y in [-1, 1] over the image, y up. Pixel (row j, column i) has its
centre at x = (2 i + 1 - W) / W, y = (H - 2 j - 1) / H. Textures have their origin at the bottom left.

Where the twin differs, it accepts more than the original (batches of rays, one texture for a batch, negative
OBJ indices) or fails earlier and in words; each docstring says where.
"""

from . import io, metrics, ops, render, rep

__all__ = ["io", "metrics", "ops", "render", "rep"]
