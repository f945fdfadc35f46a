"""What a reader is shown of the plain text that the claims are written in."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from matplotlib.mathtext import MathTextParser
from matplotlib.text import Text

from foundation import typography
from tests.support.hostile.text import TEXTS, Skeleton
from theory.ledger.registry import claims


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("mean mu and variance r^2/5.", "mean \N{GREEK SMALL LETTER MU} and variance r\N{SUPERSCRIPT TWO}/5."),
        ("x**4", "x\N{SUPERSCRIPT FOUR}"),
        ("(1 - x**2)**2", "(1 - x\N{SUPERSCRIPT TWO})\N{SUPERSCRIPT TWO}"),
        ("m^(-2/9)", "m^(-2/9)"),
        ("m^0.5", "m^0.5"),
        ("a -> b, c >= d", "a \N{RIGHTWARDS ARROW} b, c \N{GREATER-THAN OR EQUAL TO} d"),
        ("mute, sigmas and happiness", "mute, sigmas and happiness"),
        ("chi-square", "\N{GREEK SMALL LETTER CHI}\N{SUPERSCRIPT TWO}"),
    ],
)
def test_signs_take_the_place_of_their_spelling(written: str, shown: str) -> None:
    assert typography.format_symbols(written) == shown


def test_every_claim_is_plain_text_that_becomes_plain_latex() -> None:
    for claim in claims().values():
        for text in (claim.source, claim.statement, claim.meaning):
            assert text.isascii()
            assert typography.format_latex(text).isascii()


#: Any text, with the characters of each medium's markup more often than chance has them.
ANY_TEXT = st.lists(
    st.one_of(st.characters(exclude_categories=()), st.sampled_from("\\$|*_`<>~[]()#&%^{}-,=+@'\"\n\t\x1b\u202e\udcff"))
).map("".join)

#: LaTeX that a text becomes: our own commands, escaped characters, and formulas.
LATEX_MARKUP = re.compile(r"\$[^$]*\$|\\[a-zA-Z]+(\{\}| )?|\\[&%$#_{}]|\{\}")


@given(ANY_TEXT)
def test_no_text_breaks_out_of_latex(text: str) -> None:
    for written in (typography.escape_latex(text), typography.format_latex(text)):
        rest = LATEX_MARKUP.sub("", written)
        assert not set(rest) & set('\\&%$#_{}~^<>|`"')
        assert written.isprintable()
        assert not written.lstrip().startswith(("*", "["))
        assert "--" not in written


@given(ANY_TEXT)
def test_printable_text_is_one_line_without_control_characters(text: str) -> None:
    shown = typography.format_printable(text)
    assert shown.isprintable()
    assert typography.format_printable(shown) == shown
    assert "".join(one for one in text if one.isprintable()) in shown or not text.isprintable()
    lines = typography.format_printable(text, keep_lines=True).split("\n")
    assert len(lines) == text.count("\n") + 1
    assert all(line.isprintable() for line in lines)


@given(ANY_TEXT)
def test_markdown_has_the_text_as_it_is(text: str) -> None:
    cell = typography.format_markdown(text).strip()
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    html = reader.render(f"| a | b |\n|---|---|\n| x{cell}x | c |\n")
    page = Skeleton(html)
    cells = [tag for tag, _ in page.elements if tag == "td"]
    assert len(cells) == 2
    assert {tag.removeprefix("/") for tag, _ in page.elements} <= {"table", "thead", "tbody", "tr", "th", "td"}
    shown = " ".join(f"x{typography.format_printable(text).strip()}x".split())
    assert shown in " ".join(page.text.split())


@given(ANY_TEXT)
def test_matplotlib_finds_no_formula(text: str) -> None:
    written = typography.format_plot_text(text)
    shown, is_formula = Text()._preprocess_math(written)  # type: ignore[attr-defined]
    assert not is_formula
    printable = typography.format_printable(text)
    assert shown == printable or (len(printable) > 80 == len(shown))
    # Beside a formula of ours the text is outside it.
    assert len(re.findall(r"(?<!\\)\$", f"{written}, $d_z$".replace(r"\\$", ""))) <= 2 + written.count(r"\$")
    MathTextParser("path").parse(f"{written}, $d_z$")


@given(ANY_TEXT)
def test_no_cell_of_a_csv_file_is_a_formula(text: str) -> None:
    stream = io.StringIO()
    csv.writer(stream).writerow([typography.format_csv(text), "end"])
    ((cell, end),) = csv.reader(stream.getvalue().splitlines())
    assert not cell.lstrip().startswith(("=", "+", "-", "@"))
    assert end == "end"


@pytest.mark.skipif(shutil.which("bash") is None, reason="this machine has no bash")
def test_bash_reads_back_what_is_quoted() -> None:
    texts = [text for text in (*TEXTS.values(), "a'b", "'\x1b\\") if "\0" not in text and "\ud800" not in text]
    words = " ".join(map(typography.quote_for_shell, texts))
    assert words.isprintable()
    answer = subprocess.run(["bash", "-c", f"printf '%s\\0' {words}"], capture_output=True, check=True).stdout
    assert [os.fsdecode(word) for word in answer.split(b"\0")[:-1]] == texts
