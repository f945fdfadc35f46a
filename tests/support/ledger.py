"""The paper's ledger, decided once for all tests and all processes that test."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import pytest
from filelock import FileLock

from foundation.processes import count_usable_cores
from theory.ledger import parallel
from theory.ledger.finding import Finding
from theory.ledger.registry import claims, verify

T = TypeVar("T")

#: Seconds for a claim, on a machine that does other work too; each takes a few.
PATIENCE = 600.0


def decide_once(folder: Path) -> Mapping[str, Finding]:
    """Return the finding on what is printed for every claim, by its id; the first process leaves them in ``folder``."""
    path = folder / "findings.pickle"
    with FileLock(folder / "findings.lock"):
        if not path.is_file():
            requests = [parallel.ClaimRequest(name) for name in claims()]
            path.write_bytes(pickle.dumps(parallel.decide(requests, count_usable_cores(), PATIENCE)))
    return {finding.claim.id: finding for finding in pickle.loads(path.read_bytes())}


@contextlib.contextmanager
def deciding_here() -> Iterator[None]:
    """Decide claims and assess kernels in this process, which has sympy loaded, until the end of the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "decide", _decide)
        patch.setattr(parallel, "run_within", _run_within)
        yield


def _decide(
    requests: Iterable[parallel.ClaimRequest],
    _jobs: int,
    _time_limit: float = PATIENCE,
    progress: Callable[[Finding], object] = lambda _: None,
) -> list[Finding]:
    findings = []
    for request in requests:
        findings.append(verify(request.claim_id, request.assumed))
        progress(findings[-1])
    return findings


def _run_within(_time_limit: float, function: Callable[..., T], *arguments: object) -> T:
    return function(*arguments)
