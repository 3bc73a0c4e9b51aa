"""Exercise 1: look at the data before you compute with it."""


def show_samples(dataset, indices):
    """Shows frames above their masks, a column for each index. -> matplotlib Figure

    dataset: a SegmentedVideo; indices: frame numbers. The figure has 2 rows and
    len(indices) columns.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * len(indices), 4.8), layout="constrained")
    axes = figure.subplots(2, len(indices), squeeze=False)
    for column, index in zip(axes.T, indices):
        sample = dataset[index]
        column[0].imshow(sample["original"])  # (H, W, 3)
        column[0].set_title(f"frame {index}")
        mask = sample["segmented"][..., 0]  # (H, W)
        column[1].imshow(mask, cmap="gray", vmin=0, vmax=1)
        for axis in column:
            axis.set_axis_off()
    return figure
