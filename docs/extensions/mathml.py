r"""Formulas converted to MathML at build time, so that the pages need neither a network nor a script.

A formula that cannot be converted, or in which a LaTeX command remains, causes a warning and thus fails the build.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)

NAMESPACE = "http://www.w3.org/1998/Math/MathML"
_IDENTIFIER, _OPERATOR, _ROW, _SPACE, _SUBSCRIPT, _SUPERSCRIPT, _BOTH_SCRIPTS = (
    f"{{{NAMESPACE}}}{name}" for name in ("mi", "mo", "mrow", "mspace", "msub", "msup", "msubsup")
)
SIGNS = ("+", "\N{MINUS SIGN}", "±")
CLOSING = (")", "]", "}", "!")
PRIMES = ("\N{PRIME}", "\N{DOUBLE PRIME}")
FUNCTIONS = ("log", "exp", "sin", "cos", "max", "min", "sup")
ElementTree.register_namespace("", NAMESPACE)


class NoFormula(ValueError):
    """A LaTeX formula cannot be converted to MathML; the message says why."""


def mathml(formula: str, *, display: bool) -> str:
    r"""Convert a formula to a MathML element, inline or displayed.

    Raises
    ------
    NoFormula
        If it cannot be parsed, or the converter leaves a command or a column mark in it.
    """
    # The converter supports split and align*, which lay rows out like aligned, and reads a bare \\ as a line's end.
    formula = formula.strip().replace("{aligned}", "{split}")
    if r"\\" in formula and r"\begin" not in formula:
        formula = rf"\begin{{split}}{formula}\end{{split}}"
    try:
        converted = convert(formula, display="block" if display else "inline")
        tree = ElementTree.fromstring(converted.replace("<mi>&</mi>", "<mi>&amp;</mi>"))
    except Exception as error:  # the converter's errors have no common base class
        raise NoFormula(f"{formula!r} cannot be read: {type(error).__name__} {error}".strip()) from None
    if left := [text for text in tree.itertext() if "\\" in text or "&" in text]:
        raise NoFormula(f"{', '.join(left)} in {formula!r} is not understood")
    for part in list(tree.iter()):
        _mend(part)
        _space(part)
    return ElementTree.tostring(tree, encoding="unicode")


def _mend(element: ElementTree.Element) -> None:
    """Mark infinity as an identifier, not an operator, and do not raise primes, whose glyphs are raised already."""
    if element.text == "∞":
        element.tag = _IDENTIFIER
    if element.tag == _SUPERSCRIPT and element[1].text in PRIMES:
        element.tag = _ROW
    if element.tag == _BOTH_SCRIPTS and element[2].text in PRIMES:
        base, prime = ElementTree.Element(_ROW), element[2]
        base.extend([element[0], prime])
        element.tag, element[0] = _SUBSCRIPT, base
        element.remove(prime)


def _space(row: ElementTree.Element) -> None:
    """Mark signs and bars as prefix or postfix, and insert a space next to names of functions.

    The converter does neither, and a browser treats every sign between two elements as a binary operator.
    """
    before: ElementTree.Element | None = None
    bars = [child for child in row if child.text == "|"]
    for number, bar in enumerate(bars if len(bars) % 2 == 0 else ()):
        bar.set("form", "postfix" if number % 2 else "prefix")
    for child in list(row):
        if child.text in SIGNS and (before is None or _opens(before)):
            child.set("form", "prefix")
        named = [element is not None and element.text in FUNCTIONS for element in (before, child)]
        if before is not None and any(named) and not {before.tag, child.tag} & {_OPERATOR, _SPACE}:
            row.insert(list(row).index(child), ElementTree.Element(_SPACE, width="0.167em"))
        before = child


def _opens(before: ElementTree.Element) -> bool:
    return before.tag == _OPERATOR and before.text not in CLOSING and before.get("form") != "postfix"


def _shown(node: nodes.Element, *, display: bool) -> str:
    try:
        return mathml(node.astext(), display=display)
    except NoFormula as error:
        logger.warning("formula: %s", error, location=node, type="mathml")
        return ""


def _inline(translator: HTML5Translator, node: nodes.math) -> None:
    translator.body.append(f'<span class="math">{_shown(node, display=False)}</span>')
    raise nodes.SkipNode


def _displayed(translator: HTML5Translator, node: nodes.math_block) -> None:
    # The theme may have wrapped the formula in an element that already has its id.
    named = [] if node.parent.get("ids") == node["ids"] else node["ids"]
    translator.body.append(translator.starttag(nodes.container(), "div", CLASS="math", ids=named))
    translator.body.append(f'<div class="formula">{_shown(node, display=True)}</div>')
    if node["number"]:
        translator.body.append(f'<span class="eqno">({get_node_equation_number(translator, node)})')
        translator.add_permalink_ref(node, "Link to this equation")
        translator.body.append("</span>")
    translator.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer ``mathml``, for ``html_math_renderer``."""
    app.add_html_math_renderer("mathml", (_inline, None), (_displayed, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
