"""The page as a file: whole, by itself, and holding what it should."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from report.sections.asymptotics import OWN_RECORD, asymptotics_of
from report.sections.experiments import OURS, experiment_of
from tests.report.conftest import Made, Twins
from tests.support.hostile.text import Skeleton
from tests.support.schemas import faults
from theory.ledger.registry import claims

VOID = {"meta", "link", "input", "img", "br"}


class Reader(HTMLParser):
    """Reads a page into its elements, and notes what is not closed in order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.misplaced: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.misplaced.append(tag)


@pytest.fixture(scope="module")
def reader(made: Made) -> Reader:
    reader = Reader()
    reader.feed(made.html)
    reader.close()
    return reader


def test_every_element_is_closed_in_order(reader: Reader) -> None:
    assert reader.misplaced == []
    assert reader.open == []


def test_nothing_is_fetched(made: Made, reader: Reader) -> None:
    for tag, attributes in reader.elements:
        for name in ("src", "href", "xlink:href", "data", "action", "srcset"):
            value = attributes.get(name, "#")
            assert value.startswith(("#", "data:")), f"{tag} {name}={value[:80]}"
    assert "@import" not in made.html
    assert re.findall(r"url\((?!#)[^)]*\)", made.html) == []


def test_identifiers_are_unique_and_links_lead_to_one(reader: Reader) -> None:
    names = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(names) == len(set(names))
    targets = {
        a[name][1:] for _, a in reader.elements for name in ("href", "xlink:href") if a.get(name, "").startswith("#")
    }
    assert targets <= set(names)
    assert {f"claim-{name}" for name in claims()} <= set(names)


def test_every_picture_and_drawing_says_what_it_shows(reader: Reader) -> None:
    pictures = [attributes for tag, attributes in reader.elements if tag == "img"]
    drawings = [attributes for tag, attributes in reader.elements if tag == "svg"]
    assert len(pictures) >= 4
    assert all(len(picture["alt"]) > 20 for picture in pictures)
    assert len(drawings) >= 8
    assert all(drawing["role"] == "img" and len(drawing["aria-label"]) > 60 for drawing in drawings)


def test_headings_go_down_one_level_at_a_time(reader: Reader) -> None:
    levels = [int(tag[1]) for tag, _ in reader.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))


def test_the_study_of_convergence_is_on_the_page(made: Made) -> None:
    study = asymptotics_of(OWN_RECORD)
    assert '<figure id="asymptotics">' in made.html
    assert [sentence for sentence in study.sentences if str(sentence) not in made.html] == []
    cells = [cell for table in study.tables for row in table.rows for cell in row]
    assert len(cells) > 200
    assert [cell for cell in cells if f">{cell}<" not in made.html] == []
    assert study.command in made.html


@pytest.mark.parametrize("name", ["table-1", "ablation"])
def test_every_figure_of_the_measured_tables_is_on_the_page(name: str, made: Made) -> None:
    experiment = experiment_of(OURS / f"{name}.json")
    cells = [cell for table in experiment.tables for row in table.rows for cell in row]
    assert len(cells) > 100
    assert [cell for cell in cells if f">{cell}<" not in made.html] == []
    assert all(str(paragraph) in made.html for paragraph in experiment.paragraphs)


def test_what_the_command_says_is_what_the_page_shows(made: Made) -> None:
    said = made.document
    assert said["claims"] == sum(said["summary"].values()) == len(claims())
    assert said["unexpected"] == 0
    assert "pending" not in said["summary"]
    assert said["results"] == ["results/ablation.json", "results/table-1.json"]
    assert said["runs"] == ["results/digits-evae"]
    for verdict, number in said["summary"].items():
        assert f"{verdict} ({number})" in re.sub(r"\s+", " ", made.html)
    for figure in said["figures"]:
        assert f'<figure id="{figure["name"]}">' in made.html
        assert figure["source"].startswith("python cli.py ") or (OURS.parent / figure["source"]).is_file()
    assert "--m 50 --m 200 --replicates 500" in said["studies"]["command"]


