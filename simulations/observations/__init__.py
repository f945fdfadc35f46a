"""Observations: a sample read from a file, standard input, a table or an array, with a record of what was read."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
