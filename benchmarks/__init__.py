"""What README.md and benchmarks/README.md state, measured: `python -m benchmarks`."""

import dolphins  # noqa: F401  first: what it sets for torch's threads in a demo is set here too
