"""``train``: train a VAE or an EVAE."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands.shared import completions
from commands.shared.completions import one_of
from commands.shared.failures import warnings_as_sentences
from commands.shared.invocation import was_given
from commands.shared.options import (
    common_options,
    data_dir_option,
    device_option,
    plot_option,
    precision_option,
    runs_dir_option,
)
from commands.shared.output import checked_plots, console_for, json_output, save_plots, write_json

if TYPE_CHECKING:
    from evae.runs.run import Run


@click.command(short_help="Train a VAE or an EVAE.")
@click.option(
    "--dataset",
    default="digits",
    show_default=True,
    metavar="NAME|npz:FILE|folder:DIR",
    shell_complete=one_of(completions.datasets),
    help="What to train on. digits: scikit-learn's 1,797 real digits, nothing to download. mnist, fashion-mnist, "
    "cifar10: torchvision's own files in --data-dir, seen at 32x32 pixels (Appendix B). celeba: the official archive "
    "celeba/img_align_celeba.zip in --data-dir as it is, or its folder, whole or a subset; cut to 140x140 and seen at "
    "64x64, the validation faces held out. npz:FILE: uint8 arrays train_images and test_images, or x_train and x_test. "
    "folder:DIR: images of any size in DIR/train and DIR/test, nested folders too. FILE and DIR are looked for as "
    "given, then in --data-dir. Decoded images are kept in --data-dir/decoded. See also: datasets --help.",
)
@click.option(
    "--model",
    default="vae",
    show_default=True,
    metavar="NAME",
    shell_complete=one_of(completions.settings("PRESETS")),
    help="A posterior with an objective. vae: gaussian + elbo, the paper's baseline. evae: kde + kde-bound, the "
    "paper's method. evae-exact: kde + elbo, EVAE's own noise under a bound that holds. evae-direct: epanechnikov + "
    "elbo, compact support alone. evae-repaired: epanechnikov + uniform-prior, where Lemma 3.2 does apply. "
    "gaussian-kde: evae with a Gaussian kernel. beta-vae: vae with beta 4. ae: none + reconstruction. The options "
    "below change it.",
)
@click.option(
    "--posterior",
    metavar="NAME",
    shell_complete=one_of(completions.settings("POSTERIORS")),
    help="The noise of a code, in place of the model's. gaussian: mu + sigma eps. epanechnikov: mu + r K with density "
    "(3/4)(1 - x^2). uniform: mu + r U[-1, 1]. kde: b(mu + r K) + U[-B, B], Algorithm 1 with b = 0.3594. none: mu.",
)
@click.option(
    "--objective",
    metavar="NAME",
    shell_complete=one_of(completions.settings("OBJECTIVES")),
    help="What is added to the reconstruction error, in place of the model's. elbo: the exact KL divergence to "
    "N(0, I). kde-bound: B I(K)/(M r) of equation (8), which for Epanechnikov K is 3B/(5Mr). uniform-prior: the "
    "divergence from U[-l/2, l/2], with the posterior kept inside. reconstruction: nothing. A pair without an exact "
    "formula is refused.",
)
@click.option(
    "--kernel",
    metavar="NAME",
    shell_complete=one_of(completions.settings("KERNELS")),
    help="K of the posterior kde: epanechnikov (unless the model says otherwise), gaussian or uniform, all of variance "
    "1/5, so that they differ in shape only. kde-bound takes each kernel's own roughness I(K).",
)
@click.option(
    "--prior-length",
    metavar="learned|B",
    shell_complete=one_of(lambda: ["learned"]),
    help="B of the posterior kde: learned, an output of the encoder as in Algorithm 1 (the default), or a constant. "
    "kde-bound rewards a learned B for shrinking to zero, and the uniform noise shrinks with it.",
)
@click.option(
    "--interval",
    metavar="printed|corrected",
    shell_complete=one_of(completions.settings("INTERVALS")),
    help="Where the posterior kde draws U: on [-B, B] as Algorithm 1 prints it (the default), or corrected on "
    "[-B/2, B/2], so that B is the interval's length, as the text has it.",
)
@click.option(
    "--beta",
    type=float,
    metavar="BETA",
    help="Weight of the regularisation term, in every objective that has one: 1 is the paper's (the default); with "
    "elbo, more is a beta-VAE.",
)
@click.option(
    "--uniform-length",
    type=float,
    metavar="L",
    help="Length l of the interval of uniform-prior; by default sqrt(12) = 3.4641, of variance 1 as N(0, 1).",
)
@click.option(
    "--divergence",
    metavar="kl|renyi2",
    shell_complete=one_of(completions.settings("DIVERGENCES")),
    help="Of uniform-prior. kl (the default): exact, for the epanechnikov posterior log(l/r) + log 3 - 5/3. renyi2: "
    "the bound log(3l/(5r)) on it, which Epanechnikov noise makes least at a given variance.",
)
@click.option(
    "--latent-dim",
    type=int,
    default=64,
    show_default=True,
    help="d_z, the number of latent dimensions. The paper uses 8, 16, 32 and 64.",
)
@click.option(
    "--epochs", type=int, default=50, show_default=True, help="Passes over the training images; the paper's 50."
)
@click.option(
    "--batch-size",
    type=int,
    default=100,
    show_default=True,
    help="Images in a step; the paper's 100. It is also M in the penalty of equation (8).",
)
@click.option("--lr", type=float, default=1e-4, show_default=True, help="Learning rate of Adam; the paper's 1e-4.")
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Decides the first weights, the order of the images and the noise.",
)
@click.option(
    "--seeds",
    metavar="N,N|N-N",
    help="Train a run of each seed, all at once in one process, such as 0-7, which is meant for a GPU that one run "
    "leaves idle; on a CPU it takes no less than one after another. Each ends, within rounding, where --seed N alone "
    "would, and is a run as any other. One whose loss becomes NaN fails alone. --name gets -seedN behind it.",
)
@device_option
@precision_option
@click.option(
    "--deterministic",
    is_flag=True,
    help="Use only algorithms that give the same bits each time: on CUDA the same seed then gives the same run, more "
    "slowly. On the CPU it does anyway, for one number of threads.",
)
@click.option(
    "--checkpoint-minutes",
    type=float,
    default=10.0,
    show_default=True,
    metavar="MINUTES",
    help="Within an epoch, write a checkpoint after so many minutes; there is one at the end of epochs anyway.",
)
@click.option(
    "--resume",
    metavar="RUN",
    multiple=True,
    shell_complete=completions.runs,
    help="Go on with a run (a folder, or a name in --runs-dir) that was stopped, or is to have more --epochs. It keeps "
    "its options; the result is the same to the bit as if it had never stopped (on CUDA if it is --deterministic). "
    "Given several times: with runs of --seeds, all at once again.",
)
@data_dir_option
@runs_dir_option
@click.option(
    "--name",
    metavar="NAME",
    help="The run's folder, refused if it exists. By default it is made of data set, model, d_z and seed, such as "
    "mnist-evae-d64-seed0, with -2, -3, ... behind it when that is taken.",
)
@click.option(
    "--limit-train",
    type=int,
    metavar="N",
    help="Train on the first N images only, for a quick look.",
)
@click.option(
    "--limit-holdout",
    type=int,
    metavar="N",
    help="Measure on the first N hold-out images only, for a quick look; the run remembers it.",
)
@click.option(
    "--image-size",
    type=int,
    metavar="32|64",
    shell_complete=one_of(completions.settings("IMAGE_SIZES")),
    help="Resolution of npz:FILE and folder:DIR, whose largest centred squares are resized to it; by default 64 where "
    "every image has 64 pixels and more on its shorter side, else 32. The other data sets have Appendix B's.",
)
@plot_option("the errors and the noise of the codes by epoch.")
@common_options
@click.pass_context
def train(
    context: click.Context,
    /,
    resume: tuple[str, ...],
    seeds: str | None,
    plots: tuple[Path, ...],
    json_path: str | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Train a VAE or an EVAE with the networks of Appendix B and the settings of Appendix C.

    A model is a posterior with an objective; each can be replaced, and they combine freely where the objective has an
    exact formula for the posterior. An option that would do nothing for the pair is refused.

    The run's folder keeps the configuration, one line of metrics an epoch, the same as curves (tensorboard --logdir
    runs), the weights of the last finished epoch, the last two checkpoints, and a picture of hold-out images beside
    their reconstructions. Losses are in nats per image, on one scale in training and on hold-out images. Ctrl-C and
    SIGTERM write a checkpoint; also after a crash, --resume goes on.

    Started by torchrun, several processes share each batch, on the CPU or on a CUDA device each: the batch, its noise
    and its normalisation are those of one process, and so is the loss curve within rounding.

    \b
    Examples
      python cli.py train --model evae --name mine
      python cli.py train --resume mine --epochs 100
      python cli.py train --model evae --seeds 0-7
      torchrun --nproc-per-node 2 cli.py train --model evae --device cuda
    """  # noqa: D301
    from evae.compute.place import place
    from evae.configuration.configuration import Configuration
    from evae.experiments.plan import whole_numbers

    config = Configuration(**options)
    if seeds is not None:
        for option in ("seed", "resume"):
            if was_given(context, option):
                raise click.UsageError(f"--seeds and --{option} exclude each other. Give one of them.")
    at_once = None if seeds is None else whole_numbers(seeds, "--seeds")
    if not place().is_first:
        plots, json_path, quiet = (), None, True
    checked_plots(plots)
    number = len(at_once or resume)
    if plots and number > 1:
        from evae.evaluation.figures import MOST_RUNS

        if number > MOST_RUNS:
            raise click.UsageError(f"--plot draws at most {MOST_RUNS} runs, and these are {number}. Leave it out.")
    console = console_for(json_path, quiet)
    with json_output(json_path) as stream, warnings_as_sentences():
        from evae.runs.run import find_run
        from evae.training.display import training_display
        from evae.training.train import resume_seeds, train_seeds
        from evae.training.train import train as train_model
        from foundation.terminal import print_sentence

        with training_display(console) as watcher:
            if resume:
                given = {name: value for name, value in options.items() if was_given(context, name)}
                runs_dir = given.pop("runs_dir", config.runs_dir)
                runs = resume_seeds([find_run(name, runs_dir) for name in resume], watcher, **given)
            elif at_once is not None:
                runs = train_seeds(config, at_once, watcher)
            else:
                runs = (train_model(config, watcher),)
        several = at_once is not None or len(resume) > 1
        if plots:
            from evae.evaluation.figures import run_figure, training_figure

            save_plots(training_figure(*runs) if several else run_figure(runs[0]), plots)
        documents = [run_document(run) for run in runs]
        write_json(stream, {"runs": documents} if several else documents[0])
        where = ", ".join(str(run.path) for run in runs)
        picture = "reconstructions.png"
        told = f"The runs are in {where}; look at {picture} in each."
        if not several:
            told = f"The run is in {where}; look at {runs[0].path / picture}."
        print_sentence(console, told)
        # A command stays on one line, so that it can be copied.
        console.print(f"Next: python cli.py evaluate {shlex.quote(str(runs[0].path))}", markup=False, soft_wrap=True)


def run_document(run: Run) -> dict[str, Any]:
    """Return what the JSON of ``train`` holds of a run."""
    config = run.configuration
    document = {"run": str(run.path), **run.status, "configuration": dataclasses.asdict(config)}
    return {**document, "recipe": config.recipe.document(), "metrics": run.metrics}
