"""Measured results, and what writes them into the pages that show them."""
