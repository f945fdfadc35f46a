"""Trainers of the same network on the same images, one epoch per call: ours, a plain loop, and Pythae's.

Each trains the paper's Gaussian VAE with Adam on shuffled batches, and sums the loss, as every trainer that reports it
must. They differ in how the pixels reach the network and how a step is computed. This includes two layers that
`evae.models.networks` implements differently from PyTorch; the other trainers use PyTorch's layers.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
import math
import statistics
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.shared.isolation import Epoch
from evae.compute.precision import full_precision_or_tf32
from evae.compute.processes import Processes
from evae.configuration.configuration import Configuration
from evae.data import ImageData, as_images
from evae.models.initial_weights import initial_model
from evae.models.objectives import objective_for
from evae.models.vae import VAE
from evae.training.callbacks import Callback
from evae.training.loop import train_epoch
from evae.training.session import Session
from evae.training.steps import Steps


@dataclass(frozen=True)
class Setting:
    """The task that every contestant trains.

    Parameters
    ----------
    pixels : Tensor
        uint8, (N, C, S, S), on the CPU.
    device : torch.device
    config : Configuration
        Its batch size, learning rate, latent dimension and seed.
    """

    pixels: Tensor
    device: torch.device
    config: Configuration

    def model(self) -> VAE:
        """Build the network from PyTorch's layers, with the weights of the seed, on the device, in default format."""
        _, *image_shape = self.pixels.shape
        channels, height, width = image_shape
        model = initial_model(self.config, (channels, height, width))
        for layer in model.modules():
            for plain in (nn.Conv2d, nn.ConvTranspose2d):
                if isinstance(layer, plain):
                    layer.__class__ = plain
        return model.to(self.device)


def ours(setting: Setting, precision: str = "fp32", seeds: int = 1) -> Epoch:
    """Train as `evae.train` does, or as `evae.train_seeds` with several seeds: uint8 pixels stay on the device.

    With several seeds, an epoch is one epoch of each, and the loss is their mean.

    On CUDA, PyTorch's defaults, which the other trainers use, correspond to the ``precision`` tf32 in convolutions;
    fp32 never rounds to TF32 and may be slower.
    """
    config = dataclasses.replace(setting.config, precision=precision)
    data, here = ImageData(setting.pixels, setting.pixels[:0]), Processes(device=setting.device)
    steps = Steps(Session.begin(config, data, here, range(config.seed, config.seed + seeds)))

    def epoch(number: int) -> float:
        with full_precision_or_tf32(precision):
            progress, _ = train_epoch(steps, number + 1, Callback())
        return statistics.fmean(progress.means(number)["loss"] for number in range(seeds))

    return epoch


def plain_loop(setting: Setting, workers: int) -> Epoch:
    """Train with a `DataLoader` over single images, PyTorch's defaults, and a loss that is read at every step.

    The workers persist between epochs: an epoch is short here, and starting them would dominate its time.
    """
    model = setting.model()
    optimizer = torch.optim.Adam(model.parameters(), lr=setting.config.lr)
    objective = objective_for(setting.config)
    loader = DataLoader(
        _Images(setting.pixels),
        batch_size=setting.config.batch_size,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=setting.device.type == "cuda",
    )

    def epoch(_: int) -> float:
        model.train()
        total = 0.0
        for batch in loader:
            images = batch.to(setting.device)
            logits, posterior, drawn = model(images)
            terms = objective.terms(logits, images, posterior, drawn, model.prior)
            loss = sum(terms.values(), start=torch.zeros((), device=setting.device)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(images)
        return total / len(setting.pixels)

    return epoch


def products_alone(setting: Setting) -> Epoch:
    """Multiply large matrices, with as many operations as the products and convolutions of an epoch.

    Nothing is trained: this is the time of an epoch if these ran at the speed of this machine's fastest product and
    all else took no time. Products with padding are counted, although our network avoids them in one layer (5 % of
    all). Convolutions with fewer operations, such as Winograd's, do not exist for a stride of 2 in PyTorch.
    """
    model = setting.model()
    images = as_images(setting.pixels[: setting.config.batch_size].to(setting.device))
    with FlopCounterMode(display=False) as counter:
        logits, *_ = model(images)
        logits.sum().backward()
    # Products of square matrices with the same number of operations, and one of fewer rows for the remainder.
    operations = counter.get_total_flops() / len(images) * len(setting.pixels)
    factors = torch.randn(2, _SIDE, _SIDE, device=setting.device)
    product = torch.empty(_SIDE, _SIDE, device=setting.device)
    whole, rest = divmod(operations / (2 * _SIDE**3), 1)

    def epoch(_: int) -> float:
        for _ in range(int(whole)):
            torch.mm(factors[0], factors[1], out=product)
        torch.mm(factors[0, : max(1, round(rest * _SIDE))], factors[1])
        if setting.device.type == "cuda":
            torch.cuda.synchronize()
        return math.nan

    return epoch


#: Side of the matrices of `products_alone`: large enough for full speed.
_SIDE = 2048


class _Images(Dataset[Tensor]):
    """Images in single precision, converted from their pixels on access."""

    def __init__(self, pixels: Tensor) -> None:
        self.pixels = pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> Tensor:
        return as_images(self.pixels[index])


def pythae(setting: Setting, folder: Path) -> Epoch:
    """Train by the epoch of Pythae's `BaseTrainer`: its VAE and its loss around our encoder and decoder.

    Only `train_step` is timed, Pythae's name for an epoch over the training images: neither its evaluation, nor its
    copy of the best model, nor its checkpoints, which belong to an epoch of its `train`. Its data set is in single
    precision in memory, its loader has no workers (its default), and its heads are a mean and a log-variance.

    Raises
    ------
    ImportError
        If Pythae is not installed.
    """
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE as PythaeVAE  # noqa: N811 (ours has the name already)
    from pythae.models import VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    logging.getLogger("pythae.trainers.base_trainer.base_trainer").setLevel(logging.WARNING)
    config, network = setting.config, setting.model()

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.network = network.encoder

        def forward(self, images: Tensor) -> ModelOutput:
            outputs = self.network(images)
            return ModelOutput(embedding=outputs["mu"], log_covariance=outputs["sigma"])

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.network = network.decoder

        def forward(self, codes: Tensor) -> ModelOutput:
            return ModelOutput(reconstruction=self.network(codes).sigmoid())

    shape = tuple(setting.pixels.shape[1:])
    model = PythaeVAE(
        VAEConfig(input_dim=shape, latent_dim=config.latent_dim, reconstruction_loss="bce"), Encoder(), Decoder()
    )
    trainer = BaseTrainer(
        model,
        BaseDataset(as_images(setting.pixels), torch.zeros(len(setting.pixels))),
        training_config=BaseTrainerConfig(
            output_dir=str(folder),
            num_epochs=1,
            learning_rate=config.lr,
            per_device_train_batch_size=config.batch_size,
            no_cuda=setting.device.type == "cpu",
            seed=config.seed % 2**32,
        ),
    )
    # The trainer's setup, which an epoch does not repeat.
    trainer.prepare_training()

    def epoch(number: int) -> float:
        # Its progress bar runs, as it does for its users, but is not shown.
        with contextlib.redirect_stderr(io.StringIO()):
            return float(trainer.train_step(number + 1))

    return epoch
