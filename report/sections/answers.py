"""The answers that the page gives first: a verdict on each of the three questions, and what it rests on."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from report.formulas import typeset
from report.sections.experiments import Experiment
from report.sections.ledger import Count, Entry, Ledger
from report.sections.statistic import Studies
from theory.claim import Verdict

#: The verdicts of statements that hold as they are printed.
_HOLDING = (Verdict.PROVED, Verdict.COMPUTED, Verdict.SIMULATED)

#: Statements named in the answer.
MOST = 4


@dataclass(frozen=True)
class Answer:
    """The answer to a question.

    Attributes
    ----------
    question : str
    verdict : Markup
        A few words.
    evidence : Markup
        The figures that it rests on, in sentences; may be empty.
    counts : tuple of Count
        The verdicts on the statements, in the answer that rests on them.
    entries : tuple of Entry
        The statements on which most depends.
    section : str
        The anchor of the section that has the whole of it.
    """

    question: str
    verdict: Markup
    evidence: Markup
    section: str
    counts: tuple[Count, ...] = ()
    entries: tuple[Entry, ...] = ()


def answer_on_theory(ledger: Ledger) -> Answer:
    """Answer whether the theory is right, from the verdicts on its statements."""
    holding = sum(count.number for count in ledger.counts if count.verdict in _HOLDING)
    verdict = (
        f"Yes: all {ledger.total} statements hold as printed"
        if holding == ledger.total
        else f"In part: {holding} of {ledger.total} statements hold as printed"
    )
    doubt = f"{ledger.unexpected} not as recorded. " if ledger.unexpected else ""
    evidence = f"{doubt}Each verdict is a computation that can come out otherwise, and unfolds with its steps."
    return Answer(
        "Is the theory right?",
        typeset(verdict),
        typeset(evidence),
        "ledger",
        ledger.counts,
        ledger.turning_points[:MOST],
    )


def answer_on_limit(studies: Studies) -> Answer:
    """Answer whether the limit holds at the sample sizes in use, from the study of the last one."""
    return Answer("Does the limit hold at these sizes?", studies.verdict, studies.answer, "statistic")


def answer_on_method(ablation: Experiment | None) -> Answer:
    """Answer whether the method works, and why, from the ablation."""
    question = "Does the method work, and why?"
    if ablation is None or ablation.verdict is None:
        remedy = "Train the models that tell by python cli.py reproduce --table ablation."
        return Answer(question, typeset("Not decided: no ablation is at hand"), typeset(remedy), "experiments")
    return Answer(question, ablation.verdict, ablation.evidence, ablation.name)
