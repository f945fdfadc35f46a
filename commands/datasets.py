"""``datasets``: list, download and check data sets."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.shared.completions import one_of
from commands.shared.failures import EXIT_CHECK_FAILED, CommandLine
from commands.shared.options import common_options, table_options
from commands.shared.output import console_for, json_output, write_json
from evae.configuration.options import DATASET_WORDS, OPTIONS

if TYPE_CHECKING:
    from rich.console import Console

    from evae.data.source import Survey


@click.group(cls=CommandLine, invoke_without_command=True, short_help="List, download and check the data sets.")
@click.pass_context
def datasets(context: click.Context) -> None:
    """List, download and check the data sets that train knows.

    \b
    Where each is, in --data-dir
      digits         nowhere: scikit-learn holds them
      mnist          MNIST/raw, as torchvision makes it
      fashion-mnist  FashionMNIST/raw, as torchvision makes it
      cifar10        cifar-10-batches-py (torchvision's) or cifar-10-batches-bin
      celeba         celeba/img_align_celeba.zip as it is, or as a folder of that
                     name without .zip; a subset will do

    Instead of their folders, mnist, fashion-mnist and cifar10 may be in any .npz
    file in --data-dir with all of their images: they are known by their content.
    """  # noqa: D301
    if context.invoked_subcommand is None:
        print(context.get_help())


@datasets.command("list", short_help="Say which data sets are there.")
@table_options(OPTIONS, "data_dir")
@common_options
def list_datasets(data_dir: str, json_path: str | None, quiet: bool) -> None:
    """Say which data sets are there, whole, as a subset or damaged, with their sizes.

    The images of mnist, fashion-mnist and cifar10 are compared with the published ones; no image file is decoded.
    """
    from evae.data.catalogue import survey

    console = console_for(json_path, quiet)
    with json_output(json_path) as stream:
        surveys = survey(data_dir)
        write_json(stream, {"data_dir": data_dir, "datasets": [found.document() for found in surveys]})
        print_surveys(surveys, data_dir, console)


@datasets.command("get", short_help="Download a data set.")
@click.argument("name", shell_complete=one_of(DATASET_WORDS))
@table_options(OPTIONS, "data_dir")
@common_options
def get_dataset(name: str, data_dir: str, json_path: str | None, quiet: bool) -> None:
    """Download the data set NAME through torchvision, unless it is there, comparing the published checksums.

    Without a network it says what to fetch and where to put it. NAME is mnist, fashion-mnist, cifar10 or celeba.
    """
    from evae.data.downloads import get

    console = console_for(json_path, quiet)
    with json_output(json_path) as stream:
        found = get(name, data_dir, quiet)
        write_json(stream, found.document())
        print_surveys([found], data_dir, console)


@datasets.command("check", short_help="Compare checksums and decode every image.")
@click.argument("name", shell_complete=one_of(DATASET_WORDS))
@table_options(OPTIONS, "data_dir")
@common_options
def check_dataset(name: str, data_dir: str, json_path: str | None, quiet: bool) -> int:
    """Compare the data set NAME with published checksums, and decode every image.

    NAME may also be npz:FILE or folder:DIR. What was skipped is counted. The decoded images that train keeps are
    recreated. The exit code is 1 if anything is missing, damaged or of another data set.
    """
    from evae.data.catalogue import check
    from foundation.progress import show_decoding_progress
    from foundation.terminal import print_sentence

    console = console_for(json_path, quiet)
    with json_output(json_path) as stream:
        with show_decoding_progress(quiet) as progress:
            checks = check(name, data_dir, progress=progress)
        passed = all(result.passed for result in checks)
        document = {"dataset": name, "passed": passed, "checks": [dataclasses.asdict(result) for result in checks]}
        write_json(stream, document)
        for result in checks:
            verdict = "right" if result.passed else "WRONG"
            print_sentence(console, f"{verdict}  {result.name}: {result.detail}")
    return 0 if passed else EXIT_CHECK_FAILED


def print_surveys(surveys: Sequence[Survey], data_dir: str, console: Console) -> None:
    """Print a table of the data sets and their states, with a line on each damaged one."""
    from foundation.terminal import FittingTable, print_sentence

    rows = []
    for found in surveys:
        numbers = ["" if number is None else f"{number:,}" for number in (found.train, found.holdout)]
        size = "" if found.bytes is None else f"{found.bytes / 1e6:,.1f}"
        place = found.place.removeprefix(f"{Path(data_dir)}{os.sep}")
        rows.append((found.name, found.state, *numbers, size, place))
    columns = ("data set", "state", "training", "hold-out", "MB", "where")
    console.print(FittingTable(columns, rows, range(2, 5), f"In {data_dir}"))
    for found in surveys:
        if found.remark:
            print_sentence(console, f"{found.name}: {found.remark}")
