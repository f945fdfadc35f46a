"""``completion``: print the script for shell completion."""

from __future__ import annotations

import click

from commands.shared import completions
from commands.shared.failures import Command, OneOf
from commands.shared.options import common_options
from commands.shared.output import json_output, write_json


@click.command("completion", cls=Command, short_help="Print what makes a shell complete this command line.")
@click.argument("shell", type=OneOf(completions.SHELLS), metavar="bash|zsh|fish")
@click.option("--python", is_flag=True, help="Also complete python cli.py. In bash only.")
@common_options
@click.pass_context
def print_completion(context: click.Context, /, shell: str, python: bool, json_path: str | None, quiet: bool) -> None:
    """Print the script with which bash|zsh|fish completes evae: commands, options, names, runs and files.

    It asks this program what may follow, in a quarter of a second. With --python bash also completes the arguments of
    python cli.py; whatever else python runs completes to names of files.

    \b
    What to put into the shell's start-up file
      .bashrc      eval "$(evae completion bash)"
      .zshrc       eval "$(evae completion zsh)"
      config.fish  evae completion fish | source

    \b
    For this shell only, without an installed evae
      eval "$(python cli.py completion bash --python)"
    """  # noqa: D301
    if python and shell != "bash":
        raise click.UsageError(f"--python is for bash: {shell} completes evae alone. Leave it out.")
    script = completions.script(shell, context.find_root().command, python)
    with json_output(json_path) as stream:
        write_json(stream, {"shell": shell, "script": script})
    if json_path != "-" and not quiet:
        print(script.rstrip())
