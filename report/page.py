"""The page: its content, and its rendering as one HTML file."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from report.elements import Drawing
from report.formulas import plain, typeset
from report.sections.answers import Answer, answer_on_limit, answer_on_method, answer_on_theory
from report.sections.asymptotics import Asymptotics
from report.sections.experiments import Experiment
from report.sections.ledger import Ledger
from report.sections.pictures import Album
from report.sections.statistic import Studies
from theory.ledger.finding import versions

#: The page's rules for browsers: nothing is fetched, and no script runs but the page's own, known by its hash.
_POLICY = (
    "default-src 'none'; script-src '{script}'; style-src-elem '{style}'; style-src-attr 'unsafe-inline'; "
    "img-src data:; base-uri 'none'; form-action 'none'"
)

_PACKAGES = ("epanechnikov-vae", "sympy", "python-flint", "numba", "numpy", "scipy", "torch", "matplotlib")


@dataclass(frozen=True)
class Page:
    """Everything that the page shows.

    Attributes
    ----------
    command : str
        The command that makes it.
    date : str
        Date of creation, as ``2026-11-24``.
    ledger : Ledger
    theory : tuple of Drawing
        Figures that illustrate the claims.
    studies : Studies
    asymptotics : Asymptotics or None
        None without the project's record.
    experiments : tuple of Experiment
    albums : tuple of Album
    """

    command: str
    date: str
    ledger: Ledger
    theory: tuple[Drawing, ...]
    studies: Studies
    asymptotics: Asymptotics | None
    experiments: tuple[Experiment, ...]
    albums: tuple[Album, ...]

    @property
    def ablation(self) -> Experiment | None:
        """The ablation, or None if the page does not show it."""
        return next((experiment for experiment in self.experiments if experiment.name == "ablation"), None)

    @property
    def answers(self) -> tuple[Answer, ...]:
        """The verdicts on the theory, the limit and the method."""
        return answer_on_theory(self.ledger), answer_on_limit(self.studies), answer_on_method(self.ablation)

    @property
    def leading(self) -> Drawing:
        """The figure below the verdicts: the first of the ablation, or else the last of the studies."""
        drawings = self.ablation.drawings if self.ablation is not None else ()
        return (*drawings, *reversed(self.studies.drawings))[0]

    @property
    def drawings(self) -> tuple[Drawing, ...]:
        """Every figure, in the order of the page."""
        ours = (one for experiment in self.experiments for one in experiment.drawings)
        runs = (one for album in self.albums for one in album.drawings)
        courses = () if self.asymptotics is None else (self.asymptotics.drawing,)
        return (*self.theory, *self.studies.drawings, *courses, *ours, *runs)

    def html(self) -> str:
        """Render the page as one self-contained HTML file, which loads no script, font or picture.

        Its Content-Security-Policy permits its own script and style sheet only.
        """
        style, script = (f"\n{_read_template(name)}" for name in ("page.css", "page.js"))
        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("report"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            finalize=_show,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters["typeset"] = typeset
        return environment.get_template("page.html").render(
            page=self,
            versions=versions(_PACKAGES),
            style=Markup(style),
            script=Markup(script),
            policy=_POLICY.format(script=_source_hash(script), style=_source_hash(style)),
        )

    def document(self) -> dict[str, Any]:
        """Return the document that ``--json`` writes about the page."""
        return {
            "claims": self.ledger.total,
            "unexpected": self.ledger.unexpected,
            "summary": {count.verdict: count.number for count in self.ledger.counts},
            "studies": {"setting": self.studies.setting, "command": self.studies.command},
            "results": [experiment.source for experiment in self.experiments],
            "runs": [album.source for album in self.albums],
            "figures": [{"name": d.name, "source": d.source} for d in self.drawings],
            "versions": versions(_PACKAGES),
        }


def _read_template(name: str) -> str:
    return files("report").joinpath("templates", name).read_text(encoding="utf-8")


def _source_hash(text: str) -> str:
    """Return the hash by which a policy permits an element with this text."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _show(value: Any) -> Any:
    """Return what the template shows for a value; text that is not HTML becomes HTML."""
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value
