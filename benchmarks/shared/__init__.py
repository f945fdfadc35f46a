"""What several benchmarks need: targets and records, interleaved timing, contestants and their processes."""
