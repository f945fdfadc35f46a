"""The pages show what the committed results say, and the committed model opens."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import evae
from benchmarks.scaling import Law
from evae.data import as_images, load
from evae.experiments.results import Results
from evae.models.pixels import reconstruction_error
from results import asymptotics, features, kernels, scaling, sums, vamp
from results.render import FILES, FOLDER, PAGES, parts, reports, results_page, with_parts
from results.scaling import Laws, Piece, elapsed


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_shows_what_the_results_say(path: Path) -> None:
    page = path.read_text(encoding="utf-8")
    assert page == with_parts(page, parts(reports())), "run: python -m results.render"


def test_every_part_is_shown_on_some_page() -> None:
    pages = "".join(path.read_text(encoding="utf-8") for path in PAGES)
    assert all(f"<!-- results: {name} -->" in pages for name in parts(reports()))


def test_the_page_of_results_shows_what_the_results_say() -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert page == results_page(reports()), "run: python -m results.render"


@pytest.mark.parametrize(
    ("name", "record", "parts_of"),
    [
        ("scaling", "scaling.json", scaling.parts),
        ("mathematics", "sums.json", sums.parts),
        ("statistic", "asymptotics.json", asymptotics.parts),
        ("kernels", "kernels.json", lambda path: kernels.parts(path) | vamp.parts(FOLDER / vamp.RECORD)),
        ("peers", "no record", lambda _: features.parts()),
    ],
    ids=["scaling", "mathematics", "statistic", "kernels", "peers"],
)
def test_a_page_of_the_documentation_shows_what_was_measured(
    name: str, record: str, parts_of: Callable[[Path], dict[str, str]]
) -> None:
    page, filled = (FOLDER.parent / "docs" / f"{name}.md").read_text(encoding="utf-8"), parts_of(FOLDER / record)
    assert page == with_parts(page, filled), "run: python -m results.render"
    assert all(f"<!-- results: {name} -->" in page for name in filled)


def test_every_law_of_cost_was_checked_at_three_sizes_that_it_was_not_fitted_to() -> None:
    for law in Laws.load(FOLDER / "scaling.json").by_name.values():
        assert len(law.checked) == 3
        assert not {size for size, _ in law.checked} & {size for size, _ in law.fitted}
        again = Law.of(law.what, law.size, law.fitted, law.checked)
        # Least squares round differently on another CPU.
        assert (again.fixed, again.slope) == pytest.approx((law.fixed, law.slope), rel=1e-9)


def test_a_plan_ends_with_its_longest_piece_however_many_machines_there_are() -> None:
    pieces = [Piece("long", 4, 100.0), Piece("short", 100, 1.0)]
    assert elapsed(pieces, 1) == 500
    assert elapsed(pieces, 5) == 100
    assert elapsed(pieces, 1000) == 100
    assert elapsed([Piece("replicates", 10, 3.0, at_once=2)], 1) == 15


def test_a_changed_figure_is_noticed(tmp_path: Path) -> None:
    for name in FILES:
        shutil.copy(FOLDER / f"{name}.json", tmp_path)
    path = tmp_path / "table-1.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["runs"][0]["evaluation"]["sharpness"]["one_posterior_draw"] += 0.01
    path.write_text(json.dumps(document), encoding="utf-8")
    page = PAGES[1].read_text(encoding="utf-8")
    assert page != with_parts(page, parts(reports(tmp_path)))


def test_a_mark_that_nothing_fills_is_an_error() -> None:
    with pytest.raises(KeyError):
        with_parts("<!-- results: nothing -->\n<!-- end of results -->", {})


@pytest.mark.parametrize("name", FILES)
def test_every_run_has_its_seed_settings_hardware_and_versions(name: str) -> None:
    results = Results.load(FOLDER / f"{name}.json")
    assert not results.failures
    cells = {(r.label, r.configuration.dataset, r.configuration.latent_dim) for r in results.records}
    seeds = {r.configuration.seed for r in results.records}
    assert len(results.records) == len(cells) * len(seeds)
    # Table 1 at the paper's settings is shown while it grows.
    assert len(seeds) >= 2 or results.unfinished
    for record in results.records:
        assert len(record.curve) == record.configuration.epochs
        assert {"torch", "torchvision", "numpy", "epanechnikov-vae"} <= set(record.environment["packages"])
        assert record.environment["device_name"]
        assert record.seconds > 0


def test_the_committed_model_opens_and_reconstructs_as_its_evaluation_says() -> None:
    folder = FOLDER / "digits-evae"
    model = evae.VAE.load(folder)
    evaluation = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    images = as_images(load("digits").holdout)
    with torch.no_grad():
        logits = model.decoder(model.encode(images).mean)
    error = float(reconstruction_error(logits, images).double().mean())
    assert error == pytest.approx(evaluation["reconstruction_error"]["posterior_mean"], rel=1e-5)
