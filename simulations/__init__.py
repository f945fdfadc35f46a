"""The Bickel-Rosenblatt statistic T_m: of one sample, by Monte Carlo, and as a test of goodness of fit."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
