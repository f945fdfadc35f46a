"""Insertion of measured results into README.md, results/README.md and six pages in docs.

    python -m results.render

All numbers come from the JSON files in this folder. A part of a page between ``<!-- results: NAME -->`` and
``<!-- end of results -->`` is replaced by the part of that name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from evae.experiments.reports.figures import figures
from evae.experiments.reports.files import report
from evae.experiments.reports.tables import Report
from evae.experiments.results import Results
from foundation.figures import save_figure
from foundation.typography import format_markdown
from results import asymptotics, comparison, features, kernels, likelihood, scaling, sums, vamp
from theory.claim import Verdict
from theory.ledger.registry import claims

FOLDER = Path(__file__).resolve().parent

_SMALL = "--epochs 3 --limit-train 20000 --lr 1e-3 --features classifier"

#: The files, in the order in which they are shown, with the options of the command that made each.
FILES = {
    "table-1-full": "--table 1 --seeds 0 --features imagenet",
    "table-1-full-classifier": "--table 1 --seeds 0 --features classifier",
    "table-1": f"--table 1 --seeds 0,1 {_SMALL}",
    "ablation": f"--table ablation {_SMALL}",
}

#: Their headings.
TITLES = {
    "table-1-full": "Table 1 at the paper's settings",
    "table-1-full-classifier": "Those with d_z = 64, evaluated with a classifier's features",
    "table-1": "Table 1, reduced",
    "ablation": "Ablation, reduced",
}

#: The pages that show parts of them.
PAGES = (FOLDER.parent / "README.md", FOLDER.parent / "docs" / "networks.md")

#: Captions of the plots, by the names of the file and the plot.
_PLOTS = {
    ("table-1-full", "curves"): "Hold-out error by epoch, at the paper's settings",
    ("table-1", "curves"): "Hold-out error by epoch, reduced",
    ("ablation", "ablation"): "Reconstruction error by kernel and objective, and the parts of EVAE's gain over VAE",
    ("ablation", "rate"): "Reconstruction error and distance against rate",
}

_MARKED = re.compile(r"(<!-- results: ([\w-]+) -->\n).*?(<!-- end of results -->)", re.DOTALL)


def reports(folder: Path = FOLDER) -> dict[str, Report]:
    """Return the report of every file by name."""
    return {name: report(Results.load(folder / f"{name}.json")) for name in FILES}


def parts(found: Mapping[str, Report]) -> dict[str, str]:
    """Return the parts of README.md and docs/networks.md by name."""
    full, table, ablation = found["table-1-full"], found["table-1"], found["ablation"]
    effects, _, _, factors, _ = ablation.tables
    assert ablation.headline is not None
    return {
        "verdicts": f"{verdicts()}\n",
        "table-1-full": full.tables[0].markdown(),
        "table-1-full-notes": _paragraph(*full.notes),
        "table-1": "\n".join([table.tables[0].markdown(), *map(_paragraph, table.paragraphs)]),
        "table-1-notes": _paragraph(*table.notes),
        "factors": factors.markdown(),
        "ablation-in-short": _paragraph(ablation.headline.evidence),
        "effects": effects.markdown(),
        "attribution": _paragraph(ablation.paragraphs[0]),
        "equal-rate": _paragraph(ablation.paragraphs[-1]),
        "ablation-notes": _paragraph(*ablation.notes),
        **comparison.parts(FOLDER),
        **likelihood.parts(FOLDER / likelihood.RECORD),
    }


def _paragraph(*sentences: str) -> str:
    return f"{format_markdown(' '.join(sentences))}\n"


def verdicts() -> str:
    """Count the claims by recorded verdict, with which `verify-lemmas` compares its findings."""
    counts = Counter(claim.expected for claim in claims().values())
    listed = ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict if counts[verdict])
    return f"{len(claims())} statements were decided: {listed}."


def with_parts(page: str, filled: Mapping[str, str]) -> str:
    """Replace the marked parts of a page; raise a `KeyError` for an unknown name."""
    return _MARKED.sub(lambda mark: f"{mark[1]}\n{filled[mark[2]]}\n{mark[3]}", page)


def results_page(found: Mapping[str, Report]) -> str:
    """Return results/README.md: all tables and sentences, and the commands that made them."""
    head = [
        "# Measured results",
        "",
        "Written by `python -m results.render` from the JSON files next to this page, which hold every run with its",
        "seed, configuration, hardware and versions. `digits-evae` is a trained model that `evae.VAE.load` opens.",
        "The commands were:",
        "",
        "```sh",
        *(f"python cli.py reproduce {options} --data-dir DIR" for options in FILES.values()),
        "python cli.py train --dataset digits --model evae --latent-dim 8 --epochs 100 --lr 1e-3",
        "```",
        "",
    ]
    for name, page in found.items():
        head += [page.markdown().replace(f"# {page.title}", f"## {TITLES[name]}", 1), ""]
        head += [f"![{words}]({plot_file(file, plot)})\n" for (file, plot), words in _PLOTS.items() if file == name]
    return "\n".join(head)


def plot_file(name: str, plot: str) -> str:
    """Return the name of a plot's file; plots of the full table are prefixed with its name."""
    return f"{name}-{plot}.png" if name == "table-1-full" else f"{plot}.png"


def main() -> None:
    """Write the pages and their plots."""
    found = reports()
    for shown in PAGES:
        shown.write_text(with_parts(shown.read_text(encoding="utf-8"), parts(found)), encoding="utf-8")
    (FOLDER / "README.md").write_text(results_page(found), encoding="utf-8")
    for name, filled in (
        ("scaling", scaling.parts(FOLDER / "scaling.json")),
        ("mathematics", sums.parts(FOLDER / "sums.json")),
        ("statistic", asymptotics.parts(FOLDER / asymptotics.RECORD)),
        ("kernels", kernels.parts(FOLDER / kernels.RECORD) | vamp.parts(FOLDER / vamp.RECORD)),
        ("peers", features.parts()),
    ):
        page = FOLDER.parent / "docs" / f"{name}.md"
        page.write_text(with_parts(page.read_text(encoding="utf-8"), filled), encoding="utf-8")
    asymptotics.draw(FOLDER)
    kernels.draw(FOLDER)
    vamp.draw(FOLDER)
    for name in FILES:
        for plot, figure in figures(Results.load(FOLDER / f"{name}.json")).items():
            if (name, plot) in _PLOTS:
                save_figure(figure, FOLDER / plot_file(name, plot), dots_per_inch=120)


if __name__ == "__main__":
    main()
