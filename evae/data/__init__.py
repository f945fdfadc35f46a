"""Data sets as uint8 tensors of shape (N, C, S, S), at the resolution of Appendix B's networks.

`load` reads one, `load_labels` its class labels, as `ImageData` and `Labels`. Names load on first use: the processes
that decode images do not wait for torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