def test_what_the_command_says_is_as_its_schema_says(made: Made) -> None:
    assert faults("report", made.document) == []
    assert faults("report", {**made.document, "unheard_of": 1})
    for field in made.document:
        assert faults("report", {name: value for name, value in made.document.items() if name != field}), field


def test_drawings_take_their_colours_from_the_page(made: Made) -> None:
    drawn = "".join(re.findall(r"<svg .*?</svg>", made.html, re.DOTALL))
    assert "var(--ink)" in drawn
    assert "var(--blue)" in drawn
    style = made.html[made.html.index("<style>") : made.html.index("</style>")]
    assert set(re.findall(r"var\((--[\w-]+)\)", drawn)) <= set(re.findall(r"(--[\w-]+):", style))
    # What is drawn in a fixed colour would not be seen in the dark.
    assert set(re.findall(r"#[0-9a-f]{6}\b", drawn)) == set()


def test_a_figure_with_panels_side_by_side_has_a_form_in_which_they_are_stacked(made: Made) -> None:
    figures = dict(re.findall(r'<figure id="([^"]*)">(.*?)</figure>', made.html, re.DOTALL))
    shapes = {
        name: [
            (form, float(width)) for form, width in re.findall(r'class="(wide|stacked)".*?viewBox="0 0 (\S+) ', figure)
        ]
        for name, figure in figures.items()
    }
    assert [form for form, _ in shapes["ablation-ablation"]] == ["wide", "stacked"]
    # One panel, and panels that share axes.
    assert [form for form, _ in shapes["table-1-curves"]] == [form for form, _ in shapes["law"]][:1] == ["wide"]
    assert all(width < 330 for forms in shapes.values() for form, width in forms if form == "stacked")


def test_no_label_of_a_figure_loses_digits(made: Made) -> None:
    labels = "".join(re.findall(r"<text[^>]*>(.*?)</text>", made.html, re.DOTALL))
    assert "0.000216" in re.sub(r"<[^>]*>|\s", "", labels)


def test_the_page_is_small(made: Made) -> None:
    assert made.path.stat().st_size < 3_000_000


#: The elements in which text is typeset: scripts, formulas, and the characters of a label in a figure.
TYPOGRAPHY = {
    "tspan",
    "sub",
    "sup",
    "math",
    "mrow",
    "mi",
    "mn",
    "mo",
    "mtext",
    "msub",
    "msup",
    "mfrac",
    "msqrt",
    "mstyle",
}


def test_no_element_attribute_or_identifier_of_the_page_comes_from_names_and_fields(twins: Twins) -> None:
    harmless, hostile = (Skeleton(page.read_text(encoding="utf-8")) for page in (twins.harmless, twins.hostile))
    expected, found = (
        [element for element in one.elements if element[0].removeprefix("/") not in TYPOGRAPHY]
        for one in (harmless, hostile)
    )
    assert found == expected
    # Matplotlib calls a clipping path by a digest of its place, and this depends on the length of labels.
    names, others = ([re.sub(r"-[mp][0-9a-f]{10}$", "", name) for name in p.identifiers] for p in (hostile, harmless))
    assert names == others
    assert len(set(hostile.identifiers)) == len(hostile.identifiers)
    assert all(re.fullmatch(r"[A-Za-z][\w.-]*", name) for name in hostile.identifiers)
    # The text is all there, with nothing that cannot be printed.
    assert hostile.text.count("HOSTILE") > 20
    assert "<img src=x onerror=window.ran=1>" in hostile.text
    assert r"\x1b[2J\x07\x9b31m\nError: forged" in hostile.text
    assert hostile.text.replace("\n", "").replace("\N{NO-BREAK SPACE}", "").isprintable()


def test_the_policy_names_the_pages_own_script_and_style_sheet(made: Made, reader: Reader) -> None:
    policy = next(found["content"] for _, found in reader.elements if "http-equiv" in found)
    for tag, directive in (("script", "script-src"), ("style", "style-src-elem")):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", made.html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
