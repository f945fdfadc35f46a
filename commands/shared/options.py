"""Options of the commands, built from the rows of tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import click

from commands.shared.completions import Completer, files, folders, one_of
from evae.configuration.domains import Domain, File, Folder, beginnings, choice, whole_number
from evae.configuration.options import OPTIONS, Option
from evae.evaluation.names import (
    BINARISATIONS,
    CHAINS,
    LEAPFROG_STEPS,
    LIKELIHOODS,
    SAMPLES,
    SCORED_IMAGES,
    TEMPERATURES,
    WEIGHTS,
)
from evae.features.names import CHOICES
from foundation.errors import InputError
from theory.names import (
    DENSITY_BEGINNINGS,
    EXPRESSION,
    FAMILY_PARAMETERS,
    KERNEL_NAMES,
    WEIGHT_FORMS,
    name_expression,
    write_form,
)

Decorator = Callable[[Any], Any]

_FAMILY_FORMS = ", ".join(map(write_form, FAMILY_PARAMETERS))

#: Options of simulation and image evaluation that several commands share; `OPTIONS` holds those of training.
SHARED = {
    row.name: row
    for row in (
        Option(
            "kernel",
            "epanechnikov",
            Domain(words=KERNEL_NAMES),
            "K, the kernel of the density estimate.",
            "epanechnikov (the paper's), uniform, triangular, biweight, triweight or cosine, each on [-1, 1], or "
            "gaussian, of standard deviation 1, or logistic, of scale 1. Or, with --kernel-support, a formula in x: "
            "a polynomial or a cosine between the points where abs, min, max, sign and Heaviside switch, or a Gaussian "
            "or logistic density from -oo to oo.",
            metavar="NAME|EXPR",
        ),
        Option(
            "kernel_support",
            None,
            Domain(),
            "The ends of the support of a --kernel that is a formula in x, as in -1,1 for 15/16*(1-x**2)**2.",
            metavar="A,B",
        ),
        Option(
            "density",
            "normal",
            Domain(words=DENSITY_BEGINNINGS),
            "f, from which the samples are drawn and with which the estimate is compared.",
            f"A family with its parameters, as in t:5 or gamma:2,scale=3: {_FAMILY_FORMS}. Any continuous "
            "distribution of scipy.stats, as in 'scipy:invgauss(0.5,loc=1)'. A mixture of these, as in "
            "'mixture:0.5*normal(-1,0.5)+0.5*t(5)', quoted for the shell. Or, with --support, a formula in x.",
            metavar="NAME|EXPR",
        ),
        Option(
            "support",
            None,
            Domain(),
            "The ends of the support of a --density that is a formula in x, as in 0,oo for x*exp(-x).",
            metavar="A,B",
        ),
        Option(
            "weight",
            "one",
            Domain(words=beginnings(WEIGHT_FORMS)),
            "a, the weight under the integral, in the units of the density.",
            "window:c,d (1 on [c, d] and 0 elsewhere), inverse-density:c,d (1/f there), or one (1 everywhere). Theorem "
            "3.1 requires a bounded, integrable weight, which neither one nor the paper's 1/f on the whole line is.",
            metavar="NAME",
        ),
        Option(
            "bandwidth",
            "m^-0.235",
            Domain(),
            "b, the bandwidth, in the units of the density: a number, or m^-DELTA.",
            "Theorem 3.1 requires a rule with 2/9 < DELTA < 1/4; the paper uses m^-2/9.",
            metavar="NUMBER|m^-DELTA",
        ),
        Option(
            "replicates",
            10_000,
            Domain(int),
            "Simulated samples at each m.",
            "The error of the simulated mean falls with the square root of their number.",
            metavar="N",
        ),
        Option(
            "seed",
            0,
            Domain(int),
            "Seed of the simulated samples.",
            "Replicate r at m is drawn from the stream (seed, m 2**32 + r) of the generator Philox4x32-10, whatever "
            "else is chosen: studies at different m are independent.",
            metavar="N",
        ),
        Option(
            "workers",
            None,
            Domain(int),
            "Threads that simulate; the result does not depend on it.",
            metavar="N",
            default_text="one for each core",
        ),
        Option(
            "cluster",
            None,
            Domain(),
            "Compute on the workers of this dask scheduler, such as tcp://host:8786, or of one started here with N "
            "workers; the result does not depend on it.",
            "Needs the extra epanechnikov-vae[cluster].",
            metavar="ADDRESS|local:N",
        ),
        Option(
            "weights",
            None,
            choice(*WEIGHTS),
            "Weights of a run that keeps those of its best epoch (train --keep).",
            "The output has their epoch.",
            metavar="best|last",
            default_text="best where they are kept, else last",
        ),
        Option(
            "features",
            "auto",
            choice(*CHOICES),
            "Features whose Fréchet distance from the hold-out images is reported.",
            "inception: the FID, with pytorch-fid's network. imagenet: those of EfficientNet-Lite0, trained on "
            "ImageNet; not FID, but for every data set and nothing to download. classifier: those of a small "
            "classifier that is trained once, seeded, on the data set's own labels; not FID either. none: no distance. "
            "auto: inception where its weights can be had, otherwise imagenet; the output says which.",
            metavar="auto|inception|imagenet|classifier|none",
        ),
        Option(
            "inception_weights",
            None,
            File(),
            "pytorch-fid's weights of the Inception network.",
            "By default they are looked for where EVAE_INCEPTION_WEIGHTS says and in torch's hub folder, and otherwise "
            "downloaded; their SHA-256 is checked.",
            metavar="FILE",
        ),
        Option(
            "likelihood",
            None,
            LIKELIHOODS,
            "Estimate the log-likelihood of the hold-out images.",
            "is: by importance sampling, under the model's fixed prior, if any, and under a mixture fitted to the "
            "codes of the training images. Half of the codes come from the posterior, half from normal laws that "
            "reach beyond it. ais: by annealed importance sampling, from the law of codes alone, hundreds of times "
            "slower: a fair judge of all models, certified by the gap of two bounds. The pixels must be 0 or 255: see "
            "--binarise. Later evaluations of the same weights keep the estimate.",
            metavar="is|ais",
        ),
        Option(
            "samples",
            None,
            SAMPLES,
            "Codes drawn for each image with --likelihood is.",
            "The estimate is a lower bound on average, which rises with their number.",
            metavar="K",
            default_text="5,000",
        ),
        Option(
            "chains",
            None,
            CHAINS,
            "Chains for each image and law with --likelihood ais.",
            metavar="N",
            default_text="16",
        ),
        Option(
            "temperatures",
            None,
            TEMPERATURES,
            "Temperatures of each chain with --likelihood ais.",
            "The estimate is a lower bound on average, which rises with their number.",
            metavar="T",
            default_text="500",
        ),
        Option(
            "leapfrog_steps",
            None,
            LEAPFROG_STEPS,
            "Leapfrog steps at each temperature with --likelihood ais.",
            metavar="N",
            default_text="2",
        ),
        Option(
            "binarise",
            None,
            BINARISATIONS,
            "How grey pixels become binary for --likelihood, in hold-out and training images.",
            "threshold: 255 from 128 on, else 0. static: 255 with the probability pixel / 255, drawn once, the same "
            "for all runs. Grey images are refused without it, since the Bernoulli likelihood is one of binary pixels "
            "only. A run trained with --binarise has binary images: leave it out.",
            metavar="threshold|static",
        ),
        Option(
            "likelihood_images",
            None,
            SCORED_IMAGES,
            "Hold-out images whose log-likelihood is estimated, the first ones.",
            metavar="N",
            default_text="all",
        ),
        Option(
            "jobs",
            None,
            whole_number(),
            "Processes that decide claims at the same time.",
            metavar="N",
            default_text="one for each core",
        ),
    )
}


def option(row: Option, **changes: Any) -> Decorator:
    """Build the option of a row; ``changes`` override its attributes."""
    row = dataclasses.replace(row, **changes)
    is_flag = row.domain.type is bool
    is_path = isinstance(row.domain, File | Folder)
    return click.option(
        row.flag,
        row.name,
        type=click.Path() if is_path else row.domain.type,
        is_flag=is_flag,
        default=row.default,
        show_default=(row.default is not None and not is_flag) or None,
        metavar=row.metavar,
        shell_complete=_completer(row.domain),
        callback=lambda _context, _parameter, value: row.require(value),
        help=row.help,
    )


def table_options(table: Mapping[str, Option], *names: str) -> Decorator:
    """Build the named options of a table in the given order, or all if no name is given."""

    def add(command: Any) -> Any:
        for name in reversed(names or tuple(table)):
            command = option(table[name])(command)
        return command

    return add


def kernel_option(kernel: str, support: str | None) -> str:
    """Return the name of the kernel that ``--kernel`` and ``--kernel-support`` stand for together.

    Raises
    ------
    InputError
        If the support is not two ends, or the kernel has one of its own.
    """
    if support is None:
        return kernel
    return _name_with_support(kernel, support, "kernel", "--kernel-support", KERNEL_NAMES)


def density_option(density: str, support: str | None, kind: str = "density", option: str = "--support") -> str:
    """Return the name of the density that ``--density`` and ``--support``, or two others, stand for together.

    Raises
    ------
    InputError
        If the support is not two ends, or the density has one of its own.
    """
    if support is None:
        return density
    names = {beginning.rstrip(":") for beginning in DENSITY_BEGINNINGS}
    return _name_with_support(density, support, kind, option, names)


def _name_with_support(formula: str, support: str, kind: str, option: str, names: Collection[str]) -> str:
    if support.count(",") != 1:
        raise InputError(f"{option} must be two ends, got {support!r}. Try 0,1 or -oo,oo.")
    if formula.partition(":")[0].strip() in {*names, EXPRESSION.rstrip(":")}:
        raise InputError(f"{option} must stand with a --{kind} that is a formula in x, got {formula!r}. Leave it out.")
    return name_expression(formula, support)


def _completer(domain: Domain) -> Completer | None:
    """Return the completion function for a value."""
    if isinstance(domain, Folder):
        return folders
    if isinstance(domain, File):
        return files
    return one_of(domain.words) if domain.words else None


#: The data folder for an existing run.
original_data_dir_option = option(
    OPTIONS["data_dir"],
    default=None,
    summary="Folder of the data set; by default the one from which the run was trained.",
)


#: The network of an existing run.
own_network_option = option(
    OPTIONS["network"],
    default=None,
    summary="The network of the run, if it is one of your own.",
    details="Its code is run. A run folder may come from anyone, so that a network which only the folder names is not "
    "imported.",
    metavar="module:FUNCTION",
)


def path_option(
    *names: str, help: str, metavar: str = "FILE", complete: Completer = files, **settings: Any
) -> Decorator:
    """Build an option whose value is the path of a file or a folder; ``settings`` are those of `click.option`."""
    return click.option(
        *names, type=click.Path(path_type=Path), metavar=metavar, shell_complete=complete, help=help, **settings
    )


def resume_option(kept: str, work: str) -> Decorator:
    """Build the option ``--resume`` of a command that simulates: ``kept`` is in the file of an interrupted ``work``."""
    return click.option(
        "--resume",
        type=click.Path(),
        metavar="FILE",
        shell_complete=files,
        help=f"Keep {kept} in FILE, created if it does not exist, and resume from there: an interrupted {work} to the "
        "identical result, a finished one to more --replicates.",
    )


def plot_option(subject: str) -> Decorator:
    """Build the option ``--plot`` of a command that draws ``subject``; see `commands.shared.output`."""
    return click.option(
        "--plot",
        "plots",
        type=click.Path(path_type=Path),
        multiple=True,
        metavar="FILE",
        help=f"Draw the result as FILE, a .png, .svg or .pdf: {subject} Repeatable.",
    )


def common_options(command: Any) -> Any:
    """Add the options of every command: ``--json``, ``--quiet`` and ``--debug``."""
    for add in (
        click.option(
            "--debug", is_flag=True, expose_value=False, help="Show the traceback of an error instead of one sentence."
        ),
        click.option("--quiet", is_flag=True, help="Print no progress and no tables."),
        click.option(
            "--json",
            "json_path",
            type=click.Path(allow_dash=True),
            metavar="PATH|-",
            shell_complete=files,
            help="Write the machine-readable result to PATH; on '-', to standard output and nothing else there.",
        ),
    ):
        command = add(command)
    return command
