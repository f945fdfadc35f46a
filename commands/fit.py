"""``test-fit``: test whether data come from a density."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from commands.shared.completions import files, folders, one_of
from commands.shared.failures import Command, OneOf
from commands.shared.invocation import way_on, with_the_way_on
from commands.shared.options import (
    SHARED,
    common_options,
    density_option,
    kernel_option,
    option,
    path_option,
    plot_option,
    resume_option,
    table_options,
)
from commands.shared.output import checked_plots, console_for, json_output, save_plots, write_json
from commands.shared.startup import rare_garbage_collection
from simulations.goodness_of_fit.names import ADAPTIVE, DEFAULT_BANDWIDTH, NULLS
from simulations.observations.names import DECIMAL_MARKS, ENCODINGS, MISSING_RULES, SEPARATORS

if TYPE_CHECKING:
    from simulations.observations.sample import Sample


@click.command("test-fit", cls=Command, short_help="Test whether data come from a density.")
@click.argument("file", type=click.Path(allow_dash=True), metavar="FILE", shell_complete=files)
@click.option(
    "--column",
    metavar="NAME|N",
    help="A column by its name or its number from 1, or an array of an .npz file by its name, where FILE has several.",
)
@click.option(
    "--header/--no-header",
    default=None,
    help="Whether the first line holds names.  [default: it does if its field in the column is a name, not a number]",
)
@click.option(
    "--decimal",
    metavar=".|,",
    shell_complete=one_of(DECIMAL_MARKS),
    help="The decimal mark.  [default: the point; a comma where a point is expected is an error]",
)
@click.option(
    "--separator",
    metavar="NAME",
    shell_complete=one_of(tuple(SEPARATORS)),
    help="What separates the fields of a line: tab, semicolon, bar, comma, blank (any number of them) or none, or the "
    "character itself.  [default: the one that gives all lines the same number of fields]",
)
@click.option(
    "--encoding",
    metavar="NAME",
    shell_complete=one_of(ENCODINGS),
    help="The encoding of the text, such as latin-1 or utf-16.  [default: that of its byte order mark, or utf-8]",
)
@click.option(
    "--missing",
    type=OneOf(MISSING_RULES),
    default="refuse",
    show_default=True,
    metavar="refuse|drop",
    help="What is done with missing values: an empty field, NA, N/A, NaN, null, None, or a lone - . ? or *.",
)
@click.option(
    "--against",
    type=click.Path(),
    metavar="FILE2",
    shell_complete=files,
    help="Test whether FILE and FILE2 come from one density, by permutations, instead of from a given one. Both are "
    "read with the same options.",
)
@option(SHARED["density"], summary="f, the density under the null hypothesis.")
@table_options(SHARED, "support")
@click.option(
    "--estimate",
    is_flag=True,
    help="Test the family that --density names without parameters, such as normal, gamma or scipy:invgauss: they are "
    "estimated from the data by maximum likelihood, and the p-value accounts for it.",
)
@click.option(
    "--fix",
    "fixed",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter that is known, with --estimate, as in location=0. Repeatable.",
)
@click.option(
    "--rounded-to",
    type=float,
    metavar="WIDTH",
    help="The data were rounded to multiples of WIDTH, in their units, such as 0.1 for one decimal: the simulated "
    "samples are rounded alike. Without it, many equal observations speak against every density.",
)
@click.option(
    "--alpha",
    type=float,
    default=0.05,
    show_default=True,
    metavar="LEVEL",
    help="The level at which the sentence that states the result rejects.",
)
@click.option(
    "--power",
    "alternative",
    metavar="DENSITY",
    shell_complete=one_of(SHARED["density"].domain.words),
    help="How often the test would reject samples of this size that come from DENSITY, and how many observations it "
    "would take for 80 %, by simulation.",
)
@click.option(
    "--power-support",
    metavar="A,B",
    help="The ends of the support of a --power that is a formula in x, as in 0,oo for x*exp(-x).",
)
@table_options(SHARED, "kernel", "kernel_support", "weight")
@click.option(
    "--bandwidth",
    multiple=True,
    metavar="NUMBER|m^-DELTA|adaptive",
    help="b, the bandwidth, in the units of the density: a number, or m^-DELTA. Repeatable: the statistic is then the "
    "largest excess of the cube root of T_m over its mean, in standard deviations, at any of the bandwidths. adaptive "
    "is a grid of them, from 1.6 standard deviations of the density downwards.  [default: m^-0.235; adaptive with "
    "--against]",
)
@click.option(
    "--null",
    type=OneOf(NULLS),
    default="density",
    show_default=True,
    metavar="density|smoothed",
    help="What the estimate is compared with: the density, or its mean under the hypothesis, the density smoothed with "
    "the kernel, which leaves no bias.",
)
@option(
    SHARED["replicates"],
    default=9_999,
    summary="Simulated samples; the p-value is a multiple of 1/(replicates + 1).",
    details="",
    metavar=None,
)
@option(SHARED["seed"], metavar=None)
@table_options(SHARED, "workers", "cluster")
@resume_option("the simulated null distribution", "test")
@path_option(
    "--cache-dir",
    metavar="DIR",
    complete=folders,
    help="Where simulated null laws are kept for the next time.  [default: the user's cache folder]",
)
@click.option("--no-cache", is_flag=True, help="Do not read or write the cache of null distributions.")
@plot_option(
    "T_m of the data on its law under the hypothesis, and where the data depart from it: the estimate with its band, "
    "and what every region adds to T_m."
)
@common_options
@click.pass_context
@rare_garbage_collection()
def test_fit(
    context: click.Context,
    /,
    file: str,
    column: str | None,
    header: bool | None,
    decimal: str | None,
    separator: str | None,
    encoding: str | None,
    missing: str,
    against: str | None,
    alternative: str | None,
    power_support: str | None,
    bandwidth: tuple[str, ...],
    fixed: tuple[str, ...],
    cache_dir: Path | None,
    no_cache: bool,
    plots: tuple[Path, ...],
    json_path: str | None,
    quiet: bool,
    kernel: str,
    kernel_support: str | None,
    density: str,
    support: str | None,
    **options: Any,
) -> None:
    """Test whether the data in FILE come from a density, by the Bickel-Rosenblatt statistic T_m.

    FILE holds one number a line or a table (text, also .gz), NumPy arrays (.npy, .npz) or a Parquet table; - is
    standard input. The output says what was read; where a text can be read in two ways, the error names the option that
    chooses. Large values of T_m speak against the density. The p-value comes from simulated samples of the hypothesis
    and is right at any m; the one by Theorem 3.1's limit law is shown next to it, but is not right at the m of
    practice.

    \b
    Examples
      python cli.py test-fit sample.txt --density normal
      python cli.py test-fit measurements.csv --column height --estimate
      python cli.py test-fit waiting-times.txt --density gamma --estimate
      python cli.py test-fit waiting-times.txt --density gamma:2,scale=3
      python cli.py test-fit sample.txt --bandwidth adaptive --null smoothed
      python cli.py test-fit sample.txt --power laplace
      python cli.py test-fit before.txt --against after.txt
      python cli.py test-fit werte.csv --column Gewicht --decimal , --missing drop
    """  # noqa: D301
    from simulations.observations import read_sample

    options["kernel"] = kernel_option(kernel, kernel_support)
    if no_cache and cache_dir is not None:
        raise click.UsageError("--no-cache and --cache-dir exclude each other.")
    if against is not None:
        _refuse_with_against(context)
    checked_plots(plots)
    # The data are read and checked before the null law is simulated, which takes the time.
    samples = [
        read_sample(
            one, column, header=header, decimal=decimal, separator=separator, encoding=encoding, missing=missing
        )
        for one in (file, against)
        if one is not None
    ]
    if len(samples) > 1:
        chosen = {name: options[name] for name in ("kernel", "alpha", "replicates", "seed", "workers")}
        _compare_two(*samples, bandwidth=bandwidth or ADAPTIVE, json_path=json_path, quiet=quiet, **chosen)
    else:
        cache = cache_dir or not no_cache
        chosen = {
            "density": density_option(density, support),
            "bandwidth": bandwidth or DEFAULT_BANDWIDTH,
            "fixed": _read_fixed(fixed),
        }
        options = {**options, **chosen}
        if alternative is None and power_support is not None:
            raise click.UsageError("--power-support is that of a --power that is a formula in x: give both.")
        if alternative is not None:
            _refuse_with_power(options)
            alternative = density_option(alternative, power_support, "power", "--power-support")
        _test_one(context, samples[0], alternative, cache, plots=plots, json_path=json_path, quiet=quiet, **options)


def _test_one(
    context: click.Context,
    sample: Sample,
    alternative: str | None,
    cache: Path | bool,
    *,
    plots: tuple[Path, ...],
    json_path: str | None,
    quiet: bool,
    **options: Any,
) -> None:
    from foundation.errors import InputError
    from simulations import (
        SimulationInterrupted,
        SimulationStopped,
        Study,
        bickel_rosenblatt_test,
        estimate_power,
    )
    from simulations.terminal import goodness_of_fit_report, progress_display

    console = console_for(json_path, quiet)
    with json_output(json_path) as stream:
        try:
            with progress_display(Study(sample.values.size, options["replicates"]), quiet) as progress:
                test = bickel_rosenblatt_test(sample, cache=cache, progress=progress, **options)
        except SimulationInterrupted as interruption:
            raise with_the_way_on(interruption, context) from None
        except SimulationStopped as stopped:
            raise InputError(f"{stopped} {way_on(context, stopped.saved)}") from None
        power = None
        if alternative is not None:
            of_the_test = ("rounded_to", "replicates", "cluster", "resume")
            shared = {name: value for name, value in options.items() if name not in of_the_test}
            power = estimate_power(sample.values.size, alternative, **shared)
        if plots:
            from simulations.figures import goodness_of_fit_figure

            save_plots(goodness_of_fit_figure(test), plots)
        write_json(stream, {**test.document(), "power": None if power is None else power.document()})
    console.print(goodness_of_fit_report(test, power))


def _compare_two(first: Sample, second: Sample, *, json_path: str | None, quiet: bool, **options: Any) -> None:
    from simulations import Study, two_sample_test
    from simulations.terminal import progress_display, two_sample_report

    console = console_for(json_path, quiet)
    with json_output(json_path) as stream:
        with progress_display(Study(first.values.size + second.values.size, options["replicates"]), quiet) as progress:
            test = two_sample_test(first, second, progress=progress, **options)
        write_json(stream, test.document())
    console.print(two_sample_report(test))


def _read_fixed(fixed: tuple[str, ...]) -> dict[str, str]:
    """Read NAME=VALUE, each name once."""
    found: dict[str, str] = {}
    for one in fixed:
        name, equals, value = one.partition("=")
        if not equals or name in found:
            raise click.UsageError(f"--fix must be NAME=VALUE, each name once, got {one!r}. Try --fix location=0.")
        found[name.strip()] = value.strip()
    return found


def _refuse_with_power(options: dict[str, Any]) -> None:
    if options["rounded_to"] is not None:
        raise click.UsageError("--power does not apply to rounded data: leave out --power or --rounded-to.")
    if options["cluster"] is not None:
        raise click.UsageError("--power is simulated on this machine: leave out --power or --cluster.")


#: Options that say something of a given density, which two samples are not compared with.
ONE_SAMPLE_ONLY = (
    "density",
    "support",
    "estimate",
    "fixed",
    "rounded_to",
    "null",
    "weight",
    "alternative",
    "power_support",
    "cluster",
    "resume",
    "cache_dir",
    "no_cache",
    "plots",
)


def _refuse_with_against(context: click.Context) -> None:
    for parameter in context.command.params:
        given = parameter.name and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
        if given and parameter.name in ONE_SAMPLE_ONLY:
            raise click.UsageError(
                f"{parameter.opts[0]} does not apply to --against, which compares two samples. Leave one of them out."
            )
