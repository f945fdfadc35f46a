"""Replicates of T_m, computed by a process of their own, and the machine code that it used.

`Environment` is the side of the tests. The process behind `Environment.compute` runs this module.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.support.places import ROOT

M, REPLICATES, SEED = 5000, 300, 0

#: A function whose machine code is shared with that of other functions, in the text of an LLVM module.
_SHARED = re.compile(r"^define linkonce_odr [^@]*@\"?(_ZN11simulations\w+)", re.MULTILINE)


@dataclass(frozen=True)
class Computed:
    """What a process computed.

    Attributes
    ----------
    replicates : dict
        By engine and kernel, every replicate as a hexadecimal number.
    compiled, loaded : int
        The functions that were compiled, and those that were loaded from disk.
    kept : bool
        Whether the machine code of any function can be kept on disk.
    shared : list of str
        The functions that were compiled and call the machine code of another, with the symbol of that one.
    """

    replicates: dict[str, list[str]]
    compiled: int
    loaded: int
    kept: bool
    shared: list[str]


@dataclass(frozen=True)
class Environment:
    """Where processes run: the folder that they import packages from first, and the variables that are set."""

    folder: Path
    variables: Mapping[str, str]

    @classmethod
    def with_cache(cls, folder: Path) -> Environment:
        """Return one whose processes keep machine code in ``folder``, which need not exist."""
        return cls(ROOT, {"NUMBA_CACHE_DIR": str(folder)})

    @classmethod
    def without_cache(cls, folder: Path) -> Environment:
        """Return one whose processes can keep no machine code: files are in the place of every folder for it.

        They import a copy of `simulations` in ``folder``, since machine code can also be kept beside the modules.
        """
        package = folder / "simulations"
        shutil.copytree(ROOT / "simulations", package, ignore=shutil.ignore_patterns("__pycache__"))
        for module in package.rglob("*.py"):
            (module.parent / "__pycache__").touch()
        return cls(folder, {"NUMBA_CACHE_DIR": "", "XDG_CACHE_HOME": str(package / "__pycache__")})

    def run(self, *arguments: object) -> str:
        """Run Python with ``arguments`` and return its standard output."""
        variables = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **self.variables}
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=self.folder,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def compute(self, engines: Sequence[str], kernels: Sequence[str]) -> Computed:
        """Compute replicates for every engine with every kernel."""
        answer = self.run("-m", "tests.support.replicate_bits", ",".join(engines), ",".join(kernels))
        return Computed(**json.loads(answer))


def main(engines: str, kernels: str) -> None:
    """Print what this process computes."""
    replicates = {
        f"{engine} {kernel}": [value.hex() for value in _values(engine, kernel)]
        for engine in engines.split(",")
        for kernel in kernels.split(",")
    }
    functions = list(_compiled_functions())
    computed = Computed(
        replicates,
        compiled=sum(function.stats.cache_misses.total() for function in functions),
        loaded=sum(function.stats.cache_hits.total() for function in functions),
        kept=any(function.stats.cache_path for function in functions),
        shared=[f"{function.__name__}: {other}" for function in functions for other in _shared(function)],
    )
    print(json.dumps(asdict(computed)))


def _values(engine: str, kernel: str) -> list[float]:
    # Imported here: the process that asks for the replicates computes none.
    from simulations import Study, replicate_values

    study = Study(M, REPLICATES, kernel=kernel, seed=SEED, engine=engine)
    return [float(value) for value in replicate_values(study, workers=1)]


def _compiled_functions() -> Iterator[Any]:
    """Yield every compiled function of the package, once."""
    from numba.core.dispatcher import Dispatcher

    for name, module in list(sys.modules.items()):
        if name.startswith("simulations."):
            for function in vars(module).values():
                if isinstance(function, Dispatcher) and function.__module__ == name:
                    yield function


def _shared(function: Any) -> list[str]:
    """Return the other functions whose machine code ``function``, if it was compiled here, calls."""
    signatures = [signature for signature in function.signatures if function.stats.cache_misses[signature]]
    return [other for signature in signatures for other in _SHARED.findall(function.inspect_llvm(signature))]


if __name__ == "__main__":
    main(*sys.argv[1:])
