"""Callbacks of training: their hooks, combinations of them, a progress bar and early stopping."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
