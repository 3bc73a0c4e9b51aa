"""Gathering and adding up with the same result to the last digit each time, on a GPU too.

What comes to one place torch adds up, on a GPU, in the order in which threads arrive: in `index_add_`, and in
the gradients of `index_select` and `gather`. `index_put_`, and so the gradient of indexing, sorts first. On a
CPU it is the other way round, and `index_select` copies whole rows at a time.
"""


def taken(values, dim, numbers):
    """Slices of values along an axis, by their numbers (N,): `values.index_select(dim, numbers)`."""
    if values.is_cpu:
        return values.index_select(dim, numbers)
    return values[(slice(None),) * dim + (numbers,)]


def add_at(sums, numbers, values):
    """Adds each of the values (N, ...) to the sums (M, ...) at its number (N,). -> the sums"""
    if sums.is_cpu:
        return sums.index_add_(0, numbers, values)
    return sums.index_put_((numbers,), values, accumulate=True)
