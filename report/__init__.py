"""One self-contained page that tells the story: the ledger, the simulation studies, the tables, the pictures."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from report.page import Page, write_page

__all__ = ["Page", "write_page"]


def __getattr__(name: str) -> Any:
    """Load what a page is made with only when it is made."""
    if name in __all__:
        from importlib import import_module

        return getattr(import_module("report.page"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
