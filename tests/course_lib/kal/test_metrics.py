"""The silhouette loss."""

import pytest
import torch

from course_lib import kal
from course_lib.shapes import ShapeError

from .kaolins import close, numbers

golden = numbers("mesh")
mask_iou = kal.metrics.render.mask_iou


@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_mask_iou_equals_kaolins(dtype, tolerance):
    a, b = (golden(name, dtype) for name in ("iou_a", "iou_b"))
    loss = mask_iou(a.requires_grad_(), b)
    loss.backward()
    assert loss.dtype == dtype
    assert abs(loss.item() - golden("iou").item()) < tolerance
    close(a.grad.double(), golden("iou_grad_a"), atol=tolerance)


def test_the_ends_of_the_scale():
    mask = torch.zeros(2, 6, 8)
    mask[:, 2:4, 2:6] = 1
    assert [mask_iou(mask, mask), mask_iou(mask, 1 - mask), mask_iou(0 * mask, 0 * mask)] == [0, 1, 1]


def test_shapes():
    with pytest.raises(ShapeError, match=r"\(B, H, W\), got \(2, 6, 8, 1\)"):
        mask_iou(torch.zeros(2, 6, 8, 1), torch.zeros(2, 6, 8))
    with pytest.raises(ShapeError, match=r"\(2, 6, 8\), got \(2, 6, 9\)"):
        mask_iou(torch.zeros(2, 6, 8), torch.zeros(2, 6, 9))
