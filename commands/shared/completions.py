"""Shell completion of the command line.

Completion must be fast, so nothing slow is imported: the words come from modules that need neither torch nor numba nor
sympy, and the ids of claims, whose modules import sympy, are parsed from the source files.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import ClassVar

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

SHELLS = ("bash", "zsh", "fish")

#: Environment variable through which a shell requests completions, independent of the program's name.
VARIABLE = "_EVAE_COMPLETE"

#: Candidate words, or a function that returns them.
Words = Iterable[str] | Callable[[], Iterable[str]]

Completer = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]

CLAIMS = Path(__file__).resolve().parents[2] / "theory" / "claims"


def one_of(words: Words) -> Completer:
    """Complete one of the ``words``, or a path after ``npz:`` or ``folder:``."""

    def complete(_context: click.Context, _parameter: click.Parameter, word: str) -> list[CompletionItem]:
        if word.startswith(("npz:", "folder:")):
            return [CompletionItem(word, type="file")]
        return [CompletionItem(name) for name in _looked_up(words) if name.startswith(word)]

    return complete


def some_of(words: Words) -> Completer:
    """Complete the last word of a comma-separated list."""

    def complete(_context: click.Context, _parameter: click.Parameter, word: str) -> list[CompletionItem]:
        before, comma, last = word.rpartition(",")
        return [CompletionItem(f"{before}{comma}{name}") for name in _looked_up(words) if name.startswith(last)]

    return complete


def _looked_up(words: Words) -> Iterable[str]:
    return words() if callable(words) else words


def files(_context: click.Context, _parameter: click.Parameter, word: str) -> list[CompletionItem]:
    """Let the shell complete file names."""
    return [CompletionItem(word, type="file")]


def folders(_context: click.Context, _parameter: click.Parameter, word: str) -> list[CompletionItem]:
    """Let the shell complete folder names."""
    return [CompletionItem(word, type="dir")]


def runs(context: click.Context, _parameter: click.Parameter, word: str) -> list[CompletionItem]:
    """Complete the folder of a run, below ``word`` or in ``--runs-dir``; if none matches, any folder.

    A name that a shell could execute in part is left to the shell's completion of folders, which quotes it.
    """
    here = [Path(), Path(context.params.get("runs_dir") or "runs")]
    parents = [Path(f"{word}*").parent] if os.sep in word else here
    found = [str(run) for folder in parents for run in _runs_in(folder)]
    matching = [CompletionItem(run) for run in sorted(found) if run.startswith(word) and shlex.quote(run) == run]
    return matching or [CompletionItem(word, type="dir")]


def _runs_in(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (path.parent for path in folder.glob("*/config.json"))


def claims() -> list[str]:
    """Return the ids of claims and of their groups, and ``kernel``, which assesses a user-supplied kernel."""
    ids = _claim_ids()
    return sorted({*ids, *(claim.rsplit(".", 1)[0] for claim in ids), "kernel"})


def assumptions() -> list[str]:
    """Return the possible beginnings of a value of ``--assume``."""
    return sorted(f"{claim}=" for claim in _claim_ids())


def _claim_ids() -> list[str]:
    """Return the ``id`` of each ``Claim(...)`` call in the modules of claims, positional or by keyword."""
    import ast

    trees = (ast.parse(source.read_text(encoding="utf-8")) for source in CLAIMS.rglob("*.py"))
    calls = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call))
    made = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Claim"]
    ids = [*(call.args[0] for call in made if call.args)]
    ids += [keyword.value for call in made for keyword in call.keywords if keyword.arg == "id"]
    return [one.value for one in ids if isinstance(one, ast.Constant) and isinstance(one.value, str)]


def models() -> Iterable[str]:
    """Return the models that ``reproduce`` accepts."""
    from evae.experiments.plan import known_models

    return known_models()


class Bash(BashComplete):
    """Completion for bash, which splits words at colons and equals signs; the raw line is parsed instead."""

    source_template: ClassVar[str] = """\
%(complete_func)s() {
    local IFS=$'\\n' line kind value
    local -a program=("$1")
    COMPREPLY=()
    if [[ ${1##*/} == python* ]]; then
        # Whatever else python runs completes as the shell does by default.
        if [[ ${COMP_WORDS[1]##*/} != cli.py || $COMP_CWORD -lt 2 ]]; then
            compopt -o default
            return
        fi
        program+=("${COMP_WORDS[1]}")
    fi
    local so_far=${COMP_LINE:0:COMP_POINT}
    for line in $(env COMP_LINE="$so_far" %(complete_var)s=bash_complete "${program[@]}" 2>/dev/null); do
        IFS=',' read -r kind value <<< "$line"
        case $kind in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain)
                COMPREPLY+=("$value")
                [[ $value == *[:=] ]] && compopt -o nospace
                ;;
        esac
    done
    return 0
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the incomplete one, and the incomplete word."""
        line = os.environ["COMP_LINE"]
        words = split_arg_string(line)
        if len(words) > 1 and Path(words[1]).name == "cli.py":
            words = words[1:]
        last = "" if line[-1:].isspace() or len(words) < 2 else words.pop()
        return words[1:], last

    def complete(self) -> str:
        """Return the completions without the prefix that bash does not count as part of the word."""
        words, last = self.get_completion_args()
        begins = max(last.rfind(":"), last.rfind("=")) + 1
        items = self.get_completions(words, last)
        if last.startswith("-") and "=" in last:
            # Click completes the value alone, without the option and its equals sign.
            begins -= last.index("=") + 1
        return "\n".join(f"{item.type},{item.value[begins:]}" for item in items)


def register() -> None:
    """Register `Bash` as click's completion class for bash."""
    add_completion_class(Bash)


def script(shell: str, group: click.Command, python: bool) -> str:
    """Return the shell script that completes ``evae``; with ``python``, in bash, also ``python cli.py``."""
    register()
    completing = get_completion_class(shell)
    assert completing is not None
    source = completing(group, {}, "evae", VARIABLE).source()
    return source.replace("_completion evae", "_completion evae python python3") if python else source
