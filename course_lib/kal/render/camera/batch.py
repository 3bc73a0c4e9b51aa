"""What cameras and their two parts have in common: they are batches of C."""

import torch


class Batch:
    """C things in tensors whose first axis is C; indexing and iterating give batches again.

    A subclass has `_map(function)`: the same batch after the function was applied to each tensor.
    """

    def __getitem__(self, item):
        # The one camera of one is itself: torch, which looks for numbers in whatever has items, then says
        # "self-referential" instead of going down without end, which would end Python.
        if len(self) == 1 and isinstance(item, int) and item in (0, -1):
            return self
        return self._map(lambda tensor: tensor[item].reshape(-1, *tensor.shape[1:]))

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __array__(self, *_, **__):
        # NumPy would go down likewise.
        raise TypeError(f"a {type(self).__name__} is no array; its matrices are, such as view_matrix()")

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
