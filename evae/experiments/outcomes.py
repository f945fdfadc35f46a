"""The outcomes of the runs of a plan so far, wherever they are trained."""

from __future__ import annotations

from collections.abc import Callable

from evae.configuration.configuration import Configuration
from evae.experiments.callbacks import GridCallback
from evae.experiments.plan import Plan
from evae.experiments.results import Failure, Results, RunRecord


def ignored(results: Results) -> None:
    """Ignore the results."""


class Outcomes:
    """Collects the outcomes of the runs of a plan, and calls a callback for each.

    Parameters
    ----------
    plan : Plan
    callback : GridCallback
    kept : callable
        Called with the results so far whenever a run was trained and evaluated, so that they outlive this process.
    """

    def __init__(self, plan: Plan, callback: GridCallback, kept: Callable[[Results], object] = ignored) -> None:
        self.plan, self.callback = plan, callback
        self._kept = kept
        self._by_name: dict[str | None, RunRecord | Failure] = {}

    def known(self, config: Configuration, record: RunRecord) -> None:
        """Add a run from a file."""
        self._by_name[config.name] = record
        self.callback.on_run_known(record)

    def found(self, config: Configuration, record: RunRecord) -> None:
        """Add a run that was finished in its folder."""
        self._by_name[config.name] = record
        self.callback.on_run_found(record)

    def finished(self, config: Configuration, record: RunRecord) -> None:
        """Add a run that was trained and evaluated."""
        self._by_name[config.name] = record
        self.callback.on_run_end(record)
        self._kept(self.results())

    def failed(self, config: Configuration, reason: str) -> None:
        """Record that a run could not be trained or evaluated."""
        failure = Failure(config.name or "", reason)
        self._by_name[config.name] = failure
        self.callback.on_run_failed(failure)

    @property
    def waiting(self) -> list[Configuration]:
        """The runs without an outcome."""
        return [config for config in self.plan.configurations if config.name not in self._by_name]

    @property
    def progress(self) -> str:
        """The number of finished runs, as the beginning of a sentence."""
        finished = sum(isinstance(outcome, RunRecord) for outcome in self._by_name.values())
        return f"{finished} of the {len(self.plan.configurations)} runs are finished"

    def results(self) -> Results:
        """Return the results so far, in the order of the plan."""
        ordered = [one for config in self.plan.configurations if (one := self._by_name.get(config.name)) is not None]
        return Results(
            self.plan.table,
            self.plan.features,
            tuple(one for one in ordered if isinstance(one, RunRecord)),
            tuple(one for one in ordered if isinstance(one, Failure)),
            tuple(config.name or "" for config in self.waiting),
        )
