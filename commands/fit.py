"""``test-fit``: test whether data come from a density."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from commands.shared.completions import files, folders, one_of
from commands.shared.failures import Command, OneOf
from commands.shared.options import (
    SHARED,
    common_options,
    density_option,
    option,
    path_option,
    plot_option,
    table_options,
)
from commands.shared.output import checked_plots, console_for, json_output, save_plots, write_json
from commands.shared.startup import rare_garbage_collection
from simulations.observations.names import DECIMAL_MARKS, ENCODINGS, MISSING_RULES, SEPARATORS


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
@option(SHARED["density"], summary="f, the density under the null hypothesis.")
@table_options(SHARED, "support")
@click.option(
    "--estimate",
    is_flag=True,
    help="Test the shape alone, with location and scale estimated from the data (normal, laplace, logistic).",
)
@click.option(
    "--rounded-to",
    type=float,
    metavar="WIDTH",
    help="The data were rounded to multiples of WIDTH, in their units, such as 0.1 for one decimal: the simulated "
    "samples are rounded alike. Without it, many equal observations speak against every density.",
)
@table_options(SHARED, "kernel", "weight")
@option(SHARED["bandwidth"], metavar="RULE")
@option(
    SHARED["replicates"],
    default=9_999,
    summary="Simulated samples; the p-value is a multiple of 1/(replicates + 1).",
    details="",
    metavar=None,
)
@option(SHARED["seed"], metavar=None)
@table_options(SHARED, "workers")
@path_option(
    "--cache-dir",
    metavar="DIR",
    complete=folders,
    help="Where simulated null laws are kept for the next time.  [default: the user's cache folder]",
)
@click.option("--no-cache", is_flag=True, help="Do not read or write the cache of null distributions.")
@plot_option("T_m of the data on its law under the hypothesis, simulated and in the limit.")
@common_options
@rare_garbage_collection()
def test_fit(
    file: str,
    column: str | None,
    header: bool | None,
    decimal: str | None,
    separator: str | None,
    encoding: str | None,
    missing: str,
    cache_dir: Path | None,
    no_cache: bool,
    plots: tuple[Path, ...],
    json_path: str | None,
    quiet: bool,
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
      python cli.py test-fit waiting-times.txt --density gamma:2,scale=3
      python cli.py test-fit werte.csv --column Gewicht --decimal , --missing drop
    """  # noqa: D301
    from simulations import Study, bickel_rosenblatt_test
    from simulations.observations import read_sample
    from simulations.terminal import goodness_of_fit_report, progress_display

    if no_cache and cache_dir is not None:
        raise click.UsageError("--no-cache and --cache-dir exclude each other.")
    checked_plots(plots)
    # The data are read and checked before the null law is simulated, which takes the time.
    sample = read_sample(
        file, column, header=header, decimal=decimal, separator=separator, encoding=encoding, missing=missing
    )
    console = console_for(json_path, quiet)
    with json_output(json_path) as stream:
        with progress_display(Study(sample.values.size, options["replicates"]), quiet) as progress:
            test = bickel_rosenblatt_test(
                sample,
                density_option(density, support),
                cache=cache_dir or not no_cache,
                progress=progress,
                **options,
            )
        if plots:
            from simulations.figures import goodness_of_fit_figure

            save_plots(goodness_of_fit_figure(test), plots)
        write_json(stream, test.document())
    console.print(goodness_of_fit_report(test))
