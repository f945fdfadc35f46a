"""Feature networks and the Fréchet distance of features: Inception for FID, and two networks without download."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
