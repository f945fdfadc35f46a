"""The state of training in memory: model, optimizer and pixels; and its checkpoints."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from evae.compute.batch_norm import share_batch_normalisation
from evae.compute.precision import keep_freed_memory
from evae.compute.processes import Processes
from evae.compute.random_streams import Stream, generator
from evae.configuration.configuration import Configuration
from evae.data import ImageData
from evae.data.binarisation import RedrawnImages
from evae.models.custom.functions import Builder
from evae.models.custom.rehearsal import rehearse
from evae.models.initial_weights import begin_prior, initial_model
from evae.models.objectives import Objective, objective_for
from evae.models.stacked import split_by_model, stack_models
from evae.models.vae import VAE
from evae.runs.checkpoints import Checkpoint, Position
from evae.runs.environment import environment
from evae.training.updates.optimizers import OPTIMIZERS, OptimizerKind, make_optimizer
from foundation.errors import InputError


@dataclass(frozen=True)
class Session:
    """The state of a group of runs in memory. Training changes the models and the optimizer in place.

    Attributes
    ----------
    config : Configuration
        Common to all runs, except for the seed.
    seeds : tuple of int
        One for each run.
    processes : Processes
        The processes that train; several share a single run.
    models : tuple of VAE
        One for each run.
    model : VAE
        The model of a single run, or the stack of several (`evae.models.stacked`), whose parts are ``models``.
    replica : nn.Module
        The model, or the wrapper of it that averages gradients over the processes.
    objective : Objective
    optimizer : torch.optim.Optimizer
        Of the parameters of ``model``.
    data : ImageData
    train_pixels, holdout_pixels : Tensor
        uint8 images of shape (N, C, S, S) on the device.
    redrawn : RedrawnImages, optional
        If training images are made binary again in each epoch, the draws of all runs, which then are ``train_pixels``:
        those of one run after those of another.
    """

    config: Configuration
    seeds: tuple[int, ...]
    processes: Processes
    models: tuple[VAE, ...]
    model: VAE
    replica: nn.Module
    objective: Objective
    optimizer: torch.optim.Optimizer
    data: ImageData
    train_pixels: Tensor
    holdout_pixels: Tensor
    redrawn: RedrawnImages | None = None

    @classmethod
    def begin(
        cls,
        config: Configuration,
        data: ImageData,
        processes: Processes,
        seeds: Sequence[int] | None = None,
        model: VAE | Builder | str | None = None,
    ) -> Session:
        """Initialise a model for each seed, and move the models and all pixels to the device.

        Parameters
        ----------
        config : Configuration
        data : ImageData
        processes : Processes
        seeds : sequence of int, optional
            By default the seed of ``config``.
        model : VAE, callable or str, optional
            A network of the user's own, as for `VAE.of`; a single run has it.

        Raises
        ------
        InputError
            If the device has not enough memory, or a network of the user's own fails.
        """
        seeds = (config.seed,) if seeds is None else tuple(seeds)
        try:
            return cls._begin(config, seeds, data, processes, model)
        except torch.OutOfMemoryError as error:
            models = "the model" if len(seeds) == 1 else f"{len(seeds)} models"
            raise InputError(
                f"the CUDA device has not enough free memory for {models} and the images of {config.dataset} "
                f"({data.train.nbytes + data.holdout.nbytes:,} bytes). Free some, or use --device cpu."
            ) from error

    @classmethod
    def _begin(
        cls,
        config: Configuration,
        seeds: tuple[int, ...],
        data: ImageData,
        processes: Processes,
        own: VAE | Builder | str | None,
    ) -> Session:
        device = processes.device
        keep_freed_memory(device)
        each = [dataclasses.replace(config, seed=seed) for seed in seeds]
        models = tuple(initial_model(one, data.image_shape, own) for one in each)
        for found, one in zip(models, each, strict=True):
            begin_prior(found, one, data.train)
            found.place_on(device)
        model = stack_models(models)
        if config.has_own_network:
            rehearse(model, data.train[: config.batch_size].to(device), config.precision)
        if processes.count > 1:
            share_batch_normalisation(model, processes)
        redrawn = None if data.grey is None else RedrawnImages.of(data.grey, seeds, device)
        return cls(
            config,
            seeds,
            processes,
            models,
            model,
            processes.replica(model),
            objective_for(config),
            make_optimizer(config, model, device),
            data,
            # All pixels stay on the device as uint8: no loader, no copy per batch, and a quarter of the memory.
            data.train.to(device) if redrawn is None else redrawn.pixels,
            data.holdout.to(device),
            redrawn,
        )

    @property
    def device(self) -> torch.device:
        """The device of this process."""
        return self.processes.device

    @property
    def kind(self) -> OptimizerKind:
        """The kind of the optimizer."""
        return OPTIMIZERS[self.config.optimizer]

    @property
    def environment(self) -> dict[str, Any]:
        """`evae.runs.environment` of this training."""
        return environment(self.device, self.processes.count, len(self.seeds))

    @property
    def batches(self) -> int:
        """Number of batches in an epoch; the last one may be smaller."""
        return -(-len(self.data.train) // self.config.batch_size)

    def order_images(self, epoch: int) -> Tensor:
        """Return the order in which each run sees its images in an epoch, as indices (runs, N) of ``train_pixels``."""
        count = len(self.data.train)
        # Drawn on the CPU, so that the order is the same on every device.
        orders = torch.stack([torch.randperm(count, generator=generator(s, Stream.ORDER, epoch)) for s in self.seeds])
        if self.redrawn is not None:
            orders += count * torch.arange(len(self.seeds))[:, None]
        return orders.to(self.device)

    def capture(self, run: int, position: Position, epoch: dict[str, Tensor]) -> Checkpoint:
        """Copy the state of the run with index ``run`` to the CPU; ``epoch`` is `Checkpoint.epoch`."""
        state = self.optimizer.state
        # Moments of a stack are split, so that each run's checkpoint is that of a run trained alone.
        optimizer = {
            f"{moment}.{name}": split_by_model(state[parameter][moment], len(self.models))[run]
            for name, parameter in self.model.named_parameters()
            for moment in self.kind.state
            if parameter in state
        }
        weights = self.models[run].state_dict()
        return Checkpoint(position, _copy_to_cpu(weights), _copy_to_cpu(optimizer), _copy_to_cpu(epoch))

    def restore(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Load the state of the models and the optimizer from a checkpoint of each run, all at the same position.

        Raises
        ------
        InputError
            If a checkpoint belongs to another model.
        """
        position = checkpoints[0].position
        try:
            for model, checkpoint in zip(self.models, checkpoints, strict=True):
                model.load_state_dict(checkpoint.weights)
            for name, parameter in self.model.named_parameters():
                # A user's network may have weights that are not trained, and have no state.
                known = any(f"{moment}.{name}" in checkpoints[0].optimizer for moment in self.kind.state)
                if checkpoints[0].optimizer and (known or not self.config.has_own_network):
                    moments = self._join_moments([checkpoint.optimizer for checkpoint in checkpoints], name, parameter)
                    self.optimizer.state[parameter] = moments
        except (RuntimeError, KeyError) as error:
            raise InputError(
                f"the checkpoint of {position} is of another model than config.json says: {error}."
            ) from error

    def _join_moments(self, optimizers: Sequence[dict[str, Tensor]], name: str, parameter: Tensor) -> dict[str, Tensor]:
        # Fused kernels read a weight and its moments in one pass, so that they must have the same memory format.
        moments = {moment: torch.empty_like(parameter, requires_grad=False) for moment in self.kind.moments}
        for moment, values in moments.items():
            for part, optimizer in zip(split_by_model(values, len(optimizers)), optimizers, strict=True):
                part.copy_(optimizer[f"{moment}.{name}"])
        if not self.kind.counts:
            return moments
        # One counter serves the stack: runs with different numbers of steps cannot share an optimizer.
        steps = [optimizer[f"step.{name}"] for optimizer in optimizers]
        if any(step.dtype != torch.float32 or step.dim() != 0 or not torch.equal(step, steps[0]) for step in steps):
            raise KeyError(f"step.{name}")
        return {"step": steps[0].to(self.device), **moments}


def _copy_to_cpu(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    # safetensors stores tensors in row-major order, whichever memory format training uses.
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
