"""The paper's claims, decided by exact computation. Names load on first use: ``--help`` does not wait for sympy."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
