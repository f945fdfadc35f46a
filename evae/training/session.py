"""What trains: the model, its optimizer and the pixels, and how they get into checkpoints and back."""

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
from evae.configuration.configuration import Configuration
from evae.data import ImageData
from evae.models.initial_weights import initial_model
from evae.models.objectives import Objective, objective_for
from evae.models.stacked import split_by_model, stack_models
from evae.models.vae import VAE
from evae.runs.checkpoints import Checkpoint, Position
from evae.runs.environment import environment
from foundation.errors import InputError

#: What Adam knows of a weight.
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Session:
    """Runs in memory that are trained at once, most often one. Only the models and the optimizer change meanwhile.

    Attributes
    ----------
    config : Configuration
        What the runs have in common: all but the seed.
    seeds : tuple of int
        One for each run.
    processes : Processes
        Who trains: a single run can be shared by several.
    models : tuple of VAE
        Each run's own.
    model : VAE
        What is trained: that of a single run, or of several the one whose parts they are (`evae.models.stacked`).
    replica : nn.Module
        What training calls: the model, or what makes one of it and those of the other processes.
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

    @classmethod
    def begin(
        cls, config: Configuration, data: ImageData, processes: Processes, seeds: Sequence[int] | None = None
    ) -> Session:
        """Make the models that the seeds say, by default that of ``config``, and put them and all pixels on the device.

        Raises
        ------
        InputError
            If the device has no room for them.
        """
        seeds = (config.seed,) if seeds is None else tuple(seeds)
        try:
            return cls._begin(config, seeds, data, processes)
        except torch.OutOfMemoryError as error:
            models = "the model" if len(seeds) == 1 else f"{len(seeds)} models"
            raise InputError(
                f"the CUDA device has not enough free memory for {models} and the images of {config.dataset} "
                f"({data.train.nbytes + data.holdout.nbytes:,} bytes). Free some, or use --device cpu."
            ) from error

    @classmethod
    def _begin(cls, config: Configuration, seeds: tuple[int, ...], data: ImageData, processes: Processes) -> Session:
        device = processes.device
        keep_freed_memory(device)
        each = [dataclasses.replace(config, seed=seed) for seed in seeds]
        models = tuple(initial_model(own, data.image_shape).place_on(device) for own in each)
        model = stack_models(models)
        if processes.count > 1:
            share_batch_normalisation(model, processes)
        return cls(
            config,
            seeds,
            processes,
            models,
            model,
            processes.replica(model),
            objective_for(config),
            # Fused Adam: 2,280 against 2,050 images/s on the machine of `VAE.place_on`, no launch a tensor on CUDA.
            torch.optim.Adam(model.parameters(), lr=config.lr, fused=True),
            data,
            # All pixels live on the device as uint8: no loader, no copy a batch, a quarter of the memory.
            data.train.to(device),
            data.holdout.to(device),
        )

    @property
    def device(self) -> torch.device:
        """Where this process trains."""
        return self.processes.device

    @property
    def environment(self) -> dict[str, Any]:
        """`evae.runs.environment` of this training."""
        return environment(self.device, self.processes.count, len(self.seeds))

    @property
    def batches(self) -> int:
        """Steps in an epoch; the last may be of fewer images."""
        return -(-len(self.train_pixels) // self.config.batch_size)

    def capture(self, run: int, position: Position, epoch: dict[str, Tensor]) -> Checkpoint:
        """Gather what a run is on the CPU, to be written before the next step; ``epoch`` is as in `Checkpoint`."""
        state = self.optimizer.state
        optimizer = {
            f"{moment}.{name}": split_by_model(state[parameter][moment], len(self.models))[run]
            for name, parameter in self.model.named_parameters()
            for moment in _MOMENTS
            if parameter in state
        }
        weights = self.models[run].state_dict()
        return Checkpoint(position, _portable(weights), _portable(optimizer), _portable(epoch))

    def restore(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Give models and optimizer the state of the runs' checkpoints, all of one position.

        Raises
        ------
        InputError
            If one of them is another model's.
        """
        position = checkpoints[0].position
        try:
            for model, checkpoint in zip(self.models, checkpoints, strict=True):
                model.load_state_dict(checkpoint.weights)
            for name, parameter in self.model.named_parameters():
                if checkpoints[0].optimizer:
                    moments = self._moments([checkpoint.optimizer for checkpoint in checkpoints], name, parameter)
                    self.optimizer.state[parameter] = moments
        except (RuntimeError, KeyError) as error:
            raise InputError(
                f"the checkpoint of {position} is of another model than config.json says: {error}."
            ) from error

    def _moments(self, optimizers: Sequence[dict[str, Tensor]], name: str, parameter: Tensor) -> dict[str, Tensor]:
        # Fused Adam walks through a weight and its moments side by side: they must have one memory format.
        moments = {moment: torch.empty_like(parameter, requires_grad=False) for moment in _MOMENTS[1:]}
        for moment, values in moments.items():
            for part, optimizer in zip(split_by_model(values, len(optimizers)), optimizers, strict=True):
                part.copy_(optimizer[f"{moment}.{name}"])
        steps = [optimizer[f"step.{name}"] for optimizer in optimizers]
        if any(step.dtype != torch.float32 or step.dim() != 0 or not torch.equal(step, steps[0]) for step in steps):
            raise KeyError(f"step.{name}")
        return {"step": steps[0].to(self.device), **moments}


def _portable(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    # safetensors stores a tensor row by row, whatever memory format training prefers.
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
