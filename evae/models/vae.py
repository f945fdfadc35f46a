"""Encoder, posterior and decoder as one module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from evae.compute.precision import layers_in
from evae.compute.random_streams import NoiseSource, Stream, generator, repeat_source
from evae.configuration.configuration import Configuration
from evae.metrics import require_unit_range
from evae.models.networks import Decoder, Encoder
from evae.models.posterior_family import PosteriorFamily
from evae.models.posteriors import Draw, Posterior
from evae.models.priors.choice import prior_for
from evae.models.priors.prior import Prior
from evae.models.symmetric_beta import LearnedShape
from evae.runs.run import Run
from foundation.errors import InputError
from foundation.validation import require_positive


class VAE(nn.Module):
    """A variational autoencoder with the networks of Appendix B.

    Parameters
    ----------
    image_shape : sequence of int
        (channels, side, side), with side 32 or 64.
    latent_dim : int
        d_z.
    posterior : PosteriorFamily or str
        Determines the encoder's heads and the posterior; a name stands for the family with default parameters.
    networks : int
        Number of stacked networks (`evae.models.networks`): each receives N of the ``networks`` * N input rows, those
        of one network after those of another. `evae.models.stacked.stack_models` sets the weights of several.
    prior : Prior, optional
        The law towards which the model is trained, for as many networks; None if there is none.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        latent_dim: int,
        posterior: PosteriorFamily | str,
        networks: int = 1,
        prior: Prior | None = None,
    ) -> None:
        super().__init__()
        self.family = PosteriorFamily(posterior) if isinstance(posterior, str) else posterior
        self.image_shape = tuple(image_shape)
        self.latent_dim = latent_dim
        zero_heads = self.family.zero_heads(latent_dim)
        heads = [name for name in self.family.heads if name not in zero_heads]
        self.encoder = Encoder(image_shape, latent_dim, heads, networks, zero_heads)
        self.decoder = Decoder(image_shape, latent_dim, networks)
        self.shape = LearnedShape(networks) if self.family.learns_shape else None
        self.prior = prior
        if prior is not None:
            prior.attach(self.encode_still)

    @classmethod
    def of(cls, config: Configuration, image_shape: Sequence[int]) -> VAE:
        """Make the model that a configuration describes, with weights that are yet to be set."""
        prior = prior_for(config.recipe, config.latent_dim, image_shape)
        return cls(image_shape, config.latent_dim, PosteriorFamily.of(config.recipe), prior=prior)

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.parameters()).device

    @property
    def parts(self) -> dict[str, nn.Module]:
        """The encoder's trunk, each of its heads, the decoder, a learned shape and the prior, if it has weights."""
        heads = {f"encoder.heads.{name}": head for name, head in self.encoder.heads.items()}
        parts = {"encoder.features": self.encoder.features, **heads, "decoder": self.decoder}
        if self.shape is not None:
            parts["shape"] = self.shape
        if self.prior is not None and self.prior.part is not None:
            parts[f"prior.{self.prior.part}"] = self.prior
        return parts

    def encode(self, images: Tensor, precision: str = "fp32") -> Posterior:
        """Compute the posterior of each image.

        Parameters
        ----------
        images : Tensor
            Floating point in [0, 1], shape (N, C, S, S), on the model's device.
        precision : str
            Arithmetic of the layers (`evae.compute.precision`).

        Raises
        ------
        InputError
            If the images are not as described; the message names the value and the remedy.
        """
        return self._encode(self._require_images(images), precision)

    def _require_images(self, images: Tensor) -> Tensor:
        """Return images in the type of the weights; raise `InputError` if they are not as `encode` describes them."""
        if not isinstance(images, Tensor):
            raise InputError(
                f"images must be a torch.Tensor, got {type(images).__name__}. Use torch.as_tensor(images)."
            )
        if images.dim() != 4 or tuple(images.shape[1:]) != self.image_shape or len(images) < 1:
            wanted = ", ".join(map(str, self.image_shape))
            raise InputError(f"images must have shape (N, {wanted}) with N > 0, got {tuple(images.shape)}.")
        if not images.is_floating_point():
            raise InputError(
                f"images must be floating point in [0, 1], got {images.dtype}. Convert 8-bit pixels by "
                "evae.data.as_images(images)."
            )
        if images.device != self.device:
            raise InputError(
                f"images must be on the device of the model, {self.device}, got {images.device}. Use "
                "images.to(model.device)."
            )
        require_unit_range(images)
        return images.to(next(self.parameters()).dtype)

    def _encode(self, images: Tensor, precision: str = "fp32") -> Posterior:
        # Training takes this way: a look at the values would wait for the device.
        with layers_in(precision, images.device):
            outputs = self.encoder(images)
        single = {name: output.to(images.dtype) for name, output in outputs.items()}
        return make_posterior(self.family, single, self.shape)

    def encode_still(self, images: Tensor) -> Posterior:
        """Compute the posteriors of images in a pass of their own, in single precision, normalised by running averages.

        Also in training, where gradients flow; the running averages do not change.
        """
        moving = [layer for layer in self.encoder.modules() if isinstance(layer, nn.BatchNorm2d) and layer.training]
        for layer in moving:
            layer.eval()
        try:
            return self._encode(images)
        finally:
            for layer in moving:
                layer.train()

    def decode(self, codes: Tensor) -> Tensor:
        """Compute the probabilities of the pixels, shape (N, C, S, S), for ``codes`` of shape (N, d_z)."""
        probabilities: Tensor = self.decoder(codes).sigmoid()
        return probabilities

    def forward(
        self,
        images: Tensor,
        generator: NoiseSource = None,
        precision: str = "fp32",
        density: bool = False,
        samples: int = 1,
    ) -> tuple[Tensor, Posterior, Draw]:
        """Return the logits of a reconstruction from a drawn code, (N, C, S, S), the posterior and the draw.

        With several ``samples`` K the draw and the logits have N K rows, K consecutive ones for each image.

        With ``precision`` bf16, only the layers compute in bfloat16; the posterior, its draw and the results do not.
        The log-density of the draw is computed if ``density``, and None otherwise.
        """
        posterior = self._encode(images, precision)
        each = posterior if samples == 1 else posterior.repeat_each(samples)
        source = repeat_source(generator, samples)
        drawn = each.draw(source) if density else Draw(each.rsample(source), None)
        with layers_in(precision, images.device):
            logits = self.decoder(drawn.codes)
        return logits.to(images.dtype), posterior, drawn

    def reconstruct(self, images: Tensor) -> Tensor:
        """Reconstruct at the posterior mean: probabilities of shape (N, C, S, S), without noise.

        ``images`` and errors are as for `encode`.
        """
        return self.decode(self.encode(images).mean)

    @torch.no_grad()
    def sample(self, number: int, seed: int = 0) -> Tensor:
        """Draw new images from the model's prior: probabilities of the pixels, shape (number, C, S, S).

        The codes depend only on ``seed`` and ``number``, not on the device. The model should be in evaluation mode, as
        `load` returns it.

        Raises
        ------
        InputError
            If the number is not positive, the seed is negative, or the model has no prior, as EVAE, whose prior depends
            on the image. `evae.sample` draws from any trained model.
        """
        require_positive("number", number)
        if not 0 <= seed < 2**63:
            raise InputError(f"seed must be a whole number from 0 to 2^63 - 1, got {seed}.")
        if self.prior is None:
            raise InputError(
                "the model must have a fixed prior to draw codes from, got none. Use evae.sample(run, number), which "
                "fits a mixture to the codes of the training images."
            )
        return self.decode(self.prior.draw(number, generator(seed, Stream.SAMPLES)).to(self.device))

    def place_on(self, device: torch.device | str) -> VAE:
        """Move the model to ``device`` in the memory format that is fastest there; return the model itself.

        On the CPU that is channels last: 2,280 instead of 1,850 images/s, measured with torch 2.15 on two cores of an
        AMD EPYC (Zen 5) in training with batches of 100 images of 32 x 32. One thread reaches 1,250 images/s; torch's
        default of one thread per core is kept.
        """
        self.to(device)
        if torch.device(device).type == "cpu":
            self.to(memory_format=torch.channels_last)
        return self

    @classmethod
    def load(cls, run: Run | str | Path, device: torch.device | str = "cpu", *, weights: str | None = None) -> VAE:
        """Load the trained model of a run folder, in evaluation mode.

        Parameters
        ----------
        run : Run, str or Path
        device : torch.device or str
        weights : str, optional
            ``best`` or ``last``; by default those of the best epoch if the run keeps them (``--keep``), else those
            after the last finished epoch.

        Raises
        ------
        InputError
            If the folder is not a run, has no weights yet, or holds a damaged or foreign file; the message names it.
        """
        run = run if isinstance(run, Run) else Run.open(run)
        config = run.configuration
        file = run.weights_file(weights)
        tensors, _ = file.read()
        # Allocate no memory before the weights fit: a damaged configuration could require more than is available.
        with torch.device("meta"):
            model = cls.of(config, run.image_shape)
        expected = model.state_dict()
        try:
            model.load_state_dict(tensors, assign=True)
        except RuntimeError as error:
            mismatch = str(error).splitlines()[-1].strip()
            raise InputError(
                f"{file.path} must hold the weights of the model in config.json, got others: {mismatch}"
            ) from error
        # Shapes fit; reject types and values that would fail or spread NaN later.
        for name, tensor in tensors.items():
            if tensor.dtype != expected[name].dtype or not bool(tensor.isfinite().all()):
                raise InputError(f"{file.path} is damaged: {name} must hold finite {expected[name].dtype}.")
        return model.place_on(device).eval()


def make_posterior(family: PosteriorFamily, outputs: Mapping[str, Tensor], shape: LearnedShape | None) -> Posterior:
    """Make the posterior from the outputs of an encoder's heads by name, and the learned shape if there is one."""
    parameters = [outputs[name] for name in family.heads]
    if shape is not None:
        parameters.append(shape(parameters[0].shape[0]))
    return family.from_heads(*parameters)
