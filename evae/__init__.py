"""Variational autoencoders with Gaussian and with Epanechnikov noise, as in the paper's Sections 4 and 5.

Names load on first use, so that a wrong option is answered without waiting for torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
