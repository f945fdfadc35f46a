"""The Bickel-Rosenblatt statistic T_m: of one sample, and by Monte Carlo."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulations.statistic import tm_statistic
    from simulations.study import Result, SimulationInterrupted, Study, replicate_values, simulate, simulate_studies

_MODULES = {
    "tm_statistic": "statistic",
    "Result": "study",
    "SimulationInterrupted": "study",
    "Study": "study",
    "replicate_values": "study",
    "simulate": "study",
    "simulate_studies": "study",
}

__all__ = [
    "Result",
    "SimulationInterrupted",
    "Study",
    "replicate_values",
    "simulate",
    "simulate_studies",
    "tm_statistic",
]


def __getattr__(name: str) -> Any:
    """Load numba and sympy only when one of the package's names is first used."""
    if name in _MODULES:
        from importlib import import_module

        return getattr(import_module(f"simulations.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
