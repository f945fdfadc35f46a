"""The command line: parses, calls, prints.

No mathematics and no training happens here, and everything heavy is imported inside the command that needs it,
so that ``--help`` answers at once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import shlex
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn, TextIO

import click

import completion
from completion import files, folders, one_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Console

    from evae.data.source import Survey
    from evae.experiments.results import Results
    from evae.runs import Run
    from foundation.errors import Interruption
    from simulations import SimulationInterrupted, Study
    from theory.ledger.finding import Finding

EXIT_CHECK_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130
#: How long the other processes wait for the first to say what is wrong with the command that all were given.
SECONDS_TO_SPEAK = 20
OWN_PACKAGES = ("theory", "simulations", "evae", "report")
#: What ends a command without a defect, and so without a traceback for ``--debug``.
EXPECTED = (click.ClickException, click.Abort, KeyboardInterrupt, BrokenPipeError)
FROM_THE_COMMAND_LINE = click.core.ParameterSource.COMMANDLINE


class CommandLine(click.Group):
    """A group whose every failure is one sentence on standard error; ``--debug`` shows the traceback."""

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Run the command and exit with its status: 0, 1 a check failed, 2 bad input, 130 interrupted."""
        kwargs["standalone_mode"] = False
        kwargs["complete_var"] = completion.VARIABLE
        completion.register()
        given = kwargs.get("args") or (args[0] if args else None)
        try:
            with terminated_in_order():
                status = super().main(*args, **kwargs)
                sys.stdout.flush()
        except SystemExit as exit_without_a_word:
            status = exit_without_a_word.code
        except BaseException as error:
            if given is None and threading.current_thread() is threading.main_thread():
                # This process is about to end, and a second Ctrl-C does not disturb it.
                signal.signal(signal.SIGINT, signal.SIG_IGN)
            if "--debug" in (given or sys.argv[1:]) and not isinstance(error, EXPECTED):
                raise
            status = _answer(error)
        status = status if isinstance(status, int) else 0
        _exit(status, at_once=given is None and status >= EXIT_INTERRUPTED)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find the command, or suggest the nearest."""
        unknown = args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-")
        if unknown and not ctx.resilient_parsing:
            from foundation.errors import suggestion

            raise click.UsageError(f"{args[0]!r} is no command. {suggestion(args[0], self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)


@contextlib.contextmanager
def terminated_in_order() -> Iterator[None]:
    """Let SIGTERM end a command as Ctrl-C does, cleaning up; train and simulate-tm say more, in their own way."""

    def interrupt(number: int, _frame: object) -> NoReturn:
        from foundation.errors import Interruption

        raise Interruption("terminated; nothing is half written, and the same command starts again.", number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        # One of several processes that ends because another failed ignores it from then on.
        if signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:
            signal.signal(signal.SIGTERM, before)


def _answer(error: BaseException) -> int:
    """Say in one sentence what bad input or an interruption came to; raise anything else again, as the defect it is."""
    from evae.launch import ProcessLost
    from foundation.errors import InputError, Interruption

    if isinstance(error, click.ClickException):
        return _refuse(_sentence(error))
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return _refuse("interrupted; nothing is half written, and the same command starts again.", EXIT_INTERRUPTED)
    if isinstance(error, BrokenPipeError):
        # The reader of our output went away, as `head` does: what is left to say goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if isinstance(error, Interruption):
        return _refuse(error.sentence, 128 + error.signal_number)
    if isinstance(error, ProcessLost):
        return _refuse(str(error), in_turn=False)
    if isinstance(error, InputError):
        return _refuse(str(error))
    if isinstance(error, ModuleNotFoundError) and error.name and error.name.partition(".")[0] not in OWN_PACKAGES:
        return _refuse(
            f"{error.name} is not installed for {sys.executable}. Run `make demo` once and `source .venv/bin/activate` "
            "in every shell, or install this project with pip."
        )
    if isinstance(error, OSError) and error.strerror:
        return _refuse(f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror}.")
    raise error


def _sentence(error: click.ClickException) -> str:
    """Say what is wrong and what to do about it; click's own sentences differ from version to version."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if isinstance(error, click.NoSuchOption) and context is not None:
        return f"{error.option_name} is no option of {_name(context)}. {_nearest_option(error.option_name, context)}"
    if isinstance(error, click.MissingParameter) and context is not None and error.param is not None:
        return f"{_name(context)} needs {_as_written(error.param)}. `{_command(context)} --help` shows examples."
    message = error.format_message()
    return message if message.endswith((".", "?", "!", "?)")) else f"{message}."


def _name(context: click.Context) -> str:
    return context.command.name or str(context.info_name)


def _as_written(parameter: click.Parameter) -> str:
    value = parameter.metavar or str(parameter.name).upper()
    return f"{parameter.opts[0]} {value}" if isinstance(parameter, click.Option) else value


def _nearest_option(name: str, context: click.Context) -> str:
    """Return the nearest option, or which commands have one of this name, or where all are listed."""
    from foundation.errors import suggestion

    known = [option for parameter in context.command.params for option in parameter.opts if option.startswith("--")]
    others = [
        command.name
        for command in main.commands.values()
        if any(name in parameter.opts for parameter in command.params)
    ]
    otherwise = f"`{_command(context)} --help` lists its options."
    if others:
        *first, last = map(str, others)
        named = f"{', '.join(first)} and {last} have" if first else f"{last} has"
        otherwise = f"{named} it; {otherwise}"
    return suggestion(name, [*known, "--help"], otherwise, likeness=0.66)


def _command(context: click.Context) -> str:
    """Return the command as somebody types it, without options."""
    parents: list[str] = []
    here = context
    while here.parent is not None:
        parents.insert(0, str(here.info_name))
        here = here.parent
    return " ".join(["python cli.py", *parents])


def _refuse(sentence: str, status: int = EXIT_BAD_INPUT, in_turn: bool = True) -> int:
    if in_turn:
        _let_the_first_process_speak(status)
    print(f"Error: {sentence}", file=sys.stderr, flush=True)
    return status


def _let_the_first_process_speak(status: int) -> None:
    """Of the processes that torchrun started, all of which would say the same, let only the first go on to say it.

    The others are ended by torchrun when the first has failed; one that is not speaks for itself.
    """
    from evae.launch import place

    here = place()
    if here.count == 1:
        return
    if here.is_first:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
    elif status > 128:
        _exit(status, at_once=True)
    else:
        signal.signal(signal.SIGTERM, lambda *_: _exit(status, at_once=True))
        time.sleep(SECONDS_TO_SPEAK)


def _exit(status: int, at_once: bool) -> NoReturn:
    """End this process; ``at_once`` with its children, and without waiting for threads that are still at work."""
    from evae.launch import place

    # The threads by which several processes exchange tensors may outlast the interpreter, which then aborts.
    if not at_once and place().count == 1:
        sys.exit(status)
    multiprocessing = sys.modules.get("multiprocessing")
    for child in multiprocessing.active_children() if multiprocessing else ():
        child.kill()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


