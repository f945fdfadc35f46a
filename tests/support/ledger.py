"""The paper's ledger, decided once for all tests and all processes that test."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock

from foundation.processes import count_usable_cores
from theory.ledger import parallel
from theory.ledger.finding import Finding
from theory.ledger.registry import claims

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
