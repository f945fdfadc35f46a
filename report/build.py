"""Making the page: the claims are decided, T_m is simulated, results and runs are looked up."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from foundation.errors import InputError
from foundation.processes import usable_cores
from report.page import Page
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
    """What a page is to show.

    Parameters
    ----------
    sizes : sequence of int
        The m at which T_m is simulated, each once.
    replicates, seed : int
        Of each study.
    results : sequence of Path
        Files that ``reproduce`` wrote; without any, those that are found in ``runs_dir`` or come with the project.
    runs : sequence of Path
        Folders of trained runs; without any, the one that comes with the project.
    runs_dir : str or Path
    data_dir : str or Path, optional
        Where the data of ``runs`` are, if not where they were in training.
    """

    sizes: Sequence[int] = SIZES
    replicates: int = 10_000
    seed: int = 0
    results: Sequence[Path] = ()
    runs: Sequence[Path] = ()
    runs_dir: str | Path = "runs"
    data_dir: str | Path | None = None

    def studies(self) -> list[Study]:
        """Return what is simulated; an `InputError` where that cannot be."""
        if self.replicates == 1:
            raise InputError("--replicates must be at least 2 for a report: one replicate has no standard error.")
        return studies_at(self.sizes, replicates=self.replicates, seed=self.seed)

    def experiments(self) -> tuple[Experiment, ...]:
        """Lay out the results; an `InputError` where a file is missing or damaged, or a table is there twice."""
        found = tuple(map(experiment_of, self.results or results_files(Path(self.runs_dir))))
        names = [experiment.name for experiment in found]
        for number, name in enumerate(names):
            if name in names[:number]:
                again = found[number].source
                raise InputError(f"--results {again} holds {name}, as another file does. Give one of them.")
        return found

    def albums(self) -> tuple[Album, ...]:
        """Open the runs; an `InputError` where one is missing or damaged."""
        own = [OWN_RUN] if OWN_RUN.is_dir() else []
        return tuple(album_of(run, self.data_dir) for run in self.runs or own)


def make_page(
    contents: Contents | None = None,
    *,
    command: str = "report.make_page()",
    jobs: int | None = None,
    decided: Callable[[str], None] = lambda _: None,
    display: Callable[[Study], AbstractContextManager[Progress]] = lambda _: nullcontext(lambda _: None),
) -> Page:
    """Gather everything that the page shows.

    It starts processes: a script calls it under ``if __name__ == "__main__":``.

    Parameters
    ----------
    contents : Contents, optional
    command : str
        What the page says it was made by.
    jobs : int, optional
        Claims that are decided, and threads that simulate, at the same time; by default one for each core.
    decided : function
        Called with the id of each claim that was decided.
    display : function
        Gives, for a study, a context in which its progress is shown.

    Raises
    ------
    InputError
        If a file or a run is missing or damaged. What can be wrong with the input is seen before the work begins.
    """
    contents = contents or Contents()
    studies, experiments, albums = contents.studies(), contents.experiments(), contents.albums()
    requests = [workers.Request(name, None) for name in ledger.claims()]
    findings = workers.decide(requests, jobs or usable_cores(), progress=lambda finding: decided(finding.claim.id))
    results = list(simulate_studies(studies, workers=jobs, display=display))
    return Page(
        command=command,
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        ledger=ledger_of([with_evidence(finding) for finding in findings]),
        theory=tuple(theory_drawings()),
        studies=studies_of(results),
        experiments=experiments,
        albums=albums,
    )