class OneOf(click.Choice):  # type: ignore[type-arg]
    """One of a few words; of another the nearest is suggested."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the word, or refuse it."""
        from foundation.errors import suggestion

        if value not in self.choices:
            raise click.UsageError(
                f"{param.opts[0] if param else ''} {value!r} is not known. {suggestion(value, self.choices)}"
            )
        return super().convert(value, param, ctx)


def common_options(command: Any) -> Any:
    """Add the options that every command has: ``--json``, ``--quiet`` and ``--debug``."""
    for option in (
        click.option(
            "--debug", is_flag=True, expose_value=False, help="Show the traceback of an error instead of one sentence."
        ),
        click.option("--quiet", is_flag=True, help="Print no progress and no tables."),
        click.option(
            "--json",
            "json_path",
            metavar="PATH|-",
            shell_complete=files,
            help="Write the machine-readable result to PATH; on '-', to standard output and nothing else there.",
        ),
    ):
        command = option(command)
    return command


def plot_option(what: str) -> Callable[[Any], Any]:
    """Return the option ``--plot`` of a command that draws ``what``; see `checked_plots` and `save_plots`."""
    return click.option(
        "--plot",
        "plots",
        type=click.Path(path_type=Path),
        multiple=True,
        metavar="FILE",
        help=f"Draw the result as FILE, a .png, .svg or .pdf: {what} Repeatable.",
    )


def checked_plots(plots: Sequence[Path]) -> None:
    """Refuse, before the work begins, a file of ``--plot`` that could not be written."""
    if plots:
        from foundation.figures import checked_plot_path

        for path in plots:
            checked_plot_path(path)


def save_plots(figure: Figure, plots: Sequence[Path]) -> None:
    """Write a figure to every file of ``--plot``, each whole or not at all."""
    from foundation.figures import save_figure

    for path in plots:
        with naming("--plot", path):
            save_figure(figure, path)


def console_for(json_path: str | None, quiet: bool) -> Console:
    """Return where a command prints: standard output, or standard error when ``--json -`` claims standard output."""
    from rich.console import Console

    return Console(stderr=json_path == "-", quiet=quiet, highlight=False)


@contextlib.contextmanager
def json_output(json_path: str | None) -> Iterator[IO[str] | None]:
    """Open where ``--json`` writes, before the work begins, so that a path that cannot be written fails at once.

    The file is written aside and takes its name at the end: an interrupted command leaves an earlier result alone.
    """
    if json_path is None:
        yield None
    elif json_path == "-":
        yield sys.stdout
    else:
        with replaced_file(Path(json_path), "--json") as stream:
            yield stream


@contextlib.contextmanager
def replaced_file(path: Path, option: str) -> Iterator[IO[str]]:
    """Give a page whose text replaces ``path`` when the block ends well, after a look whether that can be written."""
    from foundation.errors import InputError
    from foundation.files import written_aside

    if path.is_dir():
        raise InputError(f"{option} {path} is a folder; name a file in it.")
    page = io.StringIO()
    with contextlib.ExitStack() as writing:
        with naming(option, path):
            aside = writing.enter_context(written_aside(path))
        yield page
        with naming(option, path):
            aside.write_text(page.getvalue(), encoding="utf-8")
            writing.pop_all().close()


@contextlib.contextmanager
def naming(option: str, path: Path) -> Iterator[None]:
    """Say in one sentence which option's file the system refused to write."""
    from foundation.errors import InputError

    try:
        yield
    except OSError as error:
        raise InputError(f"{option} {path} cannot be written: {error.strerror}.") from None


def write_json(stream: IO[str] | None, document: dict[str, Any]) -> None:
    """Write ``document`` as strict JSON (no NaN) and end the line."""
    if stream is not None:
        json.dump(document, stream, indent=2, allow_nan=False)
        stream.write("\n")


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
    from evae.launch import place

    processes, command = place().count, context.invoked_subcommand
    if processes > 1 and command not in (None, "train"):
        raise click.UsageError(
            f"torchrun started {processes} processes, and only train shares its work among them. Run {command} without."
        )
    if command is None:
        print(context.get_help())


@main.command("verify-lemmas", short_help="Decide what the paper claims.")
@click.argument("ids", nargs=-1, metavar="[ID]...", shell_complete=one_of(completion.claims))
@click.option("--list", "only_list", is_flag=True, help="List the claims without deciding them.")
@click.option("--explain", is_flag=True, help="Show every step of each proof or refutation, with its formulas.")
@click.option(
    "--assume",
    "assumptions",
    multiple=True,
    metavar="ID=EXPR",
    shell_complete=one_of(completion.assumptions),
    help="Decide EXPR in place of what the paper prints, as in lemma-3.2.minimum='4/(5*r)'. Repeatable. Without an ID "
    "only the claims assumed about are decided.",
)
@click.option(
    "--format",
    "form",
    type=OneOf(["table", "json", "markdown", "latex"]),
    default="table",
    show_default=True,
    help="How the verdicts are shown; LaTeX is a document that compiles by itself.",
)
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Write there instead of the terminal.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many claims are decided at the same time.  [default: one for each core]",
)
@click.option("--density", metavar="EXPR", help="With the ID kernel: a density in x of your own, to be judged.")
@click.option("--support", metavar="A,B", help="With --density: where it is positive, as in -1,1 or -oo,oo.")
@plot_option("with --density, the kernel beside Epanechnikov's, and its efficiency among the others'.")
@click.option(
    "--with-simulations",
    is_flag=True,
    help="Also run the small, seeded simulations that some claims need; without it these stay pending.",
)
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="After this long a claim is given up as undecided, a kernel as beyond judgement.",
)
@common_options
def verify_lemmas(
    ids: tuple[str, ...],
    only_list: bool,
    explain: bool,
    assumptions: tuple[str, ...],
    form: str,
    output: Path | None,
    jobs: int | None,
    time_limit: float,
    density: str | None,
    support: str | None,
    plots: tuple[Path, ...],
    with_simulations: bool,
    json_path: str | None,
    quiet: bool,
) -> int:
    """Decide what the paper claims, by computer algebra.

    Each claim takes what the paper prints as a formula and proves it, corrects it or refutes it by computer algebra.
    ID names a claim (lemma-3.2.minimum) or a group (lemma-3.2); without any, all are decided.

    \b
    Verdicts
      proved       true as printed
      erratum      false as printed; a small correction saves it
      refuted      false, with a counterexample
      conditional  true only under an assumption the paper does not state or meet
      computed     confirmed numerically, without a proof
      simulated    statistical evidence only
      pending      waits for --with-simulations
      undecided    neither, by the means at hand

    \b
    Examples
      python cli.py verify-lemmas --list
      python cli.py verify-lemmas lemma-3.2 --explain
      python cli.py verify-lemmas --assume lemma-3.2.minimum='4/(5*r)'
      python cli.py verify-lemmas kernel --support -1,1 \\
        --density '15/16*(1-x**2)**2'

    The exit code is 1 if a verdict is not the one on record.
    """  # noqa: D301 (click wants the character itself)
    from foundation.processes import usable_cores
    from theory import ledger
    from theory.ledger import finding as report
    from theory.ledger import parallel as workers

    if density is not None or support is not None:
        options = {"--list": only_list, "--explain": explain, "--assume": assumptions, "--format": form != "table"}
        options |= {"--output": output, "--jobs": jobs, "--with-simulations": with_simulations}
        if given := [name for name, value in options.items() if value]:
            raise click.UsageError(f"{given[0]} is about the paper's claims; leave it out to judge a kernel.")
        judge_kernel(ids, density, support, plots, time_limit, json_path, console_for(json_path, quiet))
        return 0
    if plots:
        raise click.UsageError("--plot draws a kernel of your own, and needs the ID kernel, --density and --support.")
    assumed = dict(_split_assumption(text) for text in assumptions)
    chosen = list(ledger.select(ids) if ids or not assumed else ())
    chosen += [ledger.claim_named(name) for name in assumed if name not in {claim.id for claim in chosen}]
    console = console_for(json_path, quiet)
    if only_list:
        options = {"--explain": explain, "--assume": assumptions, "--format": form != "table", "--jobs": jobs}
        options |= {"--with-simulations": with_simulations}
        if given := [name for name, value in options.items() if value]:
            raise click.UsageError(f"{given[0]} does nothing with --list, which decides nothing. Leave it out.")
        with json_output(json_path) as stream, text_output(output, console) as page:
            write_json(stream, report.list_document(chosen))
            page.print(report.claim_list(chosen))
        return 0
    requests = [workers.Request(claim.id, assumed.get(claim.id)) for claim in chosen]
    with json_output(json_path) as stream, text_output(output, console) as page:
        with progress_bar("deciding", len(requests), quiet) as advance:
            findings = workers.decide(
                requests, jobs or usable_cores(), time_limit, lambda finding: advance(finding.claim.id)
            )
        if with_simulations:
            from simulations.evidence import with_evidence

            with busy("simulating what some claims need", quiet):
                findings = [with_evidence(finding) for finding in findings]
        write_json(stream, report.document(findings))
        show_ledger(findings, form, explain, page)
    return 0 if all(finding.as_expected for finding in findings) else EXIT_CHECK_FAILED


