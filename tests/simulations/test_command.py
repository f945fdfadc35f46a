"""The command simulate-tm: what it prints, writes and refuses."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import cli
from simulations import terminal as presentation
from simulations.study import summary
from tests.support.places import ROOT
from theory.bickel_rosenblatt.mean import ExactMean, exact_mean

TIMES = {"seconds": 0, "replicates_per_second": 0}
HEAVY = ("torch", "sympy", "numba", "matplotlib", "statsmodels", "scipy")


class Outcome(NamedTuple):
    status: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run_command(*arguments: str) -> Outcome:
        with pytest.raises(SystemExit) as exit_:
            cli.main(["simulate-tm", *arguments])
        out, err = capsys.readouterr()
        assert isinstance(exit_.value.code, int)
        return Outcome(exit_.value.code, out, err)

    return run_command


def test_a_study_prints_the_means_the_shape_and_the_words_in_eighty_columns(run: Run) -> None:
    status, out, err = run("--m", "200", "--replicates", "300")
    assert (status, err) == (0, "")
    for text in ("simulated", "variance term", "limit, I(K) ∫ f a", "95% point", "Theorem 3.1 applies", "engine exact"):
        assert text in out
    assert max(map(len, out.splitlines())) <= 80


def test_json_on_a_dash_is_alone_on_standard_output(run: Run) -> None:
    status, out, err = run("--m", "100", "--replicates", "50", "--json", "-")
    document = json.loads(out, parse_constant=pytest.fail)
    assert status == 0
    assert (document["m"], document["replicates"]) == (100, 50)
    assert "exact at this m" in err


def test_a_mean_that_contradicts_the_exact_mean_ends_with_exit_status_1(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shifted(*arguments: Any) -> ExactMean:
        mean = exact_mean(*arguments)
        return replace(mean, variance_term=mean.variance_term + 1)

    monkeypatch.setattr(summary, "exact_mean", shifted)
    status, out, err = run("--m", "100", "--replicates", "200", "--json", "-")
    assert status == 1
    assert json.loads(out)["z_exact"] < -20
    assert "contradicts the exact mean" in " ".join(err.split())


def test_several_sizes_make_a_list_of_studies_and_a_table(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "studies.json"
    status, out, _ = run("--m", "50", "--m", "100", "--replicates", "40", "--json", str(path))
    studies = json.loads(path.read_text())["studies"]
    assert status == 0
    assert [study["m"] for study in studies] == [50, 100]
    for text in ("E T_m as m grows", "with its leading terms", "Powers of b", "different streams"):
        assert text in out
    assert max(map(len, out.splitlines())) <= 80
    convergence = json.loads(path.read_text())["convergence"]
    assert [point["m"] for point in convergence["points"]] == [50, 100]
    assert {rate["quantity"]: rate["predicted"] for rate in convergence["rates"]}["skewness"] == 0.5


def test_the_result_is_drawn_where_asked_and_as_often_as_asked(run: Run, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("law.png", "law.svg", "law.pdf")]
    plots = [argument for path in paths for argument in ("--plot", str(path))]
    assert run("--m", "50", "--replicates", "100", *plots, "--quiet") == (0, "", "")
    for path, mark in zip(paths, (b"PNG", b"<svg", b"%PDF"), strict=True):
        assert mark in path.read_bytes()


def test_any_density_and_weight_of_theory_may_be_named(run: Run) -> None:
    density = "mixture:0.5*normal(-1,0.5)+0.5*normal(1,0.5)"
    arguments = ("--m", "40", "--replicates", "30", "--density", density, "--weight", "inverse-density:-1,1")
    document = json.loads(run(*arguments, "--json", "-").out)
    assert (document["density"], document["weight"]) == (density, "inverse-density:-1,1")
    assert document["limit_mean"] == pytest.approx(1.2)


def test_quiet_prints_nothing(run: Run) -> None:
    assert run("--m", "50", "--replicates", "20", "--quiet") == (0, "", "")


def test_the_options_reach_the_study(run: Run) -> None:
    arguments = (
        "--m 30 --replicates 25 --kernel biweight --weight window:-1,0.5 --bandwidth 0.4 --seed 9 --engine exact"
    )
    _, out, _ = run(*arguments.split(), "--workers", "1", "--json", "-")
    document = json.loads(out)
    assert {key: document[key] for key in ("kernel", "weight", "bandwidth", "seed", "engine", "replicates")} == {
        "kernel": "biweight",
        "weight": "window:-1,0.5",
        "bandwidth": "0.4",
        "seed": 9,
        "engine": "exact",
        "replicates": 25,
    }


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("", "--m"),
        ("--m -3", "m must be a positive whole number, got -3."),
        ("--m ten", "'ten' is not a valid integer."),
        ("--m 10 --m 20 --m 10", "every --m must be different, got 10 twice"),
        ("--m 10 --replicates 0", "replicates must be a positive whole number, got 0."),
        ("--m 10 --seed -1", "the seed must be a whole number from 0 to 18446744073709551615, got -1."),
        ("--m 10 --workers 0", "workers must be a positive whole number, got 0."),
        ("--m 10 --kernel epanechnikow", "Did you mean epanechnikov?"),
        ("--m 10 --kernel exp(-abs(x))/2 --kernel-support=-oo,oo", "got expression:exp(-abs(x))/2,-oo,oo. Choose from"),
        ("--m 10 --density norml", "Did you mean normal?"),
        ("--m 10 --density uniform:1,0", "two finite ends, the lower first, got 1 and 0."),
        ("--m 10 --density beta:0.5,1", "but beta:0.5,1 is unbounded at 0."),
        ("--m 10 --density uniform:-1,1 --weight inverse-density:-2,1", "uniform:-1,1 vanishes outside [-1, 1]."),
        ("--m 10 --weight two", "Choose from: window:c,d, inverse-density:c,d, one."),
        ("--m 10 --weight window:2,-2", "a window must have two finite ends, the lower first, got 2 and -2."),
        ("--m 10 --bandwidth m^0.2", "a bandwidth must shrink as m grows"),
        ("--m 10 --bandwidth 0", "a bandwidth must be positive and finite, got 0."),
        ("--m 10 --engine quick", "Choose from auto, exact"),
        ("--m 10 --json /no/such/folder/result.json", "cannot be written"),
        ("--m 10 --replicates 1000000000 --plot law.eps", "--plot must end in .png, .svg or .pdf, got law.eps"),
        ("--m 10 --replicates 1000000000 --plot /no/such/folder/law.png", "--plot must be a file in a writable folder"),
        ("--m 10 --resume /no/such/folder/state.json", "cannot be written"),
        ("--m 10 --cluster tcp://127.0.0.1:9 --workers 2", "Give one of them."),
    ],
)
def test_bad_input_is_one_sentence_and_exit_2(run: Run, arguments: str, complaint: str) -> None:
    status, out, err = run(*arguments.split())
    assert (status, out) == (2, "")
    assert complaint in err
    assert re.fullmatch(r"Error: [^\n]*\n", err)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_study_says_what_was_done(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    monkeypatch.setattr(presentation, "_plain_progress", lambda *_: lambda _: os.kill(os.getpid(), number))
    path = tmp_path / "result.json"
    path.write_text("an earlier result")
    outcome = run("--m", "50", "--replicates", "300000", "--json", str(path))
    assert outcome.status == status
    assert re.fullmatch(
        rf"Error: interrupted by {number.name} after [\d,]+ of 300,000 replicates at m = 50; [^\n]* With --resume FILE "
        r"[^\n]*\n",
        outcome.err,
    )
    assert "INTERRUPTED: only the first" in outcome.out
    assert path.read_text() == "an earlier result"


def test_an_interrupted_study_gives_the_command_that_resumes(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    state, result = tmp_path / "a state.json", tmp_path / "result.json"
    arguments = ["--m", "50", "--replicates", "5000", "--resume", str(state), "--json", str(result), "--quiet"]
    with monkeypatch.context() as patched:
        patched.setattr(presentation, "_plain_progress", lambda *_: lambda _: os.kill(os.getpid(), signal.SIGINT))
        outcome = run(*arguments)
    assert outcome.status == 130
    assert f"they are saved in {state}." in outcome.err
    command = shlex.split(outcome.err.rpartition("Resume with: ")[2])
    assert command[:3] == ["python", "cli.py", "simulate-tm"]
    assert sorted(command[3:]) == sorted(arguments)
    assert run(*command[3:]).status == 0
    resumed = json.loads(result.read_text())
    whole = json.loads(run("--m", "50", "--replicates", "5000", "--json", "-").out)
    assert {**resumed, **TIMES} == {**whole, **TIMES}


def test_progress_is_told_in_plain_lines_where_there_is_no_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presentation, "SECONDS_BETWEEN_LINES", 0.0)
    _, _, err = run("--m", "50", "--replicates", "6000")
    line = r"m = 50: [\d,]+ of 6,000 replicates, [\d,]+/s, \d+ s left\n"
    assert re.fullmatch(f"({line})+", err)


def test_the_help_teaches_and_loads_nothing_heavy() -> None:
    code = (
        "import sys, cli\n"
        "try: cli.main(['simulate-tm', '--help'])\n"
        f"finally: print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert finished.stderr == "[]\n"
    for text in ("Theorem 3.1", "2/9 < DELTA < 1/4", "[default: window:-2,2]", "Philox"):
        assert text in " ".join(finished.stdout.split())
    assert "\n    python cli.py simulate-tm --m 10000\n" in finished.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("--density gama:2", "'gama:2' is not a density. Did you mean gamma?"),
        (
            "--density gamma:2,-1",
            "the parameter scale of the density gamma must be from 1e-15 to 1e+15, got -1.",
        ),
        ("--density scipy:poisson(3)", "scipy:poisson must be the name of a continuous distribution of scipy.stats"),
        ("--density scipy:__import__(1)", "a distribution of scipy must be a name with numbers in parentheses"),
        ("--density x --support 0,1", "must integrate to 1, got 0.5. Divide it by 0.5."),
        ("--density x*exp(-x)", "a formula needs its support, as in --support 0,oo."),
        ("--support 0,1", "--support must stand with a --density that is a formula in x, got 'normal'. Leave it out."),
        ("--kernel 1-x**2 --kernel-support=-1,1", "must integrate to 1, but the integral of K is 4/3."),
        ("--kernel exp(-abs(x))/2 --kernel-support=-oo,oo", "must be piecewise a polynomial or a cosine, or Gaussian"),
    ],
)
def test_a_density_or_a_kernel_that_is_none_is_refused_in_one_sentence(
    run: Run, arguments: str, complaint: str
) -> None:
    status, out, err = run("--m", "50", "--replicates", "10", *arguments.split())
    assert (status, out) == (2, "")
    assert complaint in err
    assert err.count("\n") == 1


def test_a_formula_with_its_support_is_the_density_of_its_family(run: Run) -> None:
    study = ["--m", "50", "--replicates", "40", "--weight", "window:0.5,3", "--json", "-"]
    formula = json.loads(run(*study, "--density", "x*exp(-x)", "--support", "0,oo").out)
    named = json.loads(run(*study, "--density", "gamma:2").out)
    assert formula["density"] == "expression:x*exp(-x),0,oo"
    assert formula["mean"] == pytest.approx(named["mean"], rel=1e-9)
    assert formula["exact_mean"] == pytest.approx(named["exact_mean"], rel=1e-12)
