"""What the results of a table say, whichever table it is."""

from __future__ import annotations

from evae.experiments.ablation import ablation_report
from evae.experiments.paper_tables import paper_report
from evae.experiments.results import Results
from evae.experiments.tables import Report
from foundation.errors import InputError


def report(results: Results) -> Report:
    """Return what the results say.

    Raises
    ------
    InputError
        If no run was finished.
    """
    if not results.records:
        raise InputError("no run was finished, so that there is nothing to compare.")
    return ablation_report(results) if results.table == "ablation" else paper_report(results)
