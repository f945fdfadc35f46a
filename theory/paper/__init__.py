"""Data published in the paper: Tables 1 and 2, the networks of Appendix B, the splits and statistics of Appendix C.

Figures are stored as printed (``Decimal``), and everything derived from them is exact (``Fraction``, `int`): wins, sign
tests, shapes and parameter counts of the networks, the expected sharpness of white noise. The package uses only the
standard library, so that experiments can import the paper's figures cheaply.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