def judge_kernel(
    ids: tuple[str, ...],
    density: str | None,
    support: str | None,
    plots: Sequence[Path],
    time_limit: float,
    json_path: str | None,
    console: Console,
) -> None:
    """Judge a kernel of the user's own: its constants, the assumptions it meets, its efficiency."""
    from theory.kernel_assessment import judge_whole
    from theory.ledger.parallel import within

    if density is None or support is None or ids != ("kernel",):
        raise click.UsageError("to judge a kernel: verify-lemmas kernel --density '15/16*(1-x**2)**2' --support -1,1")
    checked_plots(plots)
    with json_output(json_path) as stream:
        with busy("judging the kernel", console.quiet):
            judgement = within(time_limit, judge_whole, density, support)
        if plots:
            from theory.figures import kernel_figure

            save_plots(kernel_figure(judgement), plots)
        write_json(stream, {"kernel": judgement.document()})
    console.print(judgement.table())


def _split_assumption(text: str) -> tuple[str, str]:
    name, equals, expression = text.partition("=")
    if not equals or not expression.strip():
        raise click.UsageError(f"--assume takes ID=EXPR, as in lemma-3.2.minimum='4/(5*r)'; got {text!r}.")
    return name.strip(), expression.strip()


@contextlib.contextmanager
def text_output(path: Path | None, console: Console) -> Iterator[Console]:
    """Yield the console itself, or one that writes to the file, which is opened now and takes its place when whole."""
    from rich.console import Console

    if path is None:
        yield console
        return
    with replaced_file(path, "--output") as stream:
        # A file has no colours, whatever FORCE_COLOR says.
        yield Console(file=stream, width=100, color_system=None, force_terminal=False)


def show_ledger(findings: list[Finding], form: str, explain: bool, page: Console) -> None:
    """Print the findings in the chosen form."""
    from rich.console import Group

    from theory.ledger import finding as report

    if page.quiet:
        return
    if form == "table":
        page.print(Group(*map(report.explanation, findings)) if explain else report.table(findings))
    elif form == "json":
        page.file.write(json.dumps(report.document(findings), indent=2) + "\n")
    else:
        page.file.write((report.markdown if form == "markdown" else report.latex)(findings, explain))


@contextlib.contextmanager
def progress_bar(what: str, total: int, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Show on a terminal how many of ``total`` things are done; yield the function that counts one more."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[last]}"),
    )
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        # A disabled bar prints an empty line in some versions of rich.
        yield lambda _: None
        return
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=total, last="")
        yield lambda last: progress.update(task, advance=1, last=last)


