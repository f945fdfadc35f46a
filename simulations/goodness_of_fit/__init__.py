"""The goodness-of-fit test based on T_m: the test, its null distribution, and samples read from files."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
