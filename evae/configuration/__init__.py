"""Configuration of a training run. Imports are light, so that an invalid option is rejected at once."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
