"""Shared parts of the benchmarks: targets and records, interleaved timing, contestants and their processes."""