@contextlib.contextmanager
def busy(what: str, quiet: bool) -> Iterator[None]:
    """Show on a terminal that something of unknown length is under way, and for how long it has been."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield
        return
    with Progress(SpinnerColumn(), TextColumn(what), TimeElapsedColumn(), console=console, transient=True) as progress:
        progress.add_task(what, total=None)
        yield


@main.command("simulate-tm", short_help="Simulate the Bickel-Rosenblatt statistic.")
@click.option(
    "--m",
    "sizes",
    type=int,
    multiple=True,
    required=True,
    metavar="M",
    help="Observations in a sample. Repeatable: several make a study of convergence. The paper's example is 100.",
)
@click.option(
    "--replicates",
    type=int,
    default=10_000,
    show_default=True,
    metavar="N",
    help="Independent samples; the error of the simulated mean falls with the root of their number.",
)
@click.option(
    "--kernel",
    default="epanechnikov",
    show_default=True,
    metavar="NAME",
    shell_complete=one_of(completion.kernels),
    help="K: epanechnikov (the paper's), uniform, triangular, biweight, triweight or cosine, each on [-1, 1], or "
    "gaussian, of standard deviation 1.",
)
@click.option(
    "--density",
    default="normal",
    show_default=True,
    metavar="NAME",
    shell_complete=one_of(completion.densities),
    help="f, from which the samples are drawn and with which the estimate is compared: normal (the VAE's prior), "
    "logistic, laplace, uniform:lo,hi, beta:p,q, or a mixture of normals written weight*normal(mean,deviation), as in "
    "'mixture:0.5*normal(-1,0.5)+0.5*normal(1,0.5)', quoted for the shell.",
)
@click.option(
    "--weight",
    default="window:-2,2",
    show_default=True,
    metavar="NAME",
    shell_complete=one_of(completion.weights),
    help="a, the weight under the integral: window:c,d (1 on [c, d] and 0 elsewhere), inverse-density:c,d (1/f there), "
    "or one (1 everywhere). Theorem 3.1 wants a bounded, integrable weight, which neither one nor the paper's own 1/f "
    "on the whole line is.",
)
@click.option(
    "--bandwidth",
    default="m^-0.235",
    show_default=True,
    metavar="NUMBER|m^-DELTA",
    help="b, the kernel's half-width. Theorem 3.1 wants a rule with 2/9 < DELTA < 1/4; the paper takes m^-2/9.",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    metavar="N",
    help="Replicate r at m is drawn from the stream (seed, m 2**32 + r) of the generator Philox4x32-10, whatever else "
    "is chosen: studies at different m are independent.",
)
@click.option(
    "--engine",
    default="auto",
    show_default=True,
    metavar="auto|exact|cells|multinomial",
    shell_complete=one_of(completion.engines),
    help="How T_m is computed. exact: to nearly machine precision. cells: from power sums in cells, many times as "
    "fast, with a relative error, typically below 2.5e-4, that is measured and reported. multinomial: the same, but "
    "drawing the counts of the cells first, faster still for a large M. auto: by M, and it is said which.",
)
@click.option(
    "--workers", type=int, metavar="N", help="Threads; the result does not depend on it.  [default: one for each core]"
)
@click.option(
    "--cluster",
    metavar="ADDRESS|local:N",
    help="Compute on the workers of this dask scheduler, such as tcp://host:8786, or of one started here with N "
    "workers; the result does not depend on it. Needs the extra epanechnikov-vae[cluster].",
)
@click.option(
    "--resume",
    metavar="FILE",
    shell_complete=files,
    help="Keep what is done in FILE, begun if it does not exist, and go on from there: an interrupted run to the "
    "identical result, a finished one to more --replicates.",
)
@plot_option(
    "for one M the law of the standardised statistic beside its limit, for several how means, quantiles, variance and "
    "skewness approach theirs."
)
@common_options
@click.pass_context
def simulate_tm(
    context: click.Context,
    /,
    sizes: tuple[int, ...],
    workers: int | None,
    cluster: str | None,
    resume: str | None,
    plots: tuple[Path, ...],
    json_path: str | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Simulate the Bickel-Rosenblatt statistic T_m beside its exact mean and its limit.

    T_m = m b ∫ (f_m - f)² a compares the kernel density estimate f_m of m observations with the density f they are
    drawn from. By Theorem 3.1 the paper puts the limit I(K) ∫ f a in place of E T_m. Shown are the simulated mean
    with its standard error; the exact mean at this m in its three parts; the limit; the standardised statistic
    b^(-1/2) (T_m - I(K) ∫ f a) beside the normal law it tends to; and, in words, whether the theorem's assumptions
    hold for this choice and what the simulation says.

    \b
    Examples
      python cli.py simulate-tm --m 10000
      python cli.py simulate-tm --m 100 --m 1000 --m 10000 --plot convergence.svg
      python cli.py simulate-tm --m 100000 --replicates 100000 --resume study.json
      python cli.py simulate-tm --m 1000 --replicates 20000 --json -
    """  # noqa: D301
    from foundation.errors import InputError
    from simulations import SimulationInterrupted, SimulationStopped, simulate_studies
    from simulations.convergence import Convergence, studies_at
    from simulations.presentation import convergence_report, partial_report, progress_display, study_report

    studies = studies_at(sizes, **options)
    checked_plots(plots)
    console = console_for(json_path, quiet)
    results = []
    running = simulate_studies(
        studies,
        workers=workers,
        cluster=cluster,
        resume=resume,
        display=lambda study: progress_display(study, quiet),
    )
    with json_output(json_path) as stream:
        try:
            for result in running:
                console.print(study_report(result))
                results.append(result)
        except SimulationInterrupted as interruption:
            if interruption.partial is not None:
                console.print(partial_report(interruption.partial, interruption.study))
            raise with_the_way_on(interruption, context) from None
        except SimulationStopped as stopped:
            if stopped.partial is not None:
                console.print(partial_report(stopped.partial, stopped.study))
            raise InputError(f"{stopped} {way_on(context, stopped.saved)}") from None
        document = results[0].document()
        if len(results) > 1:
            convergence = Convergence.of(results)
            console.print(convergence_report(convergence))
            document = {"studies": [result.document() for result in results], "convergence": convergence.document()}
        if plots:
            from simulations.plots import study_figure

            save_plots(study_figure(results), plots)
        write_json(stream, document)


def with_the_way_on(interruption: SimulationInterrupted, context: click.Context) -> Interruption:
    """Return the interruption with the command that goes on from it, or the option that would have allowed that."""
    from foundation.errors import Interruption

    return Interruption(f"{interruption.sentence} {way_on(context, interruption.saved)}", interruption.signal_number)


def way_on(context: click.Context, saved: Path | None) -> str:
    """Say how what is saved in a file is gone on with, or with which option it would have been saved."""
    if saved is None:
        return "With --resume FILE a run goes on from where it was interrupted."
    given = was_given(context, "resume")
    return f"Go on with: {command_line(context, () if given else ('--resume', str(saved)))}"


def command_line(context: click.Context, more: Sequence[str] = ()) -> str:
    """Return the command that gives this one's options again, and ``more``, as a shell takes it."""
    words = ["python", "cli.py", str(context.info_name)]
    for option in context.command.params:
        if option.name not in context.params or not was_given(context, option.name):
            continue
        value = context.params[option.name]
        if getattr(option, "is_flag", False):
            words.append(option.opts[0])
            continue
        for one in value if option.multiple else (value,):
            words += [option.opts[0], str(one)]
    return shlex.join([*words, *more])


