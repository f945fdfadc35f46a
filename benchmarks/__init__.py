"""Side by side with peers, in one run: `python -m benchmarks.tm` and `python -m benchmarks.power`."""
