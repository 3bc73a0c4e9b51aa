"""What cameras and their two parts have in common: they are batches of C."""

import torch


class Batch:
    """C things in tensors whose first axis is C; indexing and iterating give batches again.

    A subclass has `_map(function)`: the same batch after the function was applied to each tensor.
    """

    def __getitem__(self, item):
        return self._map(lambda tensor: tensor[item].reshape(-1, *tensor.shape[1:]))

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def to(self, *args, **kwargs):
        """The same batch on another device or in another dtype, as torch.Tensor.to."""
        return self._map(lambda tensor: tensor.to(*args, **kwargs))

    def cpu(self):
        return self.to("cpu")

    def cuda(self):
        return self.to("cuda")

    def float(self):
        return self.to(torch.float32)

    def double(self):
        return self.to(torch.float64)


def as_floats(value, dtype, device):
    """A value as a tensor; dtype None means torch's default."""
    return torch.as_tensor(value, dtype=dtype or torch.get_default_dtype(), device=device)
