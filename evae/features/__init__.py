"""Features of images and the Fréchet distance between their laws: Inception's for FID, and two others' without it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
