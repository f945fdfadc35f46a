"""Readers of data sets, one module for each form in which they come."""
