"""Mathematical symbols for formulas in plain text, and the escaping of any text for each medium that shows it.

The claims are written in ASCII, which can be searched, compared and typed. They are displayed with mathematical symbols
on a terminal and in Markdown, or as LaTeX commands.

Text from outside, such as the name of a run, a path, a field of a JSON file or the message of another library, may hold
any characters. Each medium has one function that shows them as they are: `format_printable` for terminals and all
other functions, `format_markdown`, `escape_latex`, `format_plot_text`, `format_csv` and `quote_for_shell`. For HTML it
is `report.formulas.plain`.
"""

from __future__ import annotations

import re
import shlex

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
    "psi": "ψ",
    "sigma": "σ",
    "theta": "θ",
    "log_evidence": "log-evidence",
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
    "ψ": r"\psi",
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
    "`": r"\textasciigrave{}",
    '"': r"\textquotedbl{}",
    "C̃": r"$\tilde C$",
}

#: Pairs of characters that LaTeX's fonts join into another one.
_LIGATURE = re.compile(r"(?<=-)(?=-)|(?<=,)(?=,)")

#: What Markdown, as on GitHub, could take for markup: an underscore inside a word is none.
_MARKDOWN_SPECIAL = re.compile(
    r"[\\`*|<>~\[\]$]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)|(?<=:)/(?=/)|(?<=www)\.|@(?=\w)", re.IGNORECASE
)

#: Characters of the longest text in a figure; longer ones are shortened in the middle.
_LONGEST_IN_A_PLOT = 80

#: What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@")


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
    return escape_latex(format_symbols(text))


def escape_latex(text: str) -> str:
    r"""Return LaTeX that prints ``text`` as it is; mathematical symbols in it become commands.

    Examples
    --------
    >>> print(escape_latex("r_1 & 50 %"))
    r\_1 \& 50 \%
    """
    text = format_printable(text)
    pieces = re.split("(C̃|[⁰¹²³⁴⁵⁶⁷⁸⁹]+)", text)
    escaped = "".join(_format_latex_piece(piece) for piece in pieces)
    # After \\ or \item a star or a bracket would be taken for an argument.
    return rf"\relax {escaped}" if text.lstrip().startswith(("*", "[")) else escaped


def _format_latex_piece(piece: str) -> str:
    if piece in _LATEX_SPECIAL:
        return _LATEX_SPECIAL[piece]
    if piece and all(character in "⁰¹²³⁴⁵⁶⁷⁸⁹" for character in piece):
        digits = piece.translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789"))
        return f"${{}}^{{{digits}}}$"
    escaped = "".join(
        f"${_LATEX[character]}$" if character in _LATEX else _LATEX_SPECIAL.get(character, character)
        for character in piece
    )
    return _LIGATURE.sub(lambda _: "{}", escaped)


def format_count(number: int, noun: str, plural: str | None = None) -> str:
    """Format a number with its noun, which is plural unless the number is 1.

    Examples
    --------
    >>> format_count(1, "seed"), format_count(3000, "seed"), format_count(0, "entry", "entries")
    ('1 seed', '3,000 seeds', '0 entries')
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def format_printable(text: str, *, keep_lines: bool = False) -> str:
    r"""Return ``text`` with every character that cannot be printed as an escape; with ``keep_lines`` newlines stay.

    These are control characters, on which a terminal would act, marks that reverse the direction of the text, and bytes
    of a file name that are not UTF-8.

    Examples
    --------
    >>> print(format_printable("a\x1b[2J\n"))
    a\x1b[2J\n
    """
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or (keep_lines and one == "\n") else one.encode("unicode_escape").decode()
        for one in text
    )


def format_markdown(text: str) -> str:
    r"""Return Markdown that shows ``text`` as it is, on one line, also in the cell of a table.

    Examples
    --------
    >>> print(format_markdown("a|b *c* d_z"))
    a\|b \*c\* d_z
    """
    return _MARKDOWN_SPECIAL.sub(lambda special: f"\\{special[0]}", format_printable(text))


def format_plot_text(text: str) -> str:
    r"""Return text that Matplotlib shows as it is, without formulas; more than 80 characters are shortened.

    Examples
    --------
    >>> print(format_plot_text(r"m$\frac$"))
    m\$\frac\$
    """
    text = format_printable(text)
    if len(text) > _LONGEST_IN_A_PLOT:
        text = f"{text[: _LONGEST_IN_A_PLOT // 2]} ... {text[5 - _LONGEST_IN_A_PLOT // 2 :]}"
    return text.replace("$", r"\$")


def format_csv(text: str) -> str:
    """Return the text of a CSV cell that a spreadsheet does not compute: after an apostrophe if it were a formula.

    Examples
    --------
    >>> print(format_csv("=1+1"), format_csv("digits"))
    '=1+1 digits
    """
    text = format_printable(text)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text


def quote_for_shell(text: str) -> str:
    r"""Return ``text`` as one printable word of a command line, which bash and zsh read back.

    Examples
    --------
    >>> print(quote_for_shell("a b"), quote_for_shell("a\x1b"))
    'a b' $'a\x1b'
    """
    if text.isprintable():
        return shlex.quote(text)
    escapes = {"'": r"\'", "\\": r"\\"}
    return f"$'{''.join(escapes.get(one) or _escape_bytes(one) for one in text)}'"


def _escape_bytes(character: str) -> str:
    if character.isprintable():
        return character
    # Python reads bytes of a file name that are not UTF-8 as the surrogates from U+DC80 to U+DCFF.
    errors = "surrogateescape" if "\udc80" <= character <= "\udcff" else "surrogatepass"
    return "".join(rf"\x{byte:02x}" for byte in character.encode("utf-8", errors))
