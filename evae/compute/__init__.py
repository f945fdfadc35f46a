"""Computation: devices and precision, random streams, processes, and batch normalisation across processes."""
