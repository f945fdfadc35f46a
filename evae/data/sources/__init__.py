"""Readers of data sets, one module per file format."""
