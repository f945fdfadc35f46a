"""The Bickel-Rosenblatt statistic T_m: of one sample, by Monte Carlo, and as a test of goodness of fit."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulations.goodness_of_fit import GoodnessOfFit, bickel_rosenblatt_test
    from simulations.statistic import tm_statistic
    from simulations.study import (
        Result,
        SimulationInterrupted,
        SimulationStopped,
        Study,
        replicate_values,
        simulate,
        simulate_studies,
    )

_MODULES = {
    "GoodnessOfFit": "goodness_of_fit",
    "bickel_rosenblatt_test": "goodness_of_fit",
    "tm_statistic": "statistic",
    "Result": "study",
    "SimulationInterrupted": "study",
    "SimulationStopped": "study",
    "Study": "study",
    "replicate_values": "study",
    "simulate": "study",
    "simulate_studies": "study",
}

__all__ = [
    "GoodnessOfFit",
    "Result",
    "SimulationInterrupted",
    "SimulationStopped",
    "Study",
    "bickel_rosenblatt_test",
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
