"""What the paper publishes: Tables 1 and 2, the networks of Appendix B, the splits and statistics of Appendix C.

Figures are kept as printed (``Decimal``), and everything that follows from them is exact (``Fraction``, `int`): wins,
sign tests, shapes and parameter counts of the networks, the expected sharpness of white noise. Nothing here needs
more than the standard library, so that an experiment can put the paper's figure beside its own.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
