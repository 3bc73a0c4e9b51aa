"""What instructors use: `build` makes the notebooks from the lessons."""
