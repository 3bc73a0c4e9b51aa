"""What README.md and benchmarks/README.md state, measured: `python -m benchmarks`."""
