"""One step of training: forward pass, backward pass and optimizer; on CUDA captured once as a graph and replayed.

A batch of 100 small images keeps a GPU busy for a fraction of the time needed to launch its roughly 250 operations.
Therefore the step is captured as a CUDA graph, which a single launch replays: the same operations on the same memory,
with other indices of images. A shorter batch has tensors of another shape, and its operations are launched one by one.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from evae.compute.random_streams import NoiseSource, RowsOf, StackedGenerators, Stream, stream_seed
from evae.data import as_images
from evae.exceptions import CaptureWarning
from evae.training.session import Session
from evae.training.updates.clipping import clip_gradients

#: Steps before the capture: the first step allocates state, such as Adam's moments, which must not be captured.
WARM_UP = 3

Step = Callable[[Tensor], Tensor]
"""Trains on the images with these indices, (runs, N), and returns the sums of the terms, (runs, terms)."""


class Steps:
    """The steps of a session, one for each batch, and the noise that they draw.

    Steps of several processes, which share each batch, are not captured, because they wait for each other.

    Parameters
    ----------
    session : Session
    on_captured : callable, optional
        Called with the duration of the capture in seconds.
    capture : StepCapture, optional
        By default a `CudaGraphCapture` on CUDA, and none elsewhere.

    Attributes
    ----------
    noise : tuple of torch.Generator
        One for each run. A captured step draws from the same generators.
    """

    def __init__(
        self,
        session: Session,
        on_captured: Callable[[float], None] = lambda seconds: None,  # noqa: ARG005
        capture: StepCapture | None = None,
    ) -> None:
        self.session = session
        self._on_captured = on_captured
        # Generators on the device: the noise is drawn where it is used, without a copy for each batch.
        self.noise = tuple(torch.Generator(session.device) for _ in session.seeds)
        if capture is None and session.device.type == "cuda" and session.processes.count == 1:
            capture = CudaGraphCapture()
        self._capture = capture
        self._made = 0
        self._replay: Step | None = None

    def reseed(self, epoch: int, batch: int = 0) -> None:
        """Seed the noise of an epoch, or of the rest of it from ``batch`` on with separate streams."""
        for noise, seed in zip(self.noise, self.session.seeds, strict=True):
            noise.manual_seed(stream_seed(seed, Stream.NOISE, epoch, batch))

    def preserved_global_generator(self) -> contextlib.AbstractContextManager[Any]:
        """Return a context that restores torch's global generator at its end if `seed_layers` changes it."""
        device = self.session.device
        devices = [device] if device.type == "cuda" else []
        return torch.random.fork_rng(devices=devices, enabled=self.session.config.has_own_network)

    def seed_layers(self, epoch: int, batch: int) -> None:
        """Seed torch's global generator, from which layers of a user's network draw, such as dropout, for a batch.

        A function of the batch, so that training can be resumed at any of them.
        """
        if self.session.config.has_own_network:
            torch.manual_seed(stream_seed(self.session.seeds[0], Stream.LAYERS, epoch, batch + 1))

    def __call__(self, numbers: Tensor) -> Tensor:
        """Train on the images with these indices, (runs, N); return the sums of the terms, (runs, terms).

        The sums are over the images of this process. The next step may overwrite the tensor that is returned.
        """
        if self._capture is None or numbers.shape[1] < self.session.config.batch_size:
            return self.launch(numbers)
        if self._made < WARM_UP:
            self._made += 1
            with self._capture.isolate():
                return self.launch(numbers)
        # State that the first steps allocate exists now, and stays at the addresses that the graph records.
        if self._replay is None:
            self._replay = self._capture_step(numbers)
        return self._replay(numbers)

    def _capture_step(self, numbers: Tensor) -> Step:
        assert self._capture is not None
        started, states = time.perf_counter(), [noise.get_state() for noise in self.noise]
        try:
            with _allow_capture(self.session.optimizer):
                replay = self._capture.capture(self.launch, numbers, self.noise)
            self._on_captured(time.perf_counter() - started)
            return replay
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            # A failed capture may leave its generators registered, so that they cannot be used outside it.
            self.noise = tuple(torch.Generator(self.session.device) for _ in states)
            for noise, state in zip(self.noise, states, strict=True):
                noise.set_state(state)
            warnings.warn(
                f"a step of training could not be captured as a CUDA graph ({str(error).splitlines()[0]}): its "
                "operations are launched one by one, with the same losses in more time.",
                CaptureWarning,
                stacklevel=3,
            )
            return self.launch

    def launch(self, numbers: Tensor) -> Tensor:
        """Train on the images with these indices as `__call__` does, launching the operations one by one."""
        session, processes = self.session, self.session.processes
        runs, size = numbers.shape
        # This process's part of the batch, and of the noise.
        rows = processes.rows(size)
        images = as_images(session.train_pixels[numbers[:, rows].flatten()])
        objective, noise = session.objective, self._choose_noise(size, rows)
        logits, posterior, drawn = session.replica(images, noise, session.config.precision, **objective.draw_options)
        # After the images, whose pass updates the running averages that a learned prior may use.
        prior = None if session.model.prior is None else session.model.prior.snapshot()
        terms = objective.terms(logits, images, posterior, drawn, prior, runs, pixels=session.model.pixels)
        sums = torch.stack([term.view(runs, -1).sum(1) for term in terms.values()], dim=1)
        # Runs share no weight, so that the gradient of the sum is that of each run's loss. The average over processes
        # of this loss's gradient is the gradient of the mean over the batch.
        loss = sums.sum() / (size / processes.count)
        session.optimizer.zero_grad()
        loss.backward()
        if session.config.clip_gradient is not None:
            clip_gradients(session.model.parameters(), session.config.clip_gradient, runs)
        session.optimizer.step()
        return sums.detach()

    def _choose_noise(self, images: int, rows: slice) -> NoiseSource:
        """Return the source of a batch's noise: processes share that of one run, and several runs have their own."""
        return RowsOf(self.noise[0], images, rows) if len(self.noise) == 1 else StackedGenerators(self.noise)


