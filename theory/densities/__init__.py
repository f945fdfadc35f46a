"""Symbolic densities and weights, with assumptions A2 to A4.

Each density or weight is defined once, by sympy expressions on consecutive intervals. The exact mean of T_m and the
compiled statistic derive their numerical forms from these definitions.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
