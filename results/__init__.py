"""Measured results, and the scripts that insert them into README.md and the documentation."""
