"""Side by side with peers, in one run: `python -m benchmarks.` and tm, power or training."""