@main.command("test-fit", short_help="Test whether data come from a density.")
@click.argument("file", metavar="FILE", shell_complete=files)
@click.option("--column", metavar="NAME", help="A column's name, or its number from 1, where FILE has several.")
@click.option(
    "--density",
    default="normal",
    show_default=True,
    metavar="NAME",
    shell_complete=one_of(completion.densities),
    help="The hypothesis: normal, logistic, laplace, uniform:lo,hi, beta:p,q or a mixture such as "
    "mixture:0.5*normal(-1,0.5)+0.5*normal(1,0.5). normal is the standard normal, unless --estimate is given.",
)
@click.option(
    "--estimate",
    is_flag=True,
    help="Test the shape alone, with location and scale estimated from the data (normal, laplace, logistic).",
)
@click.option(
    "--kernel",
    default="epanechnikov",
    show_default=True,
    metavar="NAME",
    shell_complete=one_of(completion.kernels),
    help="The kernel of T_m.",
)
@click.option(
    "--weight",
    default="one",
    show_default=True,
    metavar="NAME",
    shell_complete=one_of(completion.weights),
    help="The weight of T_m: one, window:c,d or inverse-density:c,d, in the units of the density.",
)
@click.option(
    "--bandwidth",
    default="m^-0.235",
    show_default=True,
    metavar="RULE",
    help="The bandwidth, in the units of the density: a number, or m^-DELTA.",
)
@click.option(
    "--replicates",
    type=int,
    default=9_999,
    show_default=True,
    help="Simulated samples of the hypothesis; the p-value is a multiple of 1/(replicates + 1).",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the simulated samples.")
@click.option("--workers", type=int, metavar="N", help="Threads.  [default: one for each core]")
@click.option(
    "--cache-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    shell_complete=folders,
    help="Where simulated null laws are kept for the next time.  [default: the user's cache folder]",
)
@click.option("--no-cache", is_flag=True, help="Neither look a null law up nor keep it.")
@plot_option("T_m of the data on its law under the hypothesis, simulated and in the limit.")
@common_options
def test_fit(
    file: str,
    column: str | None,
    cache_dir: Path | None,
    no_cache: bool,
    plots: tuple[Path, ...],
    json_path: str | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Test whether the data in FILE come from a density, by the Bickel-Rosenblatt statistic T_m.

    FILE holds one number a line, or a table with a column of them, or a NumPy array (.npy); - is standard input.
    Large values of T_m speak against the density. The p-value comes from simulated samples of the hypothesis and is
    right at any m; beside it stands the one by Theorem 3.1's limit law, which is not at the m of practice.

    \b
    Examples
      python cli.py test-fit sample.txt --density normal
      python cli.py test-fit measurements.csv --column height --estimate
    """  # noqa: D301
    from simulations import Study, bickel_rosenblatt_test
    from simulations.presentation import goodness_of_fit_report, progress_display
    from simulations.samples import read_sample

    if no_cache and cache_dir is not None:
        raise click.UsageError("--no-cache and --cache-dir exclude each other.")
    checked_plots(plots)
    sample = read_sample(file, column)
    console = console_for(json_path, quiet)
    with json_output(json_path) as stream:
        with progress_display(Study(sample.size, options["replicates"]), quiet) as progress:
            test = bickel_rosenblatt_test(sample, cache=cache_dir or not no_cache, progress=progress, **options)
        if plots:
            from simulations.plots import goodness_of_fit_figure

            save_plots(goodness_of_fit_figure(test), plots)
        write_json(stream, test.document())
    console.print(goodness_of_fit_report(test, sample))


device_option = click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="auto|cpu|cuda",
    shell_complete=one_of(completion.settings("DEVICES")),
    help="auto takes CUDA where there is one.",
)


data_dir_option = click.option(
    "--data-dir",
    default="data",
    show_default=True,
    metavar="DIR",
    shell_complete=folders,
    help="Where data sets are: torchvision's root.",
)
runs_dir_option = click.option(
    "--runs-dir",
    default="runs",
    show_default=True,
    metavar="DIR",
    shell_complete=folders,
    help="Where runs' folders are made.",
)
precision_option = click.option(
    "--precision",
    default="fp32",
    show_default=True,
    metavar="fp32|tf32|bf16",
    shell_complete=one_of(completion.settings("PRECISIONS")),
    help="The arithmetic of training. fp32: single precision throughout. tf32: products on CUDA rounded to 10 bits. "
    "bf16: layers in bfloat16, the weights, the noise and the loss in single precision. Hold-out images are measured "
    "in fp32.",
)


@main.command(short_help="Train a VAE or an EVAE.")
@click.option(
    "--dataset",
    default="digits",
    show_default=True,
    metavar="NAME|npz:FILE|folder:DIR",
    shell_complete=one_of(completion.datasets),
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
    shell_complete=one_of(completion.settings("PRESETS")),
    help="A posterior with an objective. vae: gaussian + elbo, the paper's baseline. evae: kde + kde-bound, the "
    "paper's method. evae-exact: kde + elbo, EVAE's own noise under a bound that holds. evae-direct: epanechnikov + "
    "elbo, compact support alone. evae-repaired: epanechnikov + uniform-prior, where Lemma 3.2 does apply. "
    "gaussian-kde: evae with a Gaussian kernel. beta-vae: vae with beta 4. ae: none + reconstruction. The options "
    "below change it.",
)
@click.option(
    "--posterior",
    metavar="NAME",
    shell_complete=one_of(completion.settings("POSTERIORS")),
    help="The noise of a code, in place of the model's. gaussian: mu + sigma eps. epanechnikov: mu + r K with density "
    "(3/4)(1 - x^2). uniform: mu + r U[-1, 1]. kde: b(mu + r K) + U[-B, B], Algorithm 1 with b = 0.3594. none: mu.",
)
@click.option(
    "--objective",
    metavar="NAME",
    shell_complete=one_of(completion.settings("OBJECTIVES")),
    help="What is added to the reconstruction error, in place of the model's. elbo: the exact KL divergence to "
    "N(0, I). kde-bound: B I(K)/(M r) of equation (8), which for Epanechnikov K is 3B/(5Mr). uniform-prior: the "
    "divergence from U[-l/2, l/2], with the posterior kept inside. reconstruction: nothing. A pair without an exact "
    "formula is refused.",
)
@click.option(
    "--kernel",
    metavar="NAME",
    shell_complete=one_of(completion.settings("KERNELS")),
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
    shell_complete=one_of(completion.settings("INTERVALS")),
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
    shell_complete=one_of(completion.settings("DIVERGENCES")),
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
    shell_complete=completion.runs,
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
    shell_complete=one_of(completion.settings("IMAGE_SIZES")),
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
    from evae.configuration import Configuration
    from evae.experiments.grid import whole_numbers
    from evae.launch import place

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
        from evae.plots import MOST_RUNS

        if number > MOST_RUNS:
            raise click.UsageError(f"--plot draws at most {MOST_RUNS} runs, and these are {number}. Leave it out.")
    console = console_for(json_path, quiet)
    with json_output(json_path) as stream, warnings_as_sentences():
        from evae.display import training_display
        from evae.resuming import find_run
        from evae.training import resume_seeds, train_seeds
        from evae.training import train as train_model
        from foundation.terminal import say

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
            from evae.plots import run_figure, training_figure

            save_plots(training_figure(*runs) if several else run_figure(runs[0]), plots)
        documents = [run_document(run) for run in runs]
        write_json(stream, {"runs": documents} if several else documents[0])
        where = ", ".join(str(run.path) for run in runs)
        picture = "reconstructions.png"
        told = f"The runs are in {where}; look at {picture} in each."
        if not several:
            told = f"The run is in {where}; look at {runs[0].path / picture}."
        say(console, told)
        # A command stays on one line, so that it can be copied.
        console.print(f"Next: python cli.py evaluate {shlex.quote(str(runs[0].path))}", markup=False, soft_wrap=True)


def run_document(run: Run) -> dict[str, Any]:
    """Return what the JSON of ``train`` holds of a run."""
    config = run.configuration
    document = {"run": str(run.path), **run.status, "configuration": dataclasses.asdict(config)}
    return {**document, "recipe": config.recipe.document(), "metrics": run.metrics}


def was_given(context: click.Context, name: str) -> bool:
    """Whether an option stood on the command line, rather than having its default."""
    return context.get_parameter_source(name) is FROM_THE_COMMAND_LINE


@contextlib.contextmanager
def warnings_as_sentences() -> Iterator[None]:
    """Print what this project warns of on standard error, as the sentence it is, each once."""
    from evae.notices import Notice

    said: set[str] = set()
    with warnings.catch_warnings():
        shown = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if not issubclass(category, Notice):
                shown(message, category, filename, lineno, file, line)
            elif str(message) not in said:
                said.add(str(message))
                print(f"Warning: {message}", file=sys.stderr)

        warnings.simplefilter("always", Notice)
        warnings.showwarning = show
        yield


def judging_options(command: Any) -> Any:
    """Add the options of what judges images: ``--features`` and ``--inception-weights``."""
    for option in (
        click.option(
            "--inception-weights",
            metavar="FILE",
            shell_complete=files,
            help="pytorch-fid's weights of the Inception network. By default they are looked for where "
            "EVAE_INCEPTION_WEIGHTS says and in torch's hub folder, and else downloaded; their SHA-256 is checked.",
        ),
        click.option(
            "--features",
            default="auto",
            show_default=True,
            metavar="auto|inception|imagenet|classifier|none",
            shell_complete=one_of(completion.features),
            help="The features whose Fréchet distance from the hold-out images is reported. inception: the FID, with "
            "pytorch-fid's network. imagenet: those of EfficientNet-Lite0, trained on ImageNet; not FID, but for every "
            "data set and nothing to download. classifier: those of a small classifier that is trained once, seeded, "
            "on the data set's own labels; not FID either. none: no distance. auto: inception where its weights can "
            "be had, otherwise imagenet, and it is said which.",
        ),
    ):
        command = option(command)
    return command


original_data_dir_option = click.option(
    "--data-dir",
    metavar="DIR",
    shell_complete=folders,
    help="Where the data set is now; by default where it was when the run was trained.",
)


@main.command(short_help="Judge a trained model.")
@click.argument("run", shell_complete=completion.runs)
@judging_options
@device_option
@original_data_dir_option
@plot_option("the first hold-out images above their reconstructions, as in reconstructions.png.")
@common_options
def evaluate(run: str, plots: tuple[Path, ...], json_path: str | None, quiet: bool, **options: Any) -> None:
    """Judge the trained model in the folder RUN on the hold-out images.

    Compared with the originals are their reconstructions, from one draw of the posterior, as the paper has it, and
    from its mean; and as many new images, from a mixture fitted to the codes of the training images and, where the
    model has a fixed one, from its prior. Shown are the reconstruction error (binary cross-entropy in nats per image:
    sum over pixels, mean over images), the sharpness (Appendix C: variance of the Laplace-filtered grey image in
    [0, 1] at the network's resolution, rounded to 8 bits) and the Fréchet distance of the --features. Writes
    evaluation.json, reconstructions.png, samples.png and walks.png into RUN.

    \b
    Examples
      python cli.py evaluate runs/mnist-evae-d64-seed0
      python cli.py evaluate runs/mnist-evae-d64-seed0 --features classifier
    """  # noqa: D301
    from evae.configuration import require_device
    from evae.features import require_features

    require_device(options["device"])
    require_features(options["features"])
    checked_plots(plots)
    console = console_for(json_path, quiet)
    with json_output(json_path) as stream, warnings_as_sentences():
        from evae.display import decoding_display
        from evae.evaluation import PICTURES
        from evae.evaluation import evaluate as evaluate_run
        from evae.presentation import evaluation_report
        from foundation.terminal import say

        with decoding_display(quiet) as progress:
            result = evaluate_run(run, progress=progress, **options)
        if plots:
            from evae.plots import reconstructions_figure

            save_plots(reconstructions_figure(run, device=options["device"], data_dir=options["data_dir"]), plots)
        write_json(stream, result)
        console.print(evaluation_report(result))
        written = ", ".join(str(Path(run) / name) for name in ("evaluation.json", *PICTURES))
        say(console, f"Written: {written}")


@main.command(short_help="Draw new images from a trained model.")
@click.argument("run", shell_complete=completion.runs)
@click.option(
    "--sampler",
    metavar="prior|mixture",
    shell_complete=one_of(completion.samplers),
    help="From which law codes are drawn. prior: the fixed law towards which the model was trained, which EVAE does "
    "not have, since its prior depends on the image. mixture: normal laws fitted to the codes of the training images, "
    "for any model.  [default: prior where there is one, else mixture; it is said which]",
)
@click.option("--images", "number", type=int, default=48, show_default=True, metavar="N", help="How many.")
@click.option("--components", type=int, metavar="K", help="Normal laws in the mixture.  [default: 10]")
@click.option(
    "--walk",
    metavar="I,J",
    help="Instead, walk from the code of hold-out image I to that of J, on a straight line, in ten steps.",
)
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Decides the fit and the draws.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A .png of the images in rows, or an .npz with the array images: uint8, N x H x W or N x H x W x 3.  "
    "[default: samples-SAMPLER-seedN.png, or walk-I-J.png, in RUN]",
)
@device_option
@original_data_dir_option
@common_options
@click.pass_context
def sample(
    context: click.Context, /, run: str, walk: str | None, json_path: str | None, quiet: bool, **options: Any
) -> None:
    """Draw new images from the trained model in the folder RUN.

    \b
    Examples
      python cli.py sample runs/mnist-vae-d64-seed0 --sampler prior
      python cli.py sample runs/mnist-evae-d64-seed0 --images 999 --output new.npz
      python cli.py sample runs/mnist-evae-d64-seed0 --walk 0,3
    """  # noqa: D301
    from evae.generation import new_images, walk_between

    if walk is not None and (given := [name for name in DRAWING if was_given(context, name)]):
        raise click.UsageError(f"--{given[0]} does nothing with --walk, which draws no codes. Leave it out.")
    console = console_for(json_path, quiet)
    with json_output(json_path) as stream:
        from evae.display import decoding_display
        from foundation.terminal import say

        with decoding_display(quiet) as progress:
            if walk is None:
                result = new_images(run, progress=progress, **options)
            else:
                places = {name: value for name, value in options.items() if name not in DRAWING}
                result = walk_between(run, *_pair(walk), progress=progress, **places)
        write_json(stream, result)
        say(console, f"{result['images']:,} images: {result['law']}.")
        say(console, f"Written: {result['output']}")


#: What decides the codes that ``sample`` draws.
DRAWING = ("sampler", "number", "components", "seed")


def _pair(text: str) -> tuple[int, int]:
    first, comma, last = text.partition(",")
    numbers = (first.strip(), last.strip())
    if not comma or not all(number.isdecimal() and len(number) < 19 for number in numbers):
        raise click.UsageError(f"--walk takes the numbers of two hold-out images, as in 0,3; got {text!r}.")
    return int(first), int(last)


@main.command(short_help="Train the models of a table and compare them.")
@click.option(
    "--table",
    metavar="1|2|ablation",
    shell_complete=one_of(completion.tables),
    help="1: VAE and EVAE on MNIST and Fashion-MNIST. 2: on CIFAR-10 and CelebA. ablation: all models, kernel x "
    "objective, and reconstruction against rate, on MNIST with d_z = 64. Needed, unless results are merged.",
)
@click.option(
    "--models",
    metavar="NAME,NAME",
    shell_complete=completion.some_of(completion.models),
    help="Other models: those of train, and the ablation's as its tables name them.  [default: vae,evae; for the "
    "ablation all]",
)
@click.option(
    "--datasets",
    metavar="NAME,NAME",
    shell_complete=completion.some_of(completion.datasets),
    help="Other data sets, as train takes them.  [default: those of the table]",
)
@click.option("--latent-dims", metavar="D,D", help="Latent dimensions.  [default: 8,16,32,64; for the ablation 64]")
@click.option("--seeds", default="0,1,2", show_default=True, metavar="N,N|N-N", help="One run of each model for each.")
@click.option("--epochs", type=int, default=50, show_default=True, help="The paper's 50; fewer, and the table says so.")
@click.option("--limit-train", type=int, metavar="N", help="Train on the first N images; the table says so.")
@click.option("--limit-holdout", type=int, metavar="N", help="Judge by the first N hold-out images; the table says so.")
@click.option("--lr", type=float, default=1e-4, show_default=True, help="Learning rate of Adam; the paper's 1e-4.")
@click.option("--batch-size", type=int, default=100, show_default=True, help="The paper's 100.")
@judging_options
@device_option
@precision_option
@click.option("--deterministic", is_flag=True, help="As of train.")
@click.option(
    "--cluster",
    metavar="ADDRESS|local:N",
    help="Train and judge the runs side by side on the workers of this dask scheduler, such as tcp://host:8786, or of "
    "one started here with N workers; the results do not depend on it. With CUDA a run takes a worker that has the "
    "resource GPU. Needs the extra epanechnikov-vae[cluster].",
)
@click.option(
    "--known",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    shell_complete=files,
    help="Take the runs of the table that this results.json holds, as from another machine, for done. They must have "
    "the same settings, images, features and version of this program; otherwise it is said what differs. Repeatable.",
)
@click.option(
    "--hours",
    type=float,
    metavar="N",
    help="Stop when N hours are over: the batch under way is finished and a checkpoint written, or the run judged, and "
    "what is finished is reported.",
)
@click.option(
    "--merge",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    shell_complete=files,
    help="Train nothing: join this results.json with the others that are named so into one table, in the --output. If "
    "they contradict each other, every conflict is named and nothing is written. Repeatable.",
)
@data_dir_option
@runs_dir_option
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    shell_complete=folders,
    help="Where results.json, runs.csv, table.md, table.tex and the plots are written.  [default: RUNS_DIR/TABLE]",
)
@plot_option("the hold-out error by epoch; for the ablation the error by kernel and objective, and whose the gain is.")
@common_options
@click.pass_context
def reproduce(
    context: click.Context,
    /,
    table: str | None,
    datasets: str | None,
    latent_dims: str | None,
    seeds: str,
    models: str | None,
    cluster: str | None,
    known: tuple[Path, ...],
    hours: float | None,
    merge: tuple[Path, ...],
    output: Path | None,
    plots: tuple[Path, ...],
    json_path: str | None,
    quiet: bool,
    **options: Any,
) -> int:
    """Train and judge every model of a table, and compare them.

    Each run is as train and evaluate make it, in a folder of its own. What is finished is not done again, and what was
    interrupted goes on, so that the same command can be given until all is done. A run that fails is listed, and the
    rest is done. The paper's figures stand beside ours with mean and standard deviation over seeds; wins are counted
    and tested as the paper does and as it should be; the ablation says how much of EVAE's gain is the kernel's and how
    much the objective's. The exit code is 1 if a run failed.

    Results add up: results.json is renewed after every run, and a table can be made in parts, on several machines, of
    which one knows what others did (--known), or which are joined at the end (--merge).

    \b
    Examples
      python cli.py reproduce --table 1
      python cli.py reproduce --table ablation --epochs 5 --features classifier
      python cli.py reproduce --table 1 --datasets digits --features classifier
      python cli.py reproduce --table 1 --models vae,evae,ae
      python cli.py reproduce --table 2 --seeds 0-19 --cluster tcp://10.0.0.1:8786
      python cli.py reproduce --table ablation --known there.json --hours 8
      python cli.py reproduce --merge here.json --merge there.json --output all
    """  # noqa: D301
    console = console_for(json_path, quiet)
    if merge:
        require_nothing_to_train(context)
        if output is None:
            raise click.UsageError("--merge needs --output DIR, where the joined results are written. Give one.")
        checked_plots(plots)
        with json_output(json_path) as stream:
            from evae.experiments.merging import merged_files
            from foundation.terminal import say

            found = merged_files(merge)
            say(console, f"Merged: {found.sentence}")
            return report_results(found.results, output, plots, stream, console)
    if table is None:
        (needed,) = (parameter for parameter in context.command.params if parameter.name == "table")
        raise click.MissingParameter(ctx=context, param=needed)
    from evae.experiments.grid import Plan, whole_numbers

    plan = Plan.of(
        table,
        datasets=None if datasets is None else [name.strip() for name in datasets.split(",")],
        latent_dims=None if latent_dims is None else whole_numbers(latent_dims, "--latent-dims"),
        seeds=whole_numbers(seeds, "--seeds"),
        models=None if models is None else [name.strip() for name in models.split(",")],
        **options,
    )
    checked_plots(plots)
    folder = output or Path(options["runs_dir"]) / (table if table == "ablation" else f"table-{table}")
    for path in known:
        if path.resolve() == (folder / "results.json").resolve():
            raise click.UsageError(f"--known {path} is the file that --output {folder} would replace. Name another.")

    def keep(results: Results) -> None:
        with naming("--output", folder):
            results.save(folder / "results.json")

    with json_output(json_path) as stream, warnings_as_sentences():
        from evae.experiments.display import grid_display
        from evae.experiments.runner import reproduce as reproduce_table

        with grid_display(console) as watcher:
            results = reproduce_table(plan, watcher, cluster=cluster, known=known, hours=hours, kept=keep)
        status = report_results(results, folder, plots, stream, console)
    if results.unfinished:
        print(
            f"Stopped after {hours:g} h, as asked, with {len(results.records)} of {results.planned} runs finished. The "
            "same command goes on.",
            file=sys.stderr,
        )
    return status


def require_nothing_to_train(context: click.Context) -> None:
    """Refuse, with --merge, an option of ``reproduce`` that would do nothing."""
    meaningful = ("merge", "output", "plots", "json_path", "quiet", "debug")
    for parameter in context.command.params:
        if parameter.name not in meaningful and was_given(context, str(parameter.name)):
            raise click.UsageError(
                f"{parameter.opts[0]} does nothing with --merge, which joins results and trains nothing. Leave it out."
            )


def report_results(
    results: Results, folder: Path, plots: Sequence[Path], stream: IO[str] | None, console: Console
) -> int:
    """Write and print what the runs of a table came to; return the exit status."""
    if results.records:
        from evae.experiments.output import write_results
        from evae.experiments.report import report
        from foundation.terminal import say

        found = report(results)
        with naming("--output", folder):
            written = write_results(results, found, folder)
        if plots:
            from evae.experiments.figures import figures

            save_plots(next(iter(figures(results).values())), plots)
        write_json(stream, {**results.document(), **found.document, "notes": found.notes})
        console.print(found.for_terminal())
        say(console, f"Written: {', '.join(map(str, written))}")
    else:
        write_json(stream, results.document())
        if plots:
            print("Nothing is drawn, because no run was finished.", file=sys.stderr)
    for failure in results.failures:
        print(f"Failed: {failure.name}: {failure.reason}", file=sys.stderr)
    return EXIT_CHECK_FAILED if results.failures else 0


@main.command(short_help="Write the page that tells the story.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default="report.html",
    show_default=True,
    metavar="FILE",
    shell_complete=files,
    help="The page: one .html file that fetches nothing.",
)
@click.option(
    "--m",
    "sizes",
    type=int,
    multiple=True,
    metavar="M",
    help="Where T_m is simulated. Repeatable.  [default: 100, 1000, 10000 and 100000]",
)
@click.option("--replicates", type=int, default=10_000, show_default=True, metavar="N", help="Of T_m at each M.")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Of the simulated samples.")
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    shell_complete=files,
    help="A results.json that reproduce wrote. Repeatable, one for each table.  [default: those in the folders "
    "table-1, table-2 and ablation of RUNS_DIR, and for tables that are not there what comes with the project]",
)
@click.option(
    "--run",
    "runs",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="RUN",
    shell_complete=completion.runs,
    help="The folder of a trained model whose reconstructions are shown. Repeatable.  [default: the small model that "
    "comes with the project]",
)
@click.option(
    "--runs-dir",
    type=click.Path(path_type=Path),
    default="runs",
    show_default=True,
    metavar="DIR",
    shell_complete=folders,
    help="Where reproduce left its tables.",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    shell_complete=folders,
    help="Where the data of RUN are now; by default where they were when it was trained.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Processes that decide, and threads that simulate.  [default: one for each core]",
)
@common_options
@click.pass_context
def report(
    context: click.Context,
    /,
    output: Path,
    jobs: int | None,
    json_path: str | None,
    quiet: bool,
    **options: Any,
) -> int:
    """Write one self-contained HTML page that tells the whole story.

    On it are the ledger, decided anew, with every proof unfolding and its formulas typeset; T_m simulated anew beside
    its exact mean and its limit; the paper's tables beside ours; the ablation; reconstructions; and how each figure
    was made. It can be filtered by verdict and searched, read on a phone, in the dark and by a screen reader, and
    printed. The exit code is 1 if a verdict is not the one on record.

    \b
    Examples
      python cli.py report
      python cli.py report --output page.html --run runs/mnist-evae-d64-seed0
      python cli.py report --results runs/ablation/results.json
    """  # noqa: D301
    from foundation.errors import InputError
    from foundation.terminal import say

    if output.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--output {output} must end in .html, which is what the page is.")
    console = console_for(json_path, quiet)
    with json_output(json_path) as stream, replaced_file(output, "--output") as file:
        from report.making import Contents, make_page
        from simulations.presentation import progress_display
        from theory import ledger

        contents = Contents(**{name: value for name, value in options.items() if value != ()})
        with contextlib.ExitStack() as deciding:
            advance = deciding.enter_context(progress_bar("deciding", len(ledger.claims()), quiet))

            def simulating(study: Study) -> contextlib.AbstractContextManager[Callable[[int], None]]:
                # One bar at a time: the claims are decided by now.
                deciding.close()
                return progress_display(study, quiet)

            page = make_page(contents, command=command_line(context), jobs=jobs, decided=advance, display=simulating)
        file.write(page.html())
        write_json(stream, {"report": str(output), **page.document()})
        say(console, f"Written: {output}")
    return EXIT_CHECK_FAILED if page.ledger.unexpected else 0


@main.group(cls=CommandLine, invoke_without_command=True, short_help="List, download and check the data sets.")
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
    """  # noqa: D301
    if context.invoked_subcommand is None:
        print(context.get_help())


@datasets.command("list", short_help="Say which data sets are there.")
@data_dir_option
@common_options
def list_datasets(data_dir: str, json_path: str | None, quiet: bool) -> None:
    """Say which data sets are there, whole, as a subset or damaged, with their sizes; nothing is decoded."""
    from evae.data.catalogue import survey

    console = console_for(json_path, quiet)
    with json_output(json_path) as stream:
        surveys = survey(data_dir)
        write_json(stream, {"data_dir": data_dir, "datasets": [found.document() for found in surveys]})
        print_surveys(surveys, data_dir, console)


@datasets.command("get", short_help="Download a data set.")
@click.argument("name", shell_complete=one_of(completion.datasets))
@data_dir_option
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
@click.argument("name", shell_complete=one_of(completion.datasets))
@data_dir_option
@common_options
def check_dataset(name: str, data_dir: str, json_path: str | None, quiet: bool) -> int:
    """Compare the files of the data set NAME with the checksums that torchvision publishes, and decode every image.

    NAME may also be npz:FILE or folder:DIR. The decoded images that train keeps are made anew. The exit code is 1 if
    anything is missing or damaged.
    """
    from evae.data.catalogue import check
    from evae.display import decoding_display
    from foundation.terminal import say

    console = console_for(json_path, quiet)
    with json_output(json_path) as stream:
        with decoding_display(quiet) as progress:
            checks = check(name, data_dir, progress=progress)
        passed = all(result.passed for result in checks)
        document = {"dataset": name, "passed": passed, "checks": [dataclasses.asdict(result) for result in checks]}
        write_json(stream, document)
        for result in checks:
            verdict = "right" if result.passed else "WRONG"
            say(console, f"{verdict}  {result.name}: {result.detail}")
    return 0 if passed else EXIT_CHECK_FAILED


def print_surveys(surveys: Sequence[Survey], data_dir: str, console: Console) -> None:
    """Lay out what is there of each data set, with a line on each that is damaged."""
    from foundation.terminal import FittingTable, say

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
            say(console, f"{found.name}: {found.remark}")


@main.command("completion", short_help="Print what makes a shell complete this command line.")
@click.argument("shell", type=OneOf(completion.SHELLS), metavar="bash|zsh|fish")
@click.option("--python", is_flag=True, help="Also complete python cli.py. In bash only.")
@common_options
def print_completion(shell: str, python: bool, json_path: str | None, quiet: bool) -> None:
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
    script = completion.script(shell, main, python)
    with json_output(json_path) as stream:
        write_json(stream, {"shell": shell, "script": script})
    if json_path != "-" and not quiet:
        print(script.rstrip())


if __name__ == "__main__":
    main()
