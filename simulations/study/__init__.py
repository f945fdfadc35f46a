"""Monte Carlo studies of T_m: their definition, their execution, and summaries of their replicates."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
