"""One self-contained page that tells the story: the ledger, the simulation studies, the tables, the pictures."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from report.making import Contents, make_page
    from report.page import Page

_MODULES = {"Contents": "making", "Page": "page", "make_page": "making"}

__all__ = ["Contents", "Page", "make_page"]


def __getattr__(name: str) -> Any:
    """Load what a page is made with only when it is made."""
    if name in _MODULES:
        from importlib import import_module

        return getattr(import_module(f"report.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
