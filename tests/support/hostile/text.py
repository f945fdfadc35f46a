"""Text that something that shows it could take for its own: for markup, formulas, commands of a terminal, templates."""

from __future__ import annotations

import os
from html.parser import HTMLParser

#: Names that a file can have, by what they are meant for. Each holds the word HOSTILE, so that it can be found again.
NAMES = {
    "spreadsheets, pages and templates": "=HOSTILE\"'><img src=x onerror=window.ran=1>&lt;{{7*7}}{%raw%}"
    "[bold]{task}%s%(x)s:smile:$(touch x);\\1",
    "terminals and bytes": "HOSTILE\x1b[2J\x07\x9b31m\nError: forged\r\u202egnp.\t\x7f" + os.fsdecode(b"\xff\xfe"),
    "tables, plots and fonts": r"_HOSTILE|b\q*i*`c`m$\frac$^{2}~#%&_[x](y)\end{document}"
    "\N{CJK UNIFIED IDEOGRAPH-65E5}\N{GRINNING FACE}\N{ARABIC LETTER BEH}",
}

#: Text that can also be a field of a JSON file.
TEXTS = {
    **NAMES,
    "ends of elements": "HOSTILE</text></svg></style></script><script>window.ran=1</script><!-- ]]>",
    "styles": "HOSTILE[/b][/]",
    "no character": "HOSTILE\ud800\0",
    "long": "HOSTILE" + "W" * 400,
}


def is_plain(output: str) -> bool:
    """Return whether an output has only printable characters in lines, of which none was forged."""
    lines = output.split("\n")
    return all(line.isprintable() for line in lines) and not any(line.startswith("Error: forged") for line in lines)


class Skeleton(HTMLParser):
    """The elements of a page with the names of their attributes, its identifiers, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.identifiers: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.identifiers += [value or "" for name, value in attrs if name == "id"]

    def handle_endtag(self, tag: str) -> None:
        self.elements.append((f"/{tag}", ()))

    def handle_data(self, data: str) -> None:
        self.text += data
