"""Data sets as uint8 tensors of shape (N, C, S, S), at the resolution of Appendix B's networks.

`load` reads one as `ImageData`, `load_labels` its class labels as `Labels`. Names are loaded on first use, so that the
processes that decode images do not import torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
