"""Monte Carlo studies of T_m: what is simulated, running it, and what the replicates say."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
