"""Theorem 3.1 (Bickel and Rosenblatt, 1973): the exact mean of T_m, its limits, and the theorem's conditions."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
