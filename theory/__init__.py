"""What the paper claims and what is true of it."""

from typing import TYPE_CHECKING, Any

from theory.errors import InputError

if TYPE_CHECKING:
    from theory.claim import Claim, Verdict
    from theory.ledger import Finding, verify

__all__ = ["Claim", "Finding", "InputError", "Verdict", "verify"]


def __getattr__(name: str) -> Any:
    """Load the ledger, and sympy with it, only when one of its names is first used."""
    if name in __all__:
        from theory import ledger

        return getattr(ledger, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
