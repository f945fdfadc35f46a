"""Claims are decided in separate processes, and none is waited for without end."""

from __future__ import annotations

import math
import os
import signal
import threading
import time

import pytest

from foundation.errors import InputError
from theory.claim import Verdict
from theory.ledger import parallel as workers
from theory.ledger.finding import Finding
from theory.ledger.parallel import ClaimRequest
from theory.ledger.registry import verify


def test_findings_come_back_in_the_order_asked_for_and_equal_those_made_here() -> None:
    requests = [
        ClaimRequest("lemma-3.2.minimum", "4/(5*r)"),
        ClaimRequest("algorithm-2.median"),
        ClaimRequest("lemma-3.2.minimum"),
    ]
    seen: list[str] = []
    findings = workers.decide(requests, jobs=2, progress=lambda finding: seen.append(finding.claim.id))
    assert [f.decision for f in findings] == [verify(r.claim_id, r.assumed).decision for r in requests]
    assert sorted(seen) == sorted(request.claim_id for request in requests)


def test_a_claim_out_of_time_is_undecided_and_the_others_continue() -> None:
    requests = [ClaimRequest("kernel.gaussian-a1"), ClaimRequest("lemma-3.2.minimum")]
    findings = workers.decide(requests, jobs=1, time_limit=0.001)
    assert [finding.verdict for finding in findings] == [Verdict.UNDECIDED] * 2
    assert "more than 0.001 seconds" in findings[0].evidence[0].detail


def test_a_claim_whose_process_is_killed_is_undecided() -> None:
    def kill_first_child() -> None:
        while not (children := child_processes()):
            time.sleep(0.01)
        os.kill(children[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_first_child)
    killer.start()
    (finding,) = workers.decide([ClaimRequest("kernel.gaussian-a1")], jobs=1)
    killer.join()
    assert finding.verdict is Verdict.UNDECIDED
    assert "exit code -9" in finding.evidence[0].detail


def child_processes() -> list[int]:
    import multiprocessing

    return [child.pid for child in multiprocessing.active_children() if child.pid]


def test_what_takes_too_long_is_ended_and_what_fails_is_told() -> None:
    start = time.monotonic()
    with pytest.raises(InputError, match=r"within 0\.5 seconds"):
        workers.run_within(0.5, time.sleep, 60)
    assert time.monotonic() - start < 20
    assert workers.run_within(60, max, 2, 3) == 3
    with pytest.raises(ValueError, match=r"math domain error|expected a nonnegative"):
        workers.run_within(60, math.sqrt, -1)


def test_bad_input_is_refused_before_anything_is_decided() -> None:
    decided: list[Finding] = []
    requests = [ClaimRequest("lemma-3.2.minimum"), ClaimRequest("lemma-3.2.minimum", "4/")]
    with pytest.raises(InputError):
        workers.decide(requests, 1, progress=decided.append)
    assert not decided
