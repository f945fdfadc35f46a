"""Section on the ledger: every claim with its verdict, the steps of its proof, and the command that decides it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from markupsafe import Markup

from report.formulas import formulas, typeset
from theory.claim import Verdict
from theory.ledger.finding import Finding, summary
from theory.ledger.registry import claims

#: The most important claims, which the page shows first, in this order.
TURNING_POINTS = (
    "lemma-3.2.unique",
    "lemma-2.1.bound",
    "eq-6.bound",
    "eq-6.collapse",
    "section-4.uniform-prior",
    "section-4.b-stabilises",
    "table.wins-fid",
    "binomial.conclusion",
    "beyond.exact-kl-evae",
)

#: The meaning of each verdict, in words for the reader.
MEANINGS = {
    Verdict.PROVED: "true as printed",
    Verdict.ERRATUM: "false as printed; a small correction saves it",
    Verdict.REFUTED: "false, with a counterexample",
    Verdict.CONDITIONAL: "true only under an assumption that the paper does not state or meet",
    Verdict.COMPUTED: "confirmed numerically, without a proof",
    Verdict.SIMULATED: "supported by a seeded simulation",
    Verdict.PENDING: "waits for a simulation",
    Verdict.UNDECIDED: "neither proved nor refuted by the means at hand",
}

_GROUPS = (
    ("lemma-2.1", "Lemma 2.1: the divergence and its quadratic bound"),
    ("kernel", "Kernels"),
    ("lemma-3.2", "Lemma 3.2: the optimal kernel"),
    ("theorem-3.1", "Theorem 3.1: the statistic T_m"),
    ("eq", "Equations"),
    ("algorithm", "Algorithms"),
    ("section", "What the sections say"),
    ("table", "Tables 1 and 2"),
    ("binomial", "The tables' statistics"),
    ("appendix", "Appendices"),
    ("beyond", "Beyond the paper"),
)


@dataclass(frozen=True)
class Step:
    """One step of a proof or a refutation, typeset."""

    holds: bool
    text: Markup
    detail: Markup


@dataclass(frozen=True)
class Entry:
    """A claim as the page shows it.

    Attributes
    ----------
    id, source : str
    verdict : str
    as_expected : bool
    recorded : str
        The recorded verdict.
    statement, meaning, method, condition, holds, charitable : Markup
        Typeset text, possibly empty.
    printed : Markup
        The decided formula, as MathML.
    spelled : str
        The same formula as text that sympy parses.
    steps : tuple of Step
    command : str
        The command that decides this claim alone.
    words : str
        Text for the search.
    """

    id: str
    source: str
    verdict: str
    as_expected: bool
    recorded: str
    statement: Markup
    meaning: Markup
    method: Markup
    condition: Markup
    holds: Markup
    charitable: Markup
    printed: Markup
    spelled: str
    steps: tuple[Step, ...]
    command: str
    words: str

    @property
    def anchor(self) -> str:
        """The id of the claim on the page."""
        return f"claim-{self.id}"


@dataclass(frozen=True)
class Group:
    """Claims on one part of the paper."""

    title: Markup
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Count:
    """The number of claims with a verdict, and its meaning."""

    verdict: str
    meaning: str
    number: int


@dataclass(frozen=True)
class Ledger:
    """The ledger in the form that the page shows."""

    groups: tuple[Group, ...]
    counts: tuple[Count, ...]
    turning_points: tuple[Entry, ...]

    @property
    def total(self) -> int:
        """The number of claims."""
        return sum(count.number for count in self.counts)

    @property
    def unexpected(self) -> int:
        """The number of claims whose verdict is not the recorded one."""
        return sum(not entry.as_expected for group in self.groups for entry in group.entries)


def ledger_of(findings: Sequence[Finding]) -> Ledger:
    """Convert findings to the form that the page shows, in the order of the paper's parts."""
    entries = {finding.claim.id: _entry(finding) for finding in findings}
    groups = []
    for prefix, title in _GROUPS:
        chosen = tuple(entry for name, entry in entries.items() if name.startswith(prefix))
        if chosen:
            groups.append(Group(typeset(title), chosen))
    counts = (Count(verdict, MEANINGS[Verdict(verdict)], number) for verdict, number in summary(findings).items())
    turning = tuple(entries[name] for name in TURNING_POINTS if name in entries)
    return Ledger(tuple(groups), tuple(counts), turning)


def _linked(text: str) -> Markup:
    """Typeset a text of the ledger, with links to the claims that it names."""
    return Markup(_claim_names().sub(r'<a href="#claim-\1">\1</a>', str(typeset(text))))


@cache
def _claim_names() -> re.Pattern[str]:
    names = sorted(claims(), key=len, reverse=True)
    return re.compile(rf"(?<![\w.-])({'|'.join(map(re.escape, names))})(?![\w-])")


def _entry(finding: Finding) -> Entry:
    claim, decision = finding.claim, finding.decision
    steps = tuple(Step(step.holds, _linked(step.statement), _linked(step.detail)) for step in decision.evidence)
    # What the page's search looks through, in lower case.
    texts = (claim.id, claim.source, claim.statement, decision.method, decision.corrected or "")
    simulated = finding.verdict is Verdict.SIMULATED
    return Entry(
        id=claim.id,
        source=claim.source,
        verdict=finding.verdict.value,
        as_expected=finding.as_expected,
        recorded=claim.expected.value,
        statement=typeset(claim.statement),
        meaning=typeset(claim.meaning),
        method=_linked(decision.method),
        condition=typeset(claim.assumptions),
        holds=_linked(decision.corrected or ""),
        charitable=_linked(decision.charitable or ""),
        printed=formulas(claim.parse(finding.printed)),
        spelled=finding.printed,
        steps=steps,
        command=f"python cli.py verify-lemmas {claim.id} --explain" + (" --with-simulations" if simulated else ""),
        words=" ".join(texts).lower(),
    )
