"""Execute the notebooks from top to bottom and write what came out into them.

    python -m notebooks.execute [NAME ...]

A notebook runs in its own folder, in a fresh kernel on one thread, and keeps neither times nor what its machine is
called: executed again, it changes where its results do.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

FOLDER = Path(__file__).resolve().parent

#: How long a cell may take, in seconds: what is slower does not belong here.
LONGEST = 120

_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def notebooks() -> list[Path]:
    """Return the notebooks, in the order of their names."""
    return sorted(FOLDER.glob("*.ipynb"))


def read(path: Path) -> NotebookNode:
    """Read a notebook as it is."""
    return nbformat.read(path, as_version=4)


def executed(path: Path) -> NotebookNode:
    """Return the notebook with the outputs of a fresh execution; nothing is written.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell fails.
    """
    notebook, place = read(path), {"metadata": {"path": str(FOLDER)}}
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(notebook, kernel_name="python3", timeout=LONGEST, resources=place, record_timing=False)
        kernel = client.create_kernel_manager()
        kernel.connection_file = str(Path(folder) / "kernel.json")
        if os.name == "posix":
            # Nobody else on the machine can listen to a socket in this folder.
            kernel.transport = "ipc"
        client.execute(env=_environment(folder))
    return cleaned(notebook)


def cleaned(notebook: NotebookNode) -> NotebookNode:
    """Take away what differs from one execution to the next, or from one machine to another."""
    kept = {name: value for name, value in notebook.metadata.items() if name == "tolerance"}
    notebook.metadata = nbformat.from_dict({**_METADATA, **kept})
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
        for output in cell.get("outputs", []):
            if "metadata" in output:
                output.metadata = nbformat.from_dict({})
    return notebook


def texts(notebook: NotebookNode) -> list[str]:
    """Return what the cells show as text, in order: of a figure, that it is one."""
    return [text for cell in notebook.cells for output in cell.get("outputs", []) for text in _texts_of(output)]


def _texts_of(output: NotebookNode) -> list[str]:
    if output.output_type == "stream":
        return [output.text]
    if output.output_type == "error":
        return [f"{output.ename}: {output.evalue}"]
    return [output.data[kind] for kind in sorted(output.data) if kind.startswith("text/")]


def _environment(folder: str) -> dict[str, Any]:
    """Let the notebooks import this working copy, compute on one thread, and leave nothing behind but in a folder."""
    root = str(FOLDER.parent)
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH", ""))))
    # What a debugger would say of frozen modules is of no use here.
    quiet = {"PYDEVD_DISABLE_FILE_VALIDATION": "1", "IPYTHONDIR": folder}
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", **quiet}


def main(names: list[str]) -> None:
    """Execute the notebooks of these names, or all."""
    wanted = {name.removesuffix(".ipynb") for name in names}
    found = [path for path in notebooks() if not wanted or path.stem in wanted]
    if unknown := wanted - {path.stem for path in found}:
        sys.exit(f"Error: no such notebook: {', '.join(sorted(unknown))} in notebooks/.")
    for path in found:
        nbformat.write(executed(path), path)
        sys.stdout.write(f"{path.name}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
