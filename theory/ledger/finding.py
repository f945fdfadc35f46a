"""Findings on claims, with their output as a table, JSON, Markdown, LaTeX and step-by-step explanations."""

from __future__ import annotations

import io
import platform
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from foundation.terminal import create_console, fit_columns
from foundation.typography import format_latex, format_markdown, format_symbols
from theory.algebra import expressions
from theory.algebra.evidence import Evidence
from theory.claim import Claim, Decision, Verdict


@dataclass(frozen=True)
class Finding:
    """A claim with the decision on its printed datum, or on a datum assumed in its place.

    Attributes
    ----------
    claim : Claim
    assumed : str, optional
        The datum that was decided in place of the printed one.
    decision : Decision
    seconds : float
        Wall-clock time of the decision.
    """

    claim: Claim
    assumed: str | None
    decision: Decision
    seconds: float

    @property
    def printed(self) -> str:
        """The datum that was decided."""
        return self.claim.printed if self.assumed is None else self.assumed

    @property
    def verdict(self) -> Verdict:
        """The outcome for the statement."""
        return self.decision.verdict

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """The steps, in order."""
        return self.decision.evidence

    @property
    def as_expected(self) -> bool:
        """Whether the verdict is the recorded one, or pending where a simulation is expected to give it."""
        waits = self.verdict is Verdict.PENDING and self.claim.expected is Verdict.SIMULATED
        return waits or self.verdict is self.claim.expected

    def __str__(self) -> str:
        return plain_text(self)

    def _repr_markdown_(self) -> str:
        """Return the explanation in Markdown, for display in a notebook."""
        return markdown([self], explain=True)


STYLES = {
    Verdict.PROVED: "green",
    Verdict.ERRATUM: "yellow",
    Verdict.REFUTED: "red",
    Verdict.CONDITIONAL: "cyan",
    Verdict.COMPUTED: "blue",
    Verdict.SIMULATED: "magenta",
    Verdict.PENDING: "dim",
    Verdict.UNDECIDED: "bold red",
}

_PACKAGES = ("epanechnikov-vae", "sympy", "mpmath", "python-flint", "numpy", "scipy")


def summary(findings: Iterable[Finding]) -> dict[str, int]:
    """Count the findings of each verdict, in the order of `Verdict`.

    Examples
    --------
    >>> from theory.ledger import select, verify
    >>> summary(verify(claim.id) for claim in select(["algorithm-2"]))
    {'proved': 2}
    """
    counts = Counter(finding.verdict for finding in findings)
    return {verdict.value: counts[verdict] for verdict in Verdict if counts[verdict]}


def sort_unexpected_first(findings: Sequence[Finding]) -> list[Finding]:
    """Sort the findings stably, those whose verdict differs from the recorded one first."""
    return sorted(findings, key=lambda finding: finding.as_expected)


