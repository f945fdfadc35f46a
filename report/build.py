"""Construction of the page: deciding the claims, simulating T_m, reading results and runs."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from foundation.errors import InputError
from foundation.processes import count_usable_cores
from report.page import Page
from report.sections.asymptotics import OWN_RECORD, asymptotics_of
from report.sections.experiments import Experiment, experiment_of, results_files
from report.sections.ledger import ledger_of
from report.sections.pictures import OWN_RUN, Album, album_of
from report.sections.statistic import studies_of
from report.sections.theory import theory_drawings
from simulations.evidence import with_evidence
from simulations.study.convergence import studies_at
from simulations.study.simulate import Progress, simulate_studies
from simulations.study.study import Study
from theory import ledger
from theory.ledger import parallel as workers

#: The sample sizes at which T_m is simulated.
SIZES = (100, 1_000, 10_000, 100_000)


@dataclass(frozen=True)
class Contents:
    """The inputs of a page.

    Parameters
    ----------
    sizes : sequence of int
        The sample sizes m at which T_m is simulated, without duplicates.
    replicates, seed : int
        Of each study.
    results : sequence of Path
        Files that ``reproduce`` wrote; by default those in ``runs_dir``, or else the project's.
    runs : sequence of Path
        Folders of trained runs; by default the one included in the project.
    runs_dir : str or Path
    data_dir : str or Path, optional
        The data folder of ``runs``, if it differs from that in training.
    """

    sizes: Sequence[int] = SIZES
    replicates: int = 10_000
    seed: int = 0
    results: Sequence[Path] = ()
    runs: Sequence[Path] = ()
    runs_dir: str | Path = "runs"
    data_dir: str | Path | None = None

    def studies(self) -> list[Study]:
        """Return the studies to simulate; raise an `InputError` if they are invalid."""
        if self.replicates == 1:
            raise InputError("--replicates must be at least 2 for a report: one replicate has no standard error.")
        return studies_at(self.sizes, replicates=self.replicates, seed=self.seed)

    def experiments(self) -> tuple[Experiment, ...]:
        """Read the results; raise an `InputError` if a file is missing or damaged, or two files hold the same table."""
        found = tuple(map(experiment_of, self.results or results_files(Path(self.runs_dir))))
        names = [experiment.name for experiment in found]
        for number, name in enumerate(names):
            if name in names[:number]:
                again = found[number].source
                raise InputError(f"--results {again} holds {name}, as another file does. Give one of them.")
        return found

    def albums(self) -> tuple[Album, ...]:
        """Read the runs; raise an `InputError` if one is missing or damaged."""
        own = [OWN_RUN] if OWN_RUN.is_dir() else []
        return tuple(album_of(run, self.data_dir, number) for number, run in enumerate(self.runs or own, 1))


def make_page(
    contents: Contents | None = None,
    *,
    command: str = "report.make_page()",
    jobs: int | None = None,
    decided: Callable[[str], None] = lambda _: None,
    display: Callable[[Study], AbstractContextManager[Progress]] = lambda _: nullcontext(lambda _: None),
) -> Page:
    """Compute and read everything that the page shows.

    This starts processes, so a script must call it under ``if __name__ == "__main__":``.

    Parameters
    ----------
    contents : Contents, optional
    command : str
        The command that the page names as its source.
    jobs : int, optional
        Number of claims decided in parallel, and of threads that simulate; by default one for each core.
    decided : function
        Called with the id of each decided claim.
    display : function
        Returns, for a study, a context manager that displays its progress.

    Raises
    ------
    InputError
        If a file or a run is missing or damaged. All inputs are checked before the computation.
    """
    contents = contents or Contents()
    # The results take longest to read, so they come last.
    studies, albums, experiments = contents.studies(), contents.albums(), contents.experiments()
    asymptotics = asymptotics_of(OWN_RECORD) if OWN_RECORD.is_file() else None
    requests = [workers.ClaimRequest(name, None) for name in ledger.claims()]
    findings = workers.decide(
        requests, jobs or count_usable_cores(), progress=lambda finding: decided(finding.claim.id)
    )
    results = list(simulate_studies(studies, workers=jobs, display=display))
    return Page(
        command=command,
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        ledger=ledger_of([with_evidence(finding) for finding in findings]),
        theory=tuple(theory_drawings()),
        studies=studies_of(results),
        asymptotics=asymptotics,
        experiments=experiments,
        albums=albums,
    )
