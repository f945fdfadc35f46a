"""A recorder under the rules of CUDA graphs, on the CPU: what a graph would do wrong, it does wrong or refuses.

It writes down every operation, with its tensors, as PyTorch dispatches them, and replays these: the same operations on
the same memory. What Python computed in between is what it was when recorded. As with a graph, recording changes
nothing, and an operation that would have to wait for the device cannot be recorded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from evae.training.steps import Step, StepCapture

aten = torch.ops.aten

#: They hand a number on the device to Python, have as many values as the numbers say, or bring numbers from Python.
WAITING = {aten._local_scalar_dense, aten.nonzero, aten.masked_select, aten.unique_dim, aten.lift_fresh, aten.lift}

#: Arguments that are written to, which the operation's schema does not say.
WRITTEN_TO = {aten.native_batch_norm: (3, 4)}


class Tape(StepCapture):
    """Records on the CPU.

    Attributes
    ----------
    recordings, replays : int
        How many there were.
    """

    def __init__(self) -> None:
        self.recordings = self.replays = 0

    def isolate(self) -> contextlib.AbstractContextManager[Any]:
        """There is one stream."""
        return contextlib.nullcontext()

    def capture(self, step: Step, numbers: Tensor, noise: Sequence[torch.Generator]) -> Step:
        """Write the step down."""
        self.recordings += 1
        given = numbers.clone()
        stood = [generator.get_state() for generator in noise]
        recording = _Recording()
        try:
            with recording:
                sums = step(given)
        finally:
            recording.undo()
            for generator, state in zip(noise, stood, strict=True):
                generator.set_state(state)

        def replay(numbers: Tensor) -> Tensor:
            self.replays += 1
            given.copy_(numbers)
            recording.replay()
            return sums

        return replay


class _Recording(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._operations: list[tuple[Any, Any, Any, Any]] = []
        self._before: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func.namespace == "profiler":
            return func(*args, **kwargs)
        if func.overloadpacket in WAITING:
            raise RuntimeError(f"operation not permitted when stream is capturing: {func}\nand more lines")
        for tensor in _written_to(func, args, kwargs):
            storage = tensor.untyped_storage()
            self._before.setdefault(storage._cdata, (storage, storage.clone()))
        results = func(*args, **kwargs)
        self._operations.append((func, args, kwargs, results))
        return results

    def undo(self) -> None:
        """Give all tensors the values that they had before."""
        for storage, before in self._before.values():
            storage.copy_(before)

    @torch.no_grad()
    def replay(self) -> None:
        """Repeat every operation, and put what is new where it was put when it was recorded."""
        for func, args, kwargs, results in self._operations:
            again = func(*args, **kwargs)
            for old, new in zip(_tensors(results), _tensors(again), strict=True):
                if old.untyped_storage()._cdata != new.untyped_storage()._cdata:
                    old.copy_(new)


def _tensors(values: Any) -> Iterator[Tensor]:
    return (value for value in pytree.tree_leaves(values) if isinstance(value, Tensor))


def _written_to(func: Any, args: Any, kwargs: Any) -> Iterator[Tensor]:
    for place, argument in enumerate(func._schema.arguments):
        written = argument.alias_info is not None and argument.alias_info.is_write
        if written or place in WRITTEN_TO.get(func.overloadpacket, ()):
            yield from _tensors(args[place] if place < len(args) else kwargs.get(argument.name))
