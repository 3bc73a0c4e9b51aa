"""Where the notebooks come from: the lessons, their pictures, and what makes notebooks of them."""
