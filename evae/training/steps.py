"""One step of training: forward, backward and Adam, made anew each time or, on CUDA, recorded once and replayed.

A batch of 100 small images keeps a GPU busy for a fraction of the time that launching its some 250 operations takes.
So the step is recorded as a CUDA graph, which a single launch replays: the same operations on the same memory, in
which only the numbers of the images, and what they change, are others. A short batch has tensors of another shape and
is made anew.
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
from evae.exceptions import RecordingWarning
from evae.training.session import Session

#: Steps that are made anew before one is recorded: what a first step sets up, such as Adam's moments, is no part of it.
WARM_UP = 3

Step = Callable[[Tensor], Tensor]
"""Makes a step with the images of some numbers, (runs, N), and returns the sums of every run's terms, (runs, terms)."""


class Steps:
    """The steps of a session, one for each batch, and the noise that they draw.

    Several processes share each batch; then steps are made anew, because they wait for each other in between.

    Parameters
    ----------
    session : Session
    told : callable, optional
        Is told that a step is recorded, and how many seconds that took.
    recorder : Recorder, optional
        What records a step; by default a `CudaGraphs` on CUDA, and elsewhere none.

    Attributes
    ----------
    noise : tuple of torch.Generator
        Each run's. A recorded step draws from the same ones.
    """

    def __init__(
        self,
        session: Session,
        told: Callable[[float], None] = lambda seconds: None,  # noqa: ARG005
        recorder: Recorder | None = None,
    ) -> None:
        self.session = session
        self._told = told
        self.noise = tuple(torch.Generator(session.device) for _ in session.seeds)
        if recorder is None and session.device.type == "cuda" and session.processes.count == 1:
            recorder = CudaGraphs()
        self._recorder = recorder
        self._made = 0
        self._recorded: Step | None = None

    def reseed(self, epoch: int, batch: int = 0) -> None:
        """Begin the noise of an epoch, or of the rest of it from a batch on if that has streams of its own."""
        for noise, seed in zip(self.noise, self.session.seeds, strict=True):
            noise.manual_seed(stream_seed(seed, Stream.NOISE, epoch, batch))

    def __call__(self, numbers: Tensor) -> Tensor:
        """Make a step with the images of the whole batch; returns the sums of this process's rows.

        What is returned may be overwritten by the next step.
        """
        if self._recorder is None or numbers.shape[1] < self.session.config.batch_size:
            return self.anew(numbers)
        if self._made < WARM_UP:
            self._made += 1
            with self._recorder.aside():
                return self.anew(numbers)
        if self._recorded is None:
            self._recorded = self._record(numbers)
        return self._recorded(numbers)

    def _record(self, numbers: Tensor) -> Step:
        assert self._recorder is not None
        started, stood = time.perf_counter(), [noise.get_state() for noise in self.noise]
        try:
            with _capturable(self.session.optimizer):
                replay = self._recorder.recorded(self.anew, numbers, self.noise)
            self._told(time.perf_counter() - started)
            return replay
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            # A recording that failed may not let go of its generators.
            self.noise = tuple(torch.Generator(self.session.device) for _ in stood)
            for noise, state in zip(self.noise, stood, strict=True):
                noise.set_state(state)
            warnings.warn(
                f"a step of training could not be recorded as a CUDA graph ({str(error).splitlines()[0]}): each is "
                "launched anew, with the same losses in more time.",
                RecordingWarning,
                stacklevel=3,
            )
            return self.anew

    def anew(self, numbers: Tensor) -> Tensor:
        """Make a step, launching each of its operations."""
        session, processes = self.session, self.session.processes
        runs, size = numbers.shape
        # All images of the batch, unless other processes take some; and the rows of the noise that belong to them.
        rows = processes.rows(size)
        images = as_images(session.train_pixels[numbers[:, rows].flatten()])
        logits, posterior = session.replica(images, self._noise_of(size, rows), session.config.precision)
        terms = session.objective.terms(logits, images, posterior)
        sums = torch.stack([term.view(runs, -1).sum(1) for term in terms.values()], dim=1)
        # No weight is in two runs' losses: the gradient of the sum is that of each. It is averaged over processes:
        # that of this loss becomes that of the mean over the batch.
        loss = sums.sum() / (size / processes.count)
        session.optimizer.zero_grad()
        loss.backward()
        session.optimizer.step()
        return sums.detach()

    def _noise_of(self, images: int, rows: slice) -> NoiseSource:
        """Return where the noise of a batch comes from: processes share one run's, several runs have their own."""
        return RowsOf(self.noise[0], images, rows) if len(self.noise) == 1 else StackedGenerators(self.noise)


@contextlib.contextmanager
def _capturable(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Let a step of the optimizer be recorded.

    Fused Adam counts its steps on the device either way; but without this it refuses to be recorded, and with it it
    warns at each step that is not.
    """
    for group in optimizer.param_groups:
        group["capturable"] = True
    try:
        yield
    finally:
        for group in optimizer.param_groups:
            group["capturable"] = False


class Recorder(ABC):
    """What records a step without making it."""

    @abstractmethod
    def aside(self) -> contextlib.AbstractContextManager[Any]:
        """Return a block in which a step is made that must not disturb the recording."""

    @abstractmethod
    def recorded(self, step: Step, numbers: Tensor, noise: Sequence[torch.Generator]) -> Step:
        """Record a step with so many images, whose noise is drawn from ``noise``, and return what replays it.

        Raises
        ------
        RuntimeError
            If it has an operation that cannot be recorded. No step is made then, but the generators may be spoilt.
        """


class CudaGraphs(Recorder):
    """Records on the current CUDA device.

    Source: PyTorch's notes on CUDA semantics, "CUDA Graphs".
    """

    def __init__(self) -> None:
        # Steps before and the recording share a stream that is not the default one.
        self._stream = torch.cuda.Stream()

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Launch on the stream of the recording; what is launched before comes before, and what after, after."""
        main = torch.cuda.current_stream()
        self._stream.wait_stream(main)
        with torch.cuda.stream(self._stream):
            yield
        main.wait_stream(self._stream)

    def recorded(self, step: Step, numbers: Tensor, noise: Sequence[torch.Generator]) -> Step:
        """Record a CUDA graph. At each replay the generators stand where they stood after the step before it."""
        graph = torch.cuda.CUDAGraph()
        for generator in noise:
            graph.register_generator_state(generator)
        given = numbers.clone()
        # The outer block comes back to the current stream also where the recording fails.
        with torch.cuda.stream(torch.cuda.current_stream()), torch.cuda.graph(graph, stream=self._stream):
            sums = step(given)

        def replay(numbers: Tensor) -> Tensor:
            given.copy_(numbers)
            graph.replay()
            return sums

        return replay
