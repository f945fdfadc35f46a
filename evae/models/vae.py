"""Encoder, posterior and decoder as one module."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from evae.compute.precision import layers_in
from evae.compute.random_streams import NoiseSource, Stream, generator, repeat_source
from evae.configuration.configuration import Configuration
from evae.configuration.domains import GIVEN
from evae.configuration.options import NETWORKS
from evae.metrics import require_unit_range
from evae.models.custom.checks import (
    check_decoder,
    complete_encoder,
    explained,
    require_logits,
    require_parameters,
    structure_sha256,
)
from evae.models.custom.encoder import HeadedEncoder
from evae.models.custom.functions import Builder, build_network, import_builder
from evae.models.custom.mlp import MLPDecoder, mlp_encoder
from evae.models.networks import Decoder, Encoder
from evae.models.pixels import BernoulliPixels, PixelLaw, pixel_law
from evae.models.posterior_family import PosteriorFamily
from evae.models.posteriors import Draw, Posterior
from evae.models.priors.choice import prior_for
from evae.models.priors.prior import Prior
from evae.models.symmetric_beta import LearnedShape
from evae.runs.run import Run
from foundation.errors import InputError
from foundation.validation import require_positive


class VAE(nn.Module):
    """A variational autoencoder of an encoder and a decoder.

    `appendix_b` and `mlp` make one with a network of this program, `of` that of a run.

    Parameters
    ----------
    encoder : nn.Module
        Maps images (N, C, S, S) in [0, 1] to features (N, F), for any F, from which a fully connected layer for each
        parameter of the posterior is added; or to a dictionary of the unconstrained parameters by the names of
        `PosteriorFamily.heads`, each of shape (N, d_z), or (N, outputs) as `PosteriorFamily.outputs` has it.
    decoder : nn.Module
        Maps codes (N, d_z) to logits (N, C, S, S) of the pixels (`evae.models.pixels`).
    posterior : PosteriorFamily or str
        Determines the heads and the posterior; a name stands for the family with default parameters.
    prior : Prior, optional
        The law towards which the model is trained, for as many networks; None if there is none, or for that of the
        configuration with which the model is trained.
    image_shape : sequence of int
        (C, S, S).
    latent_dim : int
        d_z.
    pixels : PixelLaw, optional
        p(x | z) given the logits, for as many networks; by default Bernoulli.
    network : str
        The name of the network, as a configuration has it; by default it is one of the user's own.
    networks : int
        Number of stacked networks (`evae.models.networks`): each receives N of the ``networks`` * N input rows, those
        of one network after those of another. `evae.models.stacked.stack_models` sets the weights of several.

    Raises
    ------
    InputError
        If the user's encoder or decoder fails on two blank images, or returns anything else.

    Examples
    --------
    >>> encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU())
    >>> decoder = nn.Sequential(nn.Linear(2, 784), nn.Unflatten(1, (1, 28, 28)))
    >>> model = VAE(encoder, decoder, "epanechnikov", image_shape=(1, 28, 28), latent_dim=2)
    >>> model.encode(torch.zeros(5, 1, 28, 28)).mean.shape
    torch.Size([5, 2])
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        posterior: PosteriorFamily | str,
        prior: Prior | None = None,
        *,
        image_shape: Sequence[int],
        latent_dim: int,
        pixels: PixelLaw | None = None,
        network: str = GIVEN,
        networks: int = 1,
    ) -> None:
        super().__init__()
        self.family = PosteriorFamily(posterior) if isinstance(posterior, str) else posterior
        self.image_shape = tuple(image_shape)
        self.latent_dim = latent_dim
        self.network = network
        self.networks = networks
        if self.has_own_network:
            encoder = complete_encoder(encoder, self.network_name, self.image_shape, latent_dim, self.family)
            check_decoder(decoder, self.network_name, self.image_shape, latent_dim)
        self.encoder = encoder
        self.decoder = decoder
        self.shape = LearnedShape(networks) if self.family.learns_shape else None
        self.pixels = BernoulliPixels() if pixels is None else pixels
        self.prior: Prior | None = None
        self.set_prior(prior)

    @classmethod
    def appendix_b(
        cls,
        image_shape: Sequence[int],
        latent_dim: int,
        posterior: PosteriorFamily | str,
        networks: int = 1,
        prior: Prior | None = None,
    ) -> VAE:
        """Return a model with the networks of Appendix B, for images (C, S, S) with S = 32 or 64."""
        return cls._built_in("appendix-b", image_shape, latent_dim, posterior, networks, prior)

    @classmethod
    def mlp(
        cls,
        image_shape: Sequence[int],
        latent_dim: int,
        posterior: PosteriorFamily | str,
        networks: int = 1,
        prior: Prior | None = None,
    ) -> VAE:
        """Return a model with the network of `evae.models.custom.mlp`, for images of any size."""
        return cls._built_in("mlp", image_shape, latent_dim, posterior, networks, prior)

    @classmethod
    def of(
        cls, config: Configuration, image_shape: tuple[int, int, int], model: VAE | Builder | str | None = None
    ) -> VAE:
        """Return the untrained model of a configuration.

        Parameters
        ----------
        config : Configuration
        image_shape : tuple of int
            (C, S, S).
        model : VAE, callable or str, optional
            The network, if it is the user's own: a model, which is returned itself; a function that is called with
            ``image_shape`` and ``latent_dim`` and returns an encoder and a decoder; or its name, ``module:FUNCTION``,
            which is then imported. A name that is read from a file alone is never imported.

        Raises
        ------
        InputError
            If the network is the user's own and not given, or is not the one given, or fails.
        """
        family, prior = PosteriorFamily.of(config.recipe), prior_for(config.recipe, config.latent_dim, image_shape)
        if not config.has_own_network:
            if model not in (None, config.network):
                raise InputError(f"the network is {config.network}, and no other can be given for it. Leave it out.")
            pixels = pixel_law(config)
            return cls._built_in(config.network, image_shape, config.latent_dim, family, 1, prior, pixels)
        if isinstance(model, VAE):
            model._require_fit(config, family, prior, image_shape)
            if model.prior is None:
                model.set_prior(prior)
            return model
        builder = _builder(config.network, model)
        name = config.network if isinstance(model, str) else _name_of(builder)
        encoder, decoder = build_network(builder, name, image_shape, config.latent_dim)
        return cls(
            encoder,
            decoder,
            family,
            prior,
            image_shape=image_shape,
            latent_dim=config.latent_dim,
            pixels=pixel_law(config),
            network=config.network,
        )

    @classmethod
    def _built_in(
        cls,
        network: str,
        image_shape: Sequence[int],
        latent_dim: int,
        posterior: PosteriorFamily | str,
        networks: int = 1,
        prior: Prior | None = None,
        pixels: PixelLaw | None = None,
    ) -> VAE:
        family = PosteriorFamily(posterior) if isinstance(posterior, str) else posterior
        make_encoder, make_decoder = _BUILT_IN[network]
        heads, zero_heads = family.free_heads(latent_dim), family.zero_heads(latent_dim)
        return cls(
            make_encoder(image_shape, latent_dim, heads, networks, zero_heads),
            make_decoder(image_shape, latent_dim, networks),
            family,
            prior,
            image_shape=image_shape,
            latent_dim=latent_dim,
            pixels=pixels,
            network=network,
            networks=networks,
        )

    def stacked_with(self, networks: int) -> VAE:
        """Return an untrained model of several such networks, which are not the user's, on the meta device."""
        # The meta device allocates no memory and draws no weights.
        with torch.device("meta"):
            prior = None if self.prior is None else self.prior.stack(networks)
            pixels = self.pixels.stack(networks)
            return self._built_in(self.network, self.image_shape, self.latent_dim, self.family, networks, prior, pixels)

    def set_prior(self, prior: Prior | None) -> None:
        """Set the law towards which the model is trained, which may use the model's encoder."""
        self.prior = prior
        if prior is not None:
            prior.attach(self.encode_still)

    @property
    def has_own_network(self) -> bool:
        """Whether the network is the user's own."""
        return self.network not in NETWORKS

    @property
    def structure_sha256(self) -> str:
        """SHA-256 of the names, types and shapes of the weights and buffers."""
        return structure_sha256(self)

    @property
    def network_name(self) -> str:
        """The network in messages."""
        return "given in Python" if self.network == GIVEN else self.network

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.parameters()).device

    @property
    def parts(self) -> dict[str, nn.Module]:
        """The encoder's trunk and heads, the decoder, a learned shape, and the prior if it has weights, by name.

        Of a network of the user's own, which draws its weights itself: the heads that were added, the shape and the
        prior.
        """
        heads = getattr(self.encoder, "heads", {}) if isinstance(self.encoder, Encoder | HeadedEncoder) else {}
        named: dict[str, nn.Module] = {f"encoder.heads.{name}": head for name, head in heads.items()}
        if not self.has_own_network:
            named = {"encoder.features": self.encoder.get_submodule("features"), **named, "decoder": self.decoder}
        if self.shape is not None:
            named["shape"] = self.shape
        if self.prior is not None and self.prior.part is not None:
            named[f"prior.{self.prior.part}"] = self.prior
        return named

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
            outputs = self._run_encoder(images)
        single = {name: outputs[name].to(images.dtype) for name in self.family.heads}
        return make_posterior(self.family, single, self.shape)

    def encode_still(self, images: Tensor) -> Posterior:
        """Compute the posteriors of images in a pass of their own, in single precision, normalised by running averages.

        Also in training, where gradients flow; the running averages do not change. Every layer of the encoder is in
        evaluation mode, so that dropout in a user's network leaves all units.
        """
        moving = [layer for layer in self.encoder.modules() if layer.training]
        for layer in moving:
            layer.training = False
        try:
            return self._encode(images)
        finally:
            for layer in moving:
                layer.training = True

    def decode(self, codes: Tensor) -> Tensor:
        """Compute the means of the pixels, shape (N, C, S, S), for ``codes`` of shape (N, d_z)."""
        return self.pixels.mean(self.logits(codes))

    def logits(self, codes: Tensor) -> Tensor:
        """Compute the logits that the decoder returns, shape (N, C, S, S), for ``codes`` of shape (N, d_z)."""
        if not self.has_own_network:
            logits: Tensor = self.decoder(codes)
            return logits
        with explained(self.network_name, "decoder", codes):
            logits = self.decoder(codes)
        require_logits(logits, self.network_name, codes.shape, self.image_shape)
        return logits

    def _run_encoder(self, images: Tensor) -> dict[str, Tensor]:
        if not self.has_own_network:
            outputs: dict[str, Tensor] = self.encoder(images)
            return outputs
        with explained(self.network_name, "encoder", images):
            outputs = self.encoder(images)
        require_parameters(outputs, self.network_name, len(images), self.family.outputs(self.latent_dim))
        return outputs

    def _require_fit(
        self,
        config: Configuration,
        family: PosteriorFamily,
        prior: Prior | None,
        image_shape: tuple[int, int, int],
    ) -> None:
        """Raise `InputError` unless this model, given in Python, is one of a configuration and of images."""
        if self.image_shape != tuple(image_shape):
            raise InputError(
                f"the images must have the shape {self.image_shape} of the model, got {tuple(image_shape)}. Give other "
                "images, or a model for these."
            )
        if self.latent_dim != config.latent_dim:
            raise InputError(
                f"latent_dim must be that of the model, {self.latent_dim}, got {config.latent_dim}. Use "
                f"Configuration(latent_dim={self.latent_dim})."
            )
        if self.prior is not None and (prior is None or self.prior.label != prior.label):
            raise InputError(
                f"the prior must be that of the configuration ({config.label}), "
                f"{'none' if prior is None else prior.label}, got {self.prior.label}. Leave prior out."
            )
        wanted = pixel_law(config)
        if self.pixels.label != wanted.label:
            raise InputError(
                f"the law of pixels must be that of the model, {self.pixels.label}, got {wanted.label}. Give the model "
                "pixels=pixel_law(config) of evae.models.pixels."
            )
        if self.family != family:
            raise InputError(
                f"the posterior must be that of the model, {self.family.posterior}, got {family.posterior} of the "
                f"configuration ({config.label}). Give the model PosteriorFamily.of(config.recipe), or a function "
                "that makes the network, to which the heads of any posterior are added."
            )

    def forward(
        self,
        images: Tensor,
        generator: NoiseSource = None,
        precision: str = "fp32",
        density: bool = False,
        samples: int = 1,
        separate: bool = False,
    ) -> tuple[Tensor, Posterior, Draw]:
        """Return the logits of a reconstruction from a drawn code, (N, C, S, S), the posterior and the draw.

        With several ``samples`` K the draw and the logits have N K rows, K consecutive ones for each image.

        With ``precision`` bf16, only the layers compute in bfloat16; the posterior, its draw and the results do not.
        The log-density of the draw is computed if ``density``, and None otherwise. If ``separate``, the decoder
        receives a copy of the codes, ``Draw.decoded``, at which gradients end.
        """
        posterior = self._encode(images, precision)
        each = posterior if samples == 1 else posterior.repeat_each(samples)
        source = repeat_source(generator, samples)
        drawn = each.draw(source) if density else Draw(each.rsample(source), None)
        if separate:
            drawn = replace(drawn, decoded=drawn.codes.detach().requires_grad_())
        with layers_in(precision, images.device):
            logits = self.logits(drawn.codes if drawn.decoded is None else drawn.decoded)
        return logits.to(images.dtype), posterior, drawn

    def reconstruct(self, images: Tensor) -> Tensor:
        """Reconstruct at the posterior mean: means of the pixels, of shape (N, C, S, S), without noise.

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
    def load(
        cls,
        run: Run | str | Path,
        device: torch.device | str = "cpu",
        *,
        model: VAE | Builder | str | None = None,
        weights: str | None = None,
    ) -> VAE:
        """Load the trained model of a run folder, in evaluation mode.

        Parameters
        ----------
        run : Run, str or Path
        device : torch.device or str
        model : VAE, callable or str, optional
            The network, if it is the user's own, as for `of`; it is not changed. A run folder may come from anyone:
            the code of a network that it names is run only if it is named again here.
        weights : str, optional
            ``best`` or ``last``; by default those of the best epoch if the run keeps them (``--keep``), else those
            after the last finished epoch.

        Raises
        ------
        InputError
            If the folder is not a run, has no weights yet, or holds a damaged or foreign file; the message names it. If
            its network is the user's own and is not given, or is another.
        """
        run = run if isinstance(run, Run) else Run.open(run)
        config = run.configuration
        file = run.weights_file(weights)
        tensors, _ = file.read()
        if config.has_own_network:
            found = cls.of_run(run, model)
        else:
            # Allocate no memory before the weights fit: a damaged configuration could require more than is available.
            with torch.device("meta"):
                found = cls.of(config, run.image_shape, model)
        expected = found.state_dict()
        try:
            found.load_state_dict(tensors, assign=not config.has_own_network)
        except RuntimeError as error:
            mismatch = str(error).splitlines()[-1].strip()
            raise InputError(
                f"{file.path} must hold the weights of the model in config.json, got others: {mismatch}"
            ) from error
        # Shapes fit; reject types and values that would fail or spread NaN later. A user's buffer may be infinite.
        finite = set(dict(found.named_parameters())) if config.has_own_network else set(expected)
        for name, tensor in tensors.items():
            if tensor.dtype != expected[name].dtype or (name in finite and not bool(tensor.isfinite().all())):
                raise InputError(f"{file.path} is damaged: {name} must hold finite {expected[name].dtype}.")
        return found.place_on(device).eval()

    @classmethod
    def of_run(cls, run: Run, model: VAE | Builder | str | None) -> VAE:
        """Return the untrained model of a run with a network of the user's own; a given model is copied.

        Raises
        ------
        InputError
            If the network is not given, or differs from that of the run in the names or shapes of its weights.
        """
        config = run.configuration
        if model is None:
            raise run.unnamed_network()
        if isinstance(model, VAE):
            with explained(model.network_name, "model", torch.empty(0)):
                model = copy.deepcopy(model)
        with torch.random.fork_rng(devices=[]):
            found = cls.of(config, run.image_shape, model)
        run.require_network(found.structure_sha256)
        return found


def make_posterior(family: PosteriorFamily, outputs: Mapping[str, Tensor], shape: LearnedShape | None) -> Posterior:
    """Make the posterior from the outputs of an encoder's heads by name, and the learned shape if there is one."""
    parameters = [outputs[name] for name in family.heads]
    if shape is not None:
        parameters.append(shape(parameters[0].shape[0]))
    return family.from_heads(*parameters)


#: The encoder and the decoder of each network of this program.
_BUILT_IN: dict[str, tuple[Callable[..., nn.Module], Callable[..., nn.Module]]] = {
    "appendix-b": (Encoder, Decoder),
    "mlp": (mlp_encoder, MLPDecoder),
}


def _builder(network: str, model: Builder | str | None) -> Builder:
    """Return the function that makes a network of the user's own, given it or its name; it may be imported."""
    if model is None:
        raise InputError(
            f"the network {network} must be given: a model or a function in Python, or its name with --network."
        )
    if not isinstance(model, str):
        return model
    if model in (*NETWORKS, GIVEN) or network not in (GIVEN, model):
        raise InputError(f"--network must be {network}, got {model}. Name the network of the run.")
    return import_builder(model)


def _name_of(builder: Builder) -> str:
    """Return the name of a function that was given in Python, for messages."""
    module, name = (getattr(builder, attribute, None) for attribute in ("__module__", "__qualname__"))
    return f"{module}:{name}" if module and name else type(builder).__name__
