"""The command line of the modules that collect a record from run folders."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def write_record(
    module: str, description: str, record: str, collect: Callable[[Path], dict[str, Any]], arguments: list[str] | None
) -> None:
    """Parse ``--runs-dir``, and write what ``collect`` returns for that folder to the file ``record`` in this one."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"), metavar="DIR")
    found = collect(parser.parse_args(arguments).runs_dir)
    path = Path(__file__).resolve().parent / record
    path.write_text(f"{json.dumps(found, indent=1)}\n", encoding="utf-8")
