"""Mathematical symbols for formulas in plain text: Greek letters, comparison signs, powers.

The claims are written in ASCII, which can be searched, compared and typed. They are displayed with mathematical symbols
on a terminal and in Markdown, or as LaTeX commands.
"""

from __future__ import annotations

import re

_WORDS = {
    "alpha": "α",
    "beta": "β",
    "chi2": "χ²",
    "chi-square": "χ²",
    "delta": "δ",
    "Delta": "Δ",
    "eps": "ε",
    "epsilon": "ε",
    "lambda": "λ",
    "mu": "μ",
    "mu_2": "μ₂",
    "mu2": "μ₂",
    "oo": "∞",
    "phi": "φ",
    "Phi": "Φ",
    "pi": "π",
    "sigma": "σ",
    "theta": "θ",
    "log_likelihood": "log-likelihood",
    "log_prior": "log-prior",
    "log_posterior": "log-posterior",
    "C_tilde": "C̃",
    "T_m": "Tₘ",
    "f_m": "fₘ",
    "f_n": "fₙ",
    "q_m": "qₘ",
    "d_z": "d_z",
}

_SIGNS = (
    ("**", "^"),
    ("<->", "↔"),
    ("->", "→"),
    (">=", "≥"),
    ("<=", "≤"),
    (" +- ", " ± "),
    (" +/- ", " ± "),
    ("!=", "≠"),
)

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")

_WORD = re.compile(r"(?<![\w-])(?:" + "|".join(map(re.escape, sorted(_WORDS, key=len, reverse=True))) + r")(?![\w-])")

_POWER = re.compile(r"\^(\d{1,2})(?!\d|\.\d|[*^(])")

_LATEX = {
    "α": r"\alpha",
    "β": r"\beta",
    "δ": r"\delta",
    "Δ": r"\Delta",
    "ε": r"\varepsilon",
    "λ": r"\lambda",
    "μ": r"\mu",
    "φ": r"\varphi",
    "Φ": r"\Phi",
    "π": r"\pi",
    "σ": r"\sigma",
    "θ": r"\theta",
    "χ": r"\chi",
    "∞": r"\infty",
    "→": r"\to",
    "↔": r"\leftrightarrow",
    "≥": r"\ge",
    "≤": r"\le",
    "≠": r"\ne",
    "±": r"\pm",
    "₂": "{}_2",
    "ₘ": "{}_m",
    "ₙ": "{}_n",
}

_LATEX_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "C̃": r"$\tilde C$",
}


def format_symbols(text: str) -> str:
    """Replace the ASCII spelling of mathematical symbols in ``text`` by the symbols.

    Examples
    --------
    >>> format_symbols("K* has mean mu and variance r**2/5, for sigma >= 0")
    'K* has mean μ and variance r²/5, for σ ≥ 0'
    """
    for spelling, sign in _SIGNS:
        text = text.replace(spelling, sign)
    text = _WORD.sub(lambda match: _WORDS[match.group()], text)
    return _POWER.sub(lambda match: match.group(1).translate(_SUPERSCRIPTS), text)


def format_latex(text: str) -> str:
    r"""Return ``text`` as LaTeX text, with mathematical symbols as commands and special characters escaped.

    Examples
    --------
    >>> print(format_latex("mu_2 >= r^2/5"))
    $\mu$${}_2$ $\ge$ r${}^{2}$/5
    """
    text = format_symbols(text)
    pieces = re.split("(C̃|[⁰¹²³⁴⁵⁶⁷⁸⁹]+)", text)
    return "".join(_format_latex_piece(piece) for piece in pieces)


def _format_latex_piece(piece: str) -> str:
    if piece in _LATEX_SPECIAL:
        return _LATEX_SPECIAL[piece]
    if piece and all(character in "⁰¹²³⁴⁵⁶⁷⁸⁹" for character in piece):
        digits = piece.translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789"))
        return f"${{}}^{{{digits}}}$"
    return "".join(
        f"${_LATEX[character]}$" if character in _LATEX else _LATEX_SPECIAL.get(character, character)
        for character in piece
    )
