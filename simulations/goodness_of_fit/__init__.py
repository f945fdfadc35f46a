"""The goodness-of-fit test based on T_m: the test and its null distribution."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
