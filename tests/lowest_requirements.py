"""Print the lowest versions that pyproject.toml admits, without those of networks, cluster, benchmarks and linters."""

import re
import tomllib
from pathlib import Path

LEFT_OUT = {
    "KDEpy",
    "torch",
    "torchvision",
    "safetensors",
    "tensorboard",
    "pytorch-fid",
    "torchmetrics",
    "build",
    "dask",
    "distributed",
    "mypy",
    "ruff",
}


def main() -> None:
    project = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text(encoding="utf-8"))["project"]
    for requirement in [*project["dependencies"], *project["optional-dependencies"]["dev"]]:
        name, lowest = re.split(">=|,", requirement)[:2]
        if name not in LEFT_OUT:
            print(f"{name}=={lowest}")


if __name__ == "__main__":
    main()
