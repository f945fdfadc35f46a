"""The command line: the group of commands, and the entry point."""

from __future__ import annotations

from commands.shared.startup import prepare_program

# The imports below take most of the time of a short command.
prepare_program()

import click

from commands.completion import print_completion
from commands.datasets import datasets
from commands.evaluate import evaluate
from commands.fit import test_fit
from commands.report import report
from commands.reproduce import reproduce
from commands.sample import sample
from commands.shared.failures import CommandLine
from commands.simulate_tm import simulate_tm
from commands.train import train
from commands.verify_lemmas import verify_lemmas


@click.group(
    cls=CommandLine,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="epanechnikov-vae", message="%(version)s")
@click.pass_context
def main(context: click.Context) -> None:
    """Is the theory of the Epanechnikov variational autoencoder right, does the method work, and why?

    Each COMMAND explains itself: python cli.py COMMAND --help.
    """
    from evae.compute.place import place

    processes, command = place().count, context.invoked_subcommand
    if processes > 1 and command not in (None, "train"):
        raise click.UsageError(
            f"torchrun started {processes} processes, but only train supports that. Run {command} directly."
        )
    if command is None:
        print(context.get_help())


for command in (
    verify_lemmas,
    simulate_tm,
    test_fit,
    train,
    evaluate,
    sample,
    reproduce,
    report,
    datasets,
    print_completion,
):
    main.add_command(command)


if __name__ == "__main__":
    main()