@contextlib.contextmanager
def _allow_capture(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Set the optimizer's option ``capturable`` within the block.

    Fused Adam counts its steps on the device either way. Without the option it refuses to be captured; with the option
    it warns at each step that is not captured. Fused SGD can always be captured.
    """
    for group in optimizer.param_groups:
        group["capturable"] = True
    try:
        yield
    finally:
        for group in optimizer.param_groups:
            group["capturable"] = False


class StepCapture(ABC):
    """The capture of a step, which does not change any weight."""

    @abstractmethod
    def isolate(self) -> contextlib.AbstractContextManager[Any]:
        """Return a context for the steps before the capture."""

    @abstractmethod
    def capture(self, step: Step, numbers: Tensor, noise: Sequence[torch.Generator]) -> Step:
        """Capture a step, and return the function that replays it.

        Parameters
        ----------
        step : callable
        numbers : Tensor
            Indices of images, whose shape is that of all replays.
        noise : sequence of torch.Generator
            The generators that the step draws from.

        Raises
        ------
        RuntimeError
            If the step has an operation that cannot be captured. No weight has changed then, but the generators may be
            unusable.
        """


class CudaGraphCapture(StepCapture):
    """The capture of a step as a CUDA graph on the current device.

    Source: PyTorch's notes on CUDA semantics, "CUDA Graphs".
    """

    def __init__(self) -> None:
        # The steps before the capture and the capture share a stream other than the default one.
        self._stream = torch.cuda.Stream()

    @contextlib.contextmanager
    def isolate(self) -> Iterator[None]:
        """Launch on the stream of the capture, ordered with respect to the launches before and after the block."""
        main = torch.cuda.current_stream()
        self._stream.wait_stream(main)
        with torch.cuda.stream(self._stream):
            yield
        main.wait_stream(self._stream)

    def capture(self, step: Step, numbers: Tensor, noise: Sequence[torch.Generator]) -> Step:
        """Capture a CUDA graph; each replay continues the generators from the step before."""
        graph = torch.cuda.CUDAGraph()
        for generator in noise:
            graph.register_generator_state(generator)
        given = numbers.clone()
        # The outer context restores the current stream also where the capture fails.
        with torch.cuda.stream(torch.cuda.current_stream()), torch.cuda.graph(graph, stream=self._stream):
            sums = step(given)

        def replay(numbers: Tensor) -> Tensor:
            given.copy_(numbers)
            graph.replay()
            return sums

        return replay
