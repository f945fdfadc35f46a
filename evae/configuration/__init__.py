"""What a training run is asked to do. Imports nothing heavy: a bad option is answered at once."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
