"""Replicates of T_m computed in a separate process, and the machine code that it used.

`Environment` is the interface for tests. The process behind `Environment.compute` runs this module.
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

#: Definition, in the text of an LLVM module, of a function whose machine code is linked with that of other functions.
_SHARED = re.compile(r"^define linkonce_odr [^@]*@\"?(_ZN11simulations\w+)", re.MULTILINE)


@dataclass(frozen=True)
class Computed:
    """The results of a process.

    Attributes
    ----------
    replicates : dict
        By engine and kernel, every replicate as a hexadecimal number.
    compiled, loaded : int
        The numbers of functions that were compiled, and that were loaded from disk.
    kept : bool
        Whether the machine code of any function can be cached on disk.
    shared : list of str
        Compiled functions that call the machine code of another function, with the symbol of the latter.
    """

    replicates: dict[str, list[str]]
    compiled: int
    loaded: int
    kept: bool
    shared: list[str]


@dataclass(frozen=True)
class Environment:
    """The environment of processes: the first folder on their import path, and their variables."""

    folder: Path
    variables: Mapping[str, str]

    @classmethod
    def with_cache(cls, folder: Path) -> Environment:
        """Return an environment that caches machine code in ``folder``, which need not exist."""
        return cls(ROOT, {"NUMBA_CACHE_DIR": str(folder)})

    @classmethod
    def without_cache(cls, folder: Path) -> Environment:
        """Return an environment that cannot cache machine code, because files replace every folder for it.

        Its processes import a copy of `simulations` in ``folder``, since numba can also cache next to the modules.
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
    """Compute the replicates and print the results."""
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
    # Imported here, because the process of the tests computes no replicates.
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
    """Return the other functions whose machine code ``function`` calls, if it was compiled here."""
    signatures = [signature for signature in function.signatures if function.stats.cache_misses[signature]]
    return [other for signature in signatures for other in _SHARED.findall(function.inspect_llvm(signature))]


if __name__ == "__main__":
    main(*sys.argv[1:])
