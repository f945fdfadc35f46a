"""Stand-ins for loggers that are not installed, with the calls that the documentation makes of them.

The parameters are named as theirs, so that a call that they would refuse is refused here.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any


class Loggers:
    """The modules ``wandb`` and ``mlflow``, and what they were told.

    Attributes
    ----------
    metrics : list of (str, int, dict)
        The run, the step and the values of each call.
    options : dict
        The options of each run by its name.
    open, closed : list of str
        The runs that were begun and not ended, and those that were ended, with how.
    """

    def __init__(self) -> None:
        self.metrics: list[tuple[str, int, dict[str, float]]] = []
        self.options: dict[str, dict[str, Any]] = {}
        self.open: list[str] = []
        self.closed: list[tuple[str, str]] = []

    @property
    def modules(self) -> dict[str, types.ModuleType]:
        """The modules by name."""
        wandb, mlflow = types.ModuleType("wandb"), types.ModuleType("mlflow")
        wandb.init = self._init  # type: ignore[attr-defined]
        for name in ("start_run", "log_params", "log_metrics", "end_run"):
            setattr(mlflow, name, getattr(self, f"_{name}"))
        return {"wandb": wandb, "mlflow": mlflow}

    def _init(self, *, name: str, config: Mapping[str, Any], reinit: str) -> types.SimpleNamespace:
        # By default a second run ends the first one.
        assert reinit == "create_new"
        self._start_run(run_name=name)
        self.options[name] = dict(config)

        def log(data: dict[str, float], step: int) -> None:
            self._add(name, step, data)

        return types.SimpleNamespace(log=log, finish=lambda: self._end(name, "FINISHED"))

    def _start_run(self, *, run_name: str) -> None:
        self.open.append(run_name)

    def _log_params(self, params: Mapping[str, Any]) -> None:
        self.options[self.open[-1]] = dict(params)

    def _log_metrics(self, metrics: dict[str, float], step: int) -> None:
        self._add(self.open[-1], step, metrics)

    def _end_run(self, status: str = "FINISHED") -> None:
        assert status in ("FINISHED", "FAILED", "KILLED")
        self._end(self.open[-1], status)

    def _add(self, name: str, step: int, values: dict[str, float]) -> None:
        assert name in self.open
        assert all(isinstance(value, float) for value in values.values())
        self.metrics.append((name, step, values))

    def _end(self, name: str, status: str) -> None:
        self.open.remove(name)
        self.closed.append((name, status))
