"""The ledger: every claim by its id, the finding on each, and the forms in which findings are shown."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
