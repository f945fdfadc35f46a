"""Write what was measured into the pages that show it: README.md, results/README.md and two pages in docs.

    python -m results.render

The figures come from the JSON files in this folder alone. A part of a page between ``<!-- results: NAME -->`` and
``<!-- end of results -->`` is replaced by the part of that name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from evae.experiments.figures import figures
from evae.experiments.report import report
from evae.experiments.results import Results
from evae.experiments.tables import Report
from results import scaling
from theory.claim import Verdict
from theory.figure_style import save_figure
from theory.ledger import claims

FOLDER = Path(__file__).resolve().parent

#: The files, in the order in which they are shown, with the command that made each.
FILES = {"table-1": "--table 1 --seeds 0,1", "ablation": "--table ablation"}

#: The pages that show parts of them.
PAGES = (FOLDER.parent / "README.md", FOLDER.parent / "docs" / "networks.md")

_SETTINGS = "--epochs 3 --limit-train 20000 --lr 1e-3 --features classifier"

_ABLATION = "![Reconstruction error by kernel and objective, and whose EVAE's gain over VAE is](ablation.png)"

_MARKED = re.compile(r"(<!-- results: ([\w-]+) -->\n).*?(<!-- end of results -->)", re.DOTALL)


def reports(folder: Path = FOLDER) -> dict[str, Report]:
    """Return the report of every file by name."""
    return {name: report(Results.load(folder / f"{name}.json")) for name in FILES}


def parts(found: Mapping[str, Report]) -> dict[str, str]:
    """Return what README.md and docs/networks.md show, by the name of the part."""
    table, ablation = found["table-1"], found["ablation"]
    _, _, factors, _ = ablation.tables
    return {
        "verdicts": f"{verdicts()}\n",
        "table-1": "\n".join([table.tables[0].markdown(), *(f"{text}\n" for text in table.paragraphs)]),
        "table-1-notes": " ".join(table.notes) + "\n",
        "factors": factors.markdown(),
        "ablation-in-short": f"{ablation.answer}\n",
        "attribution": f"{ablation.paragraphs[0]}\n",
        "equal-rate": f"{ablation.paragraphs[-1]}\n",
        "ablation-notes": " ".join(ablation.notes) + "\n",
    }


def verdicts() -> str:
    """Return how many claims have each verdict, which `verify-lemmas` compares with what it finds."""
    counts = Counter(claim.expected for claim in claims().values())
    listed = ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict if counts[verdict])
    return f"{len(claims())} statements were decided: {listed}."


def with_parts(page: str, filled: Mapping[str, str]) -> str:
    """Replace the marked parts of a page; a `KeyError` for a mark of another name."""
    return _MARKED.sub(lambda mark: f"{mark[1]}\n{filled[mark[2]]}\n{mark[3]}", page)


def results_page(found: Mapping[str, Report]) -> str:
    """Return results/README.md: all tables and sentences, and how they were made."""
    head = [
        "# Measured results",
        "",
        "Written by `python -m results.render` from the JSON files beside this page, which hold every run with its",
        "seed, configuration, hardware and versions. `digits-evae` is a trained model that `evae.VAE.load` opens.",
        "The commands were:",
        "",
        "```sh",
        *(f"python cli.py reproduce {options} {_SETTINGS} --data-dir DIR" for options in FILES.values()),
        "python cli.py train --dataset digits --model evae --latent-dim 8 --epochs 100 --lr 1e-3",
        "```",
        "",
    ]
    pages = [page.markdown().replace("# ", "## ", 1) for page in found.values()]
    plots = ["![Hold-out error by epoch](curves.png)", f"{_ABLATION}\n\n![Reconstruction error against rate](rate.png)"]
    return "\n".join([*head, *(part for pair in zip(pages, plots, strict=True) for part in (*pair, ""))])


def main() -> None:
    """Write the pages, and the plots that they show."""
    found = reports()
    for shown in PAGES:
        shown.write_text(with_parts(shown.read_text(encoding="utf-8"), parts(found)), encoding="utf-8")
    (FOLDER / "README.md").write_text(results_page(found), encoding="utf-8")
    page = FOLDER.parent / "docs" / "scaling.md"
    filled = scaling.parts(FOLDER / "scaling.json")
    page.write_text(with_parts(page.read_text(encoding="utf-8"), filled), encoding="utf-8")
    for name in FILES:
        for plot, figure in figures(Results.load(FOLDER / f"{name}.json")).items():
            save_figure(figure, FOLDER / f"{plot}.png", dots_per_inch=120)


if __name__ == "__main__":
    main()
