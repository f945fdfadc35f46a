"""A step that is recorded and replayed is the step made again: on the CPU by a tape with a CUDA graph's rules."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from evae import VAE, Configuration, Run, resume, train, train_seeds
from evae.compute.processes import Processes
from evae.data import ImageData, as_images
from evae.exceptions import CaptureWarning
from evae.models.objectives import EvidenceLowerBound, objective_for
from evae.models.posterior_family import PosteriorFamily
from evae.models.posteriors import Draw, Posterior
from evae.models.priors import Prior, prior_for
from evae.training.callbacks import Callback
from evae.training.display import TrainingDisplay
from evae.training.group import TrainingInterrupted
from evae.training.loop import train_epoch
from evae.training.progress import Progress
from evae.training.session import Session
from evae.training.steps import WARM_UP, Step, Steps
from tests.evae.conftest import small
from tests.evae.training.tape import Tape
from tests.evae.training.test_resume import Stopping
from tests.evae.training.test_seeds import PAIRS
from tests.support.examples import each_value

#: Those whose loss has no backward pass inside it, which tensors without values do not have on CUDA.
ON_CUDA = [options for options in PAIRS if options.get("decoder_bound") != "all"]

#: Full batches in an epoch, and then a short one.
FULL = 5


def images(size: int = 4) -> ImageData:
    count = FULL * size + size // 2
    pixels = torch.randint(0, 256, (count, 1, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(5))
    return ImageData(pixels, pixels[:0])


def session(seeds: Sequence[int] = (0,), device: str = "cpu", **options: Any) -> Session:
    settings = {"batch_size": 4, "latent_dim": 3, "lr": 1e-3, **options}
    config = Configuration(device=device, **settings)
    return Session.begin(config, images(config.batch_size), Processes(device=torch.device(device)), seeds)


def trained(steps: Steps, epochs: int = 2) -> dict[str, Tensor]:
    """All that some epochs come to: the terms of every batch, the weights, Adam's moments and the noise."""
    found = {}
    for epoch in range(1, epochs + 1):
        progress, _ = train_epoch(steps, epoch, Callback())
        found[f"terms {epoch}"] = progress.sums
    found |= {f"noise {number}": noise.get_state() for number, noise in enumerate(steps.noise)}
    return {**found, **state(steps.session)}


def state(of: Session) -> dict[str, Tensor]:
    found = {name: tensor.detach().clone() for name, tensor in of.model.state_dict().items()}
    for number, moments in enumerate(of.optimizer.state.values()):
        found |= {f"{name} {number}": torch.as_tensor(moment).clone() for name, moment in moments.items()}
    return found