def document(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the findings as the JSON document written by ``--json``."""
    return {
        "claims": [_entry(finding) for finding in sort_unexpected_first(findings)],
        "summary": summary(findings),
        "versions": versions(_PACKAGES),
    }


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of Python and of installed packages by name."""
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def _entry(finding: Finding) -> dict[str, Any]:
    claim, decision = finding.claim, finding.decision
    return {
        "id": claim.id,
        "source": claim.source,
        "statement": claim.statement,
        "printed": finding.printed,
        "verdict": decision.verdict.value,
        "expected": claim.expected.value,
        "method": decision.method,
        "corrected": decision.corrected,
        "charitable": decision.charitable,
        "evidence": [{"step": e.statement, "holds": e.holds, "detail": e.detail} for e in decision.evidence],
        "seconds": round(finding.seconds, 3),
    }


def list_document(claims: Iterable[Claim]) -> dict[str, Any]:
    """Return undecided claims as the JSON document written by ``--list --json``."""
    fields = ("id", "source", "statement", "printed")
    return {
        "claims": [
            {**{name: getattr(claim, name) for name in fields}, "expected": claim.expected.value} for claim in claims
        ]
    }


def claim_list(claims: Iterable[Claim]) -> RenderableType:
    """Return a table of undecided claims: id, source and statement."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("claim", no_wrap=True)
    table.add_column("source and statement", overflow="fold")
    rows = [
        (Text(claim.id, style="bold"), Text(format_symbols(f"{claim.source}: {claim.statement}"))) for claim in claims
    ]
    for row in rows:
        table.add_row(*row)
    return fit_columns(rows, table)


def table(findings: Sequence[Finding]) -> RenderableType:
    """Return the findings as a table, with the summary below it."""
    columns = Table(box=None, padding=(0, 2, 0, 0))
    columns.add_column("claim", no_wrap=True)
    columns.add_column("verdict", no_wrap=True)
    columns.add_column("statement", overflow="fold")
    rows = []
    for finding in sort_unexpected_first(findings):
        name, cell = Text(finding.claim.id, style="bold"), _cell(finding)
        columns.add_row(name, _verdict(finding), cell)
        rows.append((Text.assemble(name, "  ", _verdict(finding)), cell))
    return Group(fit_columns(rows, columns), Text(), _summary_line(findings))


def _verdict(finding: Finding) -> Text:
    return Text(finding.verdict.value, style=STYLES[finding.verdict])


def _cell(finding: Finding) -> Text:
    text = Text(format_symbols(finding.claim.statement))
    if finding.assumed is not None:
        text.append(f"\nassumed: {finding.assumed}", style="italic")
    if not finding.as_expected:
        text.append(f"\nrecorded: {finding.claim.expected.value}", style="bold red")
    if finding.verdict is not Verdict.PROVED and finding.decision.corrected:
        text.append(f"\nholds: {format_symbols(finding.decision.corrected)}", style="dim")
    return text


def _summary_line(findings: Sequence[Finding]) -> Text:
    counts = ", ".join(f"{count} {verdict}" for verdict, count in summary(findings).items())
    unexpected = sum(not finding.as_expected for finding in findings)
    line = Text(f"{len(findings)} {'claim' if len(findings) == 1 else 'claims'}: {counts}.")
    if unexpected:
        line.append(f" {unexpected} not as recorded.", style="bold red")
    return line


def explanation(finding: Finding) -> RenderableType:
    """Return one finding with every step of its proof or refutation."""
    claim, decision = finding.claim, finding.decision
    head = Text(claim.id, style="bold")
    head.append("  ")
    head.append(_verdict(finding))
    if not finding.as_expected:
        head.append(f"  (recorded: {claim.expected.value})", style="bold red")
    lines: list[RenderableType] = [head]
    lines += [_field("source", claim.source), _field("statement", format_symbols(claim.statement))]
    # The datum that was decided: the paper's, or what --assume put in its place.
    label = "printed" if finding.assumed is None else "assumed"
    lines += [
        _field(label, f"{finding.printed}   ({format_symbols(claim.meaning)})"),
        _field("method", format_symbols(decision.method)),
    ]
    if claim.assumptions:
        lines.append(_field("for", format_symbols(claim.assumptions)))
    lines.append(_steps(decision.evidence))
    if decision.corrected:
        lines.append(_field("what holds", format_symbols(decision.corrected)))
    if decision.charitable:
        lines.append(_field("charitably", format_symbols(decision.charitable)))
    return Group(*lines, Text())


def plain_text(finding: Finding, width: int = 100) -> str:
    """Return the explanation of one finding as plain text, without colours."""
    stream = io.StringIO()
    create_console(file=stream, width=width, color_system=None).print(explanation(finding))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()).rstrip()


def _steps(evidence: Sequence[Evidence]) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(justify="right")
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for number, step in enumerate(evidence, start=1):
        mark = Text("holds", style="green") if step.holds else Text("fails", style="red")
        text = Text(format_symbols(step.statement))
        text.append(f"\n{format_symbols(step.detail)}", style="dim")
        grid.add_row(f"{number}.", mark, text)
    return Padding(grid, (0, 0, 0, 4))


def _field(name: str, text: str) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=11, style="italic", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(name, Text(text))
    return Padding(grid, (0, 0, 0, 2))


def markdown(findings: Sequence[Finding], explain: bool = False) -> str:
    """Return the findings as a Markdown table, or, with ``explain``, as one section per finding with its steps."""
    if explain:
        return "\n".join(_markdown_section(finding) for finding in sort_unexpected_first(findings))
    lines = ["| claim | verdict | statement | what holds |", "|---|---|---|---|"]
    for finding in sort_unexpected_first(findings):
        texts = (finding.claim.statement, finding.decision.corrected or "")
        cells = (f"`{finding.claim.id}`", _markdown_verdict(finding), *map(_markdown_text, texts))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"{_summary_line(findings).plain}", ""])


def _markdown_section(finding: Finding) -> str:
    claim, decision = finding.claim, finding.decision
    lines = [
        f"## `{claim.id}`: {_markdown_verdict(finding)}",
        "",
        f"*{claim.source}.* {_markdown_text(claim.statement)}",
        "",
        f"{'Printed' if finding.assumed is None else 'Assumed'}: `{finding.printed}` "
        f"({_markdown_text(claim.meaning)}). Method: {_markdown_text(decision.method + _for(claim))}.",
        "",
    ]
    for number, evidence in enumerate(decision.evidence, start=1):
        mark = "holds" if evidence.holds else "**fails**"
        lines.append(f"{number}. {mark}: {_markdown_text(evidence.statement)} {_markdown_text(evidence.detail)}")
    lines.append("")
    for label, text in (("What holds", decision.corrected), ("Charitably", decision.charitable)):
        if text:
            lines += [f"{label}: {_markdown_text(text)}.", ""]
    return "\n".join(lines)


def _markdown_verdict(finding: Finding) -> str:
    verdict = finding.verdict.value
    return verdict if finding.as_expected else f"**{verdict}** (recorded: {finding.claim.expected.value})"


def _markdown_text(text: str) -> str:
    return format_markdown(format_symbols(text.replace("\n", " ")))


def latex(findings: Sequence[Finding], explain: bool = False) -> str:
    """Return the findings as a complete LaTeX document."""
    body = "\n".join(_latex_section(finding, explain) for finding in sort_unexpected_first(findings))
    return (
        "\\documentclass{article}\n\\usepackage[T1]{fontenc}\n\\usepackage[utf8]{inputenc}\n"
        "\\usepackage{amsmath,amssymb}\n\\usepackage[margin=2.5cm]{geometry}\n\\setlength{\\parindent}{0pt}\n"
        "\\sloppy\n\\begin{document}\n\\section*{The ledger of claims}\n"
        f"{format_latex(_summary_line(findings).plain)}\n\n{body}\n\\end{{document}}\n"
    )


def _latex_section(finding: Finding, explain: bool) -> str:
    claim, decision = finding.claim, finding.decision
    verdict = (
        finding.verdict.value if finding.as_expected else f"{finding.verdict.value}, recorded {claim.expected.value}"
    )
    # The datum is parsed and typeset, so that a reader sees what the program understood.
    label = "Printed" if finding.assumed is None else "Assumed"
    lines = [
        f"\\subsection*{{\\texttt{{{format_latex(claim.id)}}} \\hfill {verdict}}}",
        f"\\emph{{{format_latex(claim.source)}.}} {format_latex(claim.statement)}.\\par",
        f"{label}: $\\displaystyle {expressions.format_latex(claim.parse(finding.printed))}$ "
        f"({format_latex(claim.meaning)}). "
        f"Decided by {format_latex(decision.method)}"
        f"{format_latex(_for(claim))}.",
    ]
    if explain:
        lines += ["\\begin{enumerate}", *(_latex_step(step) for step in decision.evidence), "\\end{enumerate}"]
    for name, text in (("What holds", decision.corrected), ("Charitably", decision.charitable)):
        if text:
            lines.append(f"\\par\\textbf{{{name}:}} {format_latex(text)}.")
    return "\n".join(lines)


def _for(claim: Claim) -> str:
    return f", for {claim.assumptions}" if claim.assumptions else ""


def _latex_step(evidence: Evidence) -> str:
    mark = "" if evidence.holds else "\\textbf{Fails:} "
    return f"\\item {mark}{format_latex(evidence.statement)}\\par{{\\small {format_latex(evidence.detail)}\\par}}"
