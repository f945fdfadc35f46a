"""What trains: the model, its optimizer and the pixels, and how they get into a checkpoint and back."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from evae.checkpoints import Checkpoint, Position
from evae.configuration import Configuration
from evae.data import ImageData
from evae.model import VAE
from evae.normalisation import share_batch_normalisation
from evae.objectives import Objective, objective_for
from evae.posteriors import PosteriorFamily
from evae.processes import Processes
from evae.streams import Stream, stream_seed
from theory.errors import InputError

#: What Adam knows of a weight.
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Session:
    """A run in memory. The model and its optimizer change while it trains; nothing else does.

    ``replica`` is what training calls: the model, or what makes one of it and those of the other ``processes``.
    """

    config: Configuration
    processes: Processes
    model: VAE
    replica: nn.Module
    objective: Objective
    optimizer: torch.optim.Optimizer
    data: ImageData
    train_pixels: Tensor
    holdout_pixels: Tensor

    @classmethod
    def begin(cls, config: Configuration, data: ImageData, processes: Processes) -> Session:
        """Make the model that the seed says, on the device of this one of the processes, and put all pixels there.

        Raises
        ------
        InputError
            If the device has no room for them.
        """
        try:
            return cls._begin(config, data, processes)
        except torch.OutOfMemoryError as error:
            raise InputError(
                f"the CUDA device has not enough free memory for the model and the images of {config.dataset} "
                f"({data.train.nbytes + data.holdout.nbytes:,} bytes). Free some, or use --device cpu."
            ) from error

    @classmethod
    def _begin(cls, config: Configuration, data: ImageData, processes: Processes) -> Session:
        model = initial_model(config, data.image_shape)
        if processes.count > 1:
            share_batch_normalisation(model, processes)
        device = processes.device
        model.placed_on(device)
        return cls(
            config,
            processes,
            model,
            processes.replica(model),
            objective_for(config),
            # Fused Adam: 2,280 against 2,050 images/s on the machine of `VAE.placed_on`, no launch a tensor on CUDA.
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
    def batches(self) -> int:
        """Steps in an epoch; the last may be of fewer images."""
        return -(-len(self.train_pixels) // self.config.batch_size)

    def capture(self, position: Position, epoch: dict[str, Tensor]) -> Checkpoint:
        """Gather everything on the CPU, to be written before the next step; ``epoch`` is as in `Checkpoint`."""
        state = self.optimizer.state
        optimizer = {
            f"{moment}.{name}": state[parameter][moment]
            for name, parameter in self.model.named_parameters()
            for moment in _MOMENTS
            if parameter in state
        }
        return Checkpoint(position, _portable(self.model.state_dict()), _portable(optimizer), _portable(epoch))

    def restore(self, checkpoint: Checkpoint) -> None:
        """Give the model and the optimizer the state of a checkpoint; an `InputError` where it is another model's."""
        try:
            self.model.load_state_dict(checkpoint.weights)
            for name, parameter in self.model.named_parameters():
                if checkpoint.optimizer:
                    self.optimizer.state[parameter] = self._moments(checkpoint.optimizer, name, parameter)
        except (RuntimeError, KeyError) as error:
            raise InputError(
                f"the checkpoint of {checkpoint.position} is of another model than config.json says: {error}."
            ) from error

    def _moments(self, optimizer: dict[str, Tensor], name: str, parameter: Tensor) -> dict[str, Tensor]:
        # Fused Adam walks through a weight and its moments side by side: they must have one memory format.
        moments = {moment: torch.empty_like(parameter, requires_grad=False) for moment in _MOMENTS[1:]}
        for moment, values in moments.items():
            values.copy_(optimizer[f"{moment}.{name}"])
        step = optimizer[f"step.{name}"]
        if step.dtype != torch.float32 or step.dim() != 0:
            raise KeyError(f"step.{name}")
        return {"step": step.to(self.device), **moments}


def initial_model(config: Configuration, image_shape: tuple[int, int, int]) -> VAE:
    """Make a model on the CPU whose weights depend on the seed alone; the caller's random numbers are left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(stream_seed(config.seed, Stream.WEIGHTS))
        return VAE(image_shape, config.latent_dim, PosteriorFamily.of(config.recipe))


def _portable(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    # safetensors stores a tensor row by row, whatever memory format training prefers.
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
