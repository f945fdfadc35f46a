"""The ledger: every claim by its id, the finding on each, and the output formats of findings."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
