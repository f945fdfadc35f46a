"""T_m as a test of goodness of fit: the test, its null distribution, and samples read from files."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
