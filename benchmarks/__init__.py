"""Benchmarks against other libraries, each in one run: ``python -m benchmarks.NAME``."""