def assert_same_bits(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


@pytest.mark.parametrize(
    "options", each_value(PAIRS), ids=lambda options: "-".join(str(one) for one in options.values() if one)
)
def test_replayed_steps_of_every_model_are_those_made_again(options: dict[str, Any]) -> None:
    """Two epochs, each with a short batch at its end, to the bit."""
    tape = Tape()
    found = trained(Steps(session(**options), capture=tape))
    assert (tape.recordings, tape.replays) == (1, 2 * FULL - WARM_UP)
    assert_same_bits(found, trained(Steps(session(**options))))


@pytest.mark.parametrize(
    "options", [{"model": "evae", "precision": "bf16"}, {"model": "evae", "prior_length": 0.5}, {"beta": 0.25}]
)
def test_replayed_steps_in_other_arithmetic_and_with_constants_are_those_made_again(options: dict[str, Any]) -> None:
    assert_same_bits(trained(Steps(session(**options), capture=Tape()), 1), trained(Steps(session(**options)), 1))


def test_replayed_steps_of_several_seeds_are_those_made_again() -> None:
    tape = Tape()
    found = trained(Steps(session((3, 4), model="evae"), capture=tape))
    assert tape.replays == 2 * FULL - WARM_UP
    assert_same_bits(found, trained(Steps(session((3, 4), model="evae"))))


def test_recording_makes_no_step() -> None:
    steps = Steps(session(model="evae"))
    numbers = torch.arange(4)[None]
    for _ in range(WARM_UP):
        steps(numbers)
    before, noise = state(steps.session), steps.noise[0].get_state()
    replay = Tape().capture(steps.launch, numbers, steps.noise)
    assert_same_bits(state(steps.session), before)
    assert torch.equal(steps.noise[0].get_state(), noise)
    replay(numbers)
    assert not torch.equal(state(steps.session)["encoder.features.0.weight"], before["encoder.features.0.weight"])
    assert not torch.equal(steps.noise[0].get_state(), noise)


def test_every_epoch_has_its_noise_and_the_rest_of_one_may_have_another() -> None:
    steps = Steps(session((3, 4)))

    def states(epoch: int, batch: int = 0) -> list[bytes]:
        steps.reseed(epoch, batch)
        return [noise.get_state().numpy().tobytes() for noise in steps.noise]

    found = [*states(1), *states(2), *states(1, batch=2), *states(1, batch=3)]
    assert len(set(found)) == len(found)
    assert states(1) == found[:2]


class Half(Processes):
    """Leaves half of each batch to somebody else."""

    def rows(self, images: int) -> slice:
        """Return the first half."""
        return slice(0, images // 2)


def test_the_means_within_an_epoch_are_over_the_images_that_this_process_saw() -> None:
    seen: list[tuple[int, int]] = []

    class Noting(Callback):
        def on_batch_end(self, progress: Progress) -> None:
            seen.append((progress.images, progress.seen))

    train_epoch(Steps(dataclasses.replace(session(), processes=Half())), 1, Noting())
    assert seen == [(4, 2), (8, 4), (12, 6), (16, 8), (20, 10), (22, 11)]


def test_the_terms_of_every_batch_are_kept_though_replays_write_to_one_place() -> None:
    steps = Steps(session(), capture=Tape())
    progress, _ = train_epoch(steps, 1, Callback())
    assert len(progress.sums.unique()) == progress.sums.numel()


class OnCuda(TorchDispatchMode):
    """Refuses every operation with a tensor that is not on CUDA: a graph could not read it."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        results = func(*args, **(kwargs or {}))
        for tensor in pytree.tree_leaves((args, kwargs, results)):
            assert not isinstance(tensor, Tensor) or tensor.is_cuda, func
        return results


@pytest.mark.parametrize("networks", [1, 3])
@pytest.mark.parametrize(
    "options", each_value(ON_CUDA), ids=lambda options: "-".join(str(one) for one in options.values() if one)
)
def test_no_tensor_of_a_loss_on_cuda_is_on_the_cpu(options: dict[str, Any], networks: int) -> None:
    """With tensors that have a shape and a device, and no values: it needs no GPU."""
    config = Configuration(**options, latent_dim=3)
    with FakeTensorMode():
        with torch.device("cuda"):
            prior = prior_for(config.recipe, 3, (1, 32, 32))
            prior = prior if prior is None else prior.stack(networks)
            model = VAE.appendix_b((1, 32, 32), 3, PosteriorFamily.of(config.recipe), networks, prior)
            pixels, numbers = torch.zeros(9, 1, 32, 32, dtype=torch.uint8), torch.arange(6)
        with OnCuda():  # type: ignore[no-untyped-call]
            batch = as_images(pixels[numbers])
            objective = objective_for(config)
            logits, posterior, drawn = model.train()(batch, None, **objective.draw_options)
            terms = objective.terms(logits, batch, posterior, drawn, model.prior, networks)
    assert all(term.is_cuda and term.shape == (6,) for term in terms.values())


@dataclasses.dataclass(frozen=True)
class Waiting(EvidenceLowerBound):
    """Looks at a number in every step."""

    def regularisation(self, posterior: Posterior, prior: Prior | None = None, draw: Draw | None = None) -> Tensor:
        """Return the same as the base class."""
        term = super().regularisation(posterior, prior, draw)
        assert float(term.detach().sum()) > 0
        return term


def test_a_step_that_waits_for_the_device_is_made_again_and_that_is_said_once() -> None:
    waiting = dataclasses.replace(session(), objective=Waiting())
    with pytest.warns(CaptureWarning, match=r"not be captured as a CUDA graph \(operation not permitted") as said:
        found = trained(Steps(waiting, capture=Tape()))
    assert len(said) == 1
    assert "more lines" not in str(said[0].message)
    assert_same_bits(found, trained(Steps(session())))


class Spoiling(Tape):
    """Fails, and leaves the generators as a recording may that cannot be ended."""

    def capture(self, step: Step, numbers: Tensor, noise: Sequence[torch.Generator]) -> Step:  # noqa: ARG002
        """Raise in the middle."""
        for generator in noise:
            generator.manual_seed(99)
        raise RuntimeError("CUDA error: operation failed due to a previous error during capture")


def test_a_recording_that_breaks_off_leaves_the_noise_where_it_was() -> None:
    with pytest.warns(CaptureWarning, match="due to a previous error during capture"):
        found = trained(Steps(session((3, 4), model="evae"), capture=Spoiling()))
    assert_same_bits(found, trained(Steps(session((3, 4), model="evae"))))


class Asking(Tape):
    """Sees what the optimizer is told of the recording."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        super().__init__()
        self.optimizer = optimizer
        self.seen: list[bool] = []

    def capture(self, step: Step, numbers: Tensor, noise: Sequence[torch.Generator]) -> Step:
        """Look, and record."""
        self.seen = [group["capturable"] for group in self.optimizer.param_groups]
        return super().capture(step, numbers, noise)


def test_the_optimizer_may_be_recorded_only_while_a_step_is() -> None:
    of = session()
    asking = Asking(of.optimizer)
    trained(Steps(of, capture=asking), 1)
    assert asking.seen == [True]
    assert [group["capturable"] for group in of.optimizer.param_groups] == [False]


class Full(Tape):
    """Has no memory for a graph."""

    def capture(self, step: Step, numbers: Tensor, noise: Sequence[torch.Generator]) -> Step:  # noqa: ARG002
        """Raise what torch raises."""
        raise torch.OutOfMemoryError("CUDA out of memory.")


def test_a_device_without_memory_for_a_graph_is_out_of_memory() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        trained(Steps(session(), capture=Full()))


@pytest.fixture
def taped(monkeypatch: pytest.MonkeyPatch) -> list[Tape]:
    """Every run's steps are recorded."""
    tapes: list[Tape] = []

    def steps(of: Session, on_captured: Callable[[float], None]) -> Steps:
        tapes.append(Tape())
        return Steps(of, on_captured, tapes[-1])

    monkeypatch.setattr("evae.training.loop.Steps", steps)
    return tapes


def outcome(run: Run) -> tuple[list[Any], bytes]:
    rows = [{name: row[name] for name in ("epoch", "train", "holdout", "latent")} for row in run.metrics]
    return rows, run.weights_path.read_bytes()


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Six full batches an epoch and a short one, and few images to measure on."""
    path = tmp_path_factory.mktemp("images") / "few.npz"
    pixels = images(10).train[:50, 0].numpy()
    np.savez(path, train_images=pixels, test_images=pixels[:10])
    data = {"dataset": f"npz:{path}", "data_dir": str(path.parent), "limit_train": None}
    return {"model": "evae", "batch_size": 8, "epochs": 2, **data}


@pytest.fixture(scope="module")
def never_recorded(settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(small(tmp_path_factory.mktemp("again"), **settings))


def test_a_run_of_replayed_steps_is_the_run_of_steps_made_again(
    settings: dict[str, Any], never_recorded: Run, taped: list[Tape], tmp_path: Path
) -> None:
    run = train(small(tmp_path, **settings))
    assert [tape.replays for tape in taped] == [2 * 6 - WARM_UP]
    assert outcome(run) == outcome(never_recorded)


@pytest.mark.parametrize("at", [(1, 2), (1, 5), (2, 2), (2, 6)])
def test_a_run_of_replayed_steps_resumes_to_the_same_bits(
    settings: dict[str, Any], never_recorded: Run, taped: list[Tape], tmp_path: Path, at: tuple[int, int]
) -> None:
    with pytest.raises(TrainingInterrupted) as stopped:
        train(small(tmp_path, **settings), Stopping(*at))
    assert outcome(resume(stopped.value.run)) == outcome(never_recorded)
    assert [tape.recordings for tape in taped] == [int(at > (1, 3)), int(at <= (2, 2))]


def test_the_recording_is_said_once(
    settings: dict[str, Any], taped: list[Tape], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(small(tmp_path, **settings), TrainingDisplay(Console(width=200), bar=None))
    assert len(taped) == 1
    assert capsys.readouterr().out.count("A step of training was captured as a CUDA graph in ") == 1


def test_runs_of_several_seeds_are_recorded_as_one(settings: dict[str, Any], taped: list[Tape], tmp_path: Path) -> None:
    runs = train_seeds(small(tmp_path / "taped", **settings), (0, 1))
    assert [tape.replays for tape in taped] == [2 * 6 - WARM_UP]
    assert outcome(runs[0]) != outcome(runs[1])


needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")


@needs_cuda
@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
@pytest.mark.parametrize("options", [{"model": "vae"}, {"model": "evae"}, {"model": "evae", "precision": "bf16"}])
def test_a_cuda_graph_has_the_losses_of_steps_made_again(seeds: tuple[int, ...], options: dict[str, Any]) -> None:
    class Again(Steps):
        def __call__(self, numbers: Tensor) -> Tensor:
            return self.launch(numbers)

    recorded: list[float] = []
    graphed = Steps(session(seeds, "cuda", **options), recorded.append)
    expected = trained(Again(session(seeds, "cuda", **options)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = trained(graphed)
    assert len(recorded) == 1
    for epoch in (1, 2):
        torch.testing.assert_close(found[f"terms {epoch}"], expected[f"terms {epoch}"], rtol=1e-3, atol=1e-3)
    for number in range(len(seeds)):
        assert torch.equal(found[f"noise {number}"], expected[f"noise {number}"])


@needs_cuda
def test_a_step_of_one_run_on_cuda_cannot_be_recorded_if_it_waits() -> None:
    waiting = dataclasses.replace(session(device="cuda"), objective=Waiting())
    with pytest.warns(CaptureWarning, match="not be captured as a CUDA graph"):
        found = trained(Steps(waiting))
    torch.testing.assert_close(
        found["terms 2"], trained(Steps(session(device="cuda")))["terms 2"], rtol=1e-3, atol=1e-3
    )
