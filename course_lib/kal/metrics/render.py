"""Losses between rendered and observed images."""

from ...shapes import check_shape


def mask_iou(lhs_mask, rhs_mask):
    """The silhouette LOSS 1 - IoU (0 is perfect), averaged over the batch; for soft masks too. -> a scalar

        IoU = sum(a b) / sum(a + b - a b)

    Two empty masks have IoU 0, hence loss 1 (kaolin adds 1e-10 to the denominator).

    lhs_mask, rhs_mask: (B, H, W), values in [0, 1]. Source: Chen et al., DIB-R, NeurIPS 2019 (arXiv
    1908.01210), the silhouette loss.
    """
    check_shape("lhs_mask", lhs_mask, "B H W")
    check_shape("rhs_mask", rhs_mask, lhs_mask.shape)
    intersection = lhs_mask * rhs_mask  # (B, H, W)
    union = lhs_mask + rhs_mask - intersection
    iou = intersection.sum(dim=(1, 2)) / (union.sum(dim=(1, 2)) + 1e-10)  # (B,)
    return 1 - iou.mean()
