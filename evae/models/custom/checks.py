"""Checks of the user's networks: the shapes of what they return, and their structure."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from evae.models.custom.encoder import HeadedEncoder
from evae.models.custom.errors import NetworkError, describe
from evae.models.posterior_family import PosteriorFamily

#: Images and codes that a network is tried on.
_TRIED = 2

_ENCODES = "An encoder maps images (N, C, S, S) to features (N, F), or to a dictionary of the posterior's parameters"

_DECODES = "A decoder maps codes (N, d_z) to logits (N, C, S, S)"


def complete_encoder(
    encoder: nn.Module, name: str, image_shape: Sequence[int], latent_dim: int, family: PosteriorFamily
) -> nn.Module:
    """Return the encoder with the heads of a posterior, unless its outputs are already those of the heads.

    Parameters
    ----------
    encoder : nn.Module
    name : str
        Of the network, in messages.
    image_shape : sequence of int
        (C, S, S).
    latent_dim : int
        d_z.
    family : PosteriorFamily
        The posterior, whose parameters the heads are.

    Raises
    ------
    NetworkError
        If the encoder fails, or returns anything else.
    """
    images = torch.zeros(_TRIED, *image_shape, device=device_of(encoder))
    with _tried(encoder), explained(name, "encoder", images, _ENCODES):
        found = encoder(images)
    if isinstance(found, Tensor):
        if found.dim() != 2 or len(found) != _TRIED or not found.is_floating_point():
            raise NetworkError(
                f"the encoder of the network {name} must return features of shape ({_TRIED}, F) for images of shape "
                f"{tuple(images.shape)}, got {_describe_tensor(found)}. End it in torch.nn.Flatten() if they are maps."
            )
        heads, zero = family.free_heads(latent_dim), family.zero_heads(latent_dim)
        headed = HeadedEncoder(encoder, found.shape[1], latent_dim, heads, zero_heads=zero)
        return headed.to(images.device)
    require_parameters(found, name, _TRIED, family.outputs(latent_dim))
    return encoder


def require_parameters(found: object, name: str, rows: int, outputs: Mapping[str, int]) -> None:
    """Raise `NetworkError` unless an encoder's output is a dictionary of the posterior's parameters.

    ``outputs`` is the number of columns of each, which have as many ``rows``.
    """
    wanted = " and ".join(outputs)
    if not isinstance(found, dict):
        raise NetworkError(f"the encoder of the network {name} must return a tensor, got {type(found).__name__}.")
    if missing := [head for head in outputs if head not in found]:
        raise NetworkError(
            f"the encoder of the network {name} returns a dictionary without {missing[0]}: the posterior has the "
            f"parameters {wanted}. Return features (N, F) instead, and they are made of them."
        )
    for head, columns in outputs.items():
        if not isinstance(found[head], Tensor) or tuple(found[head].shape) != (rows, columns):
            raise NetworkError(
                f"the encoder of the network {name} must return {head} of shape {(rows, columns)}, got "
                f"{_describe_tensor(found[head])}."
            )


def check_decoder(decoder: nn.Module, name: str, image_shape: Sequence[int], latent_dim: int) -> None:
    """Raise `NetworkError` if the decoder fails, or does not return logits of the shape of the images."""
    codes = torch.zeros(_TRIED, latent_dim, device=device_of(decoder))
    with _tried(decoder), explained(name, "decoder", codes, _DECODES):
        found = decoder(codes)
    require_logits(found, name, tuple(codes.shape), image_shape)


def require_logits(found: object, name: str, codes: Sequence[int], image_shape: Sequence[int]) -> None:
    """Raise `NetworkError` unless a decoder's output for ``codes`` of this shape has the shape (N, C, S, S)."""
    shape = (codes[0], *image_shape)
    if not isinstance(found, Tensor) or tuple(found.shape) != shape or not found.is_floating_point():
        raise NetworkError(
            f"the decoder of the network {name} must return logits of shape {shape} for codes of shape "
            f"{tuple(codes)}, got {_describe_tensor(found)}."
        )


@contextlib.contextmanager
def explained(name: str, part: str, given: Tensor, contract: str = "") -> Iterator[None]:
    """Turn an exception of the user's code in the block into a `NetworkError`.

    Parameters
    ----------
    name, part : str
        The network, and the part of it that is called.
    given : Tensor
        What it is called with.
    contract : str
        What the part must do, as the message's last sentence.
    """
    try:
        yield
    except (NetworkError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        # The steps of training answer a failed capture themselves, by launching the operations one by one.
        if torch.cuda.is_available() and torch.cuda.is_current_stream_capturing():
            raise
        raise NetworkError(
            f"the {part} of the network {name} failed on a tensor of shape {tuple(given.shape)}: {describe(error)}. "
            + (f"{contract}." if contract else "")
        ) from error


def structure_sha256(model: nn.Module) -> str:
    """Compute the SHA-256 (hexadecimal) of the names, types and shapes of a model's weights and buffers."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
    return digest.hexdigest()


def device_of(module: nn.Module) -> torch.device:
    """Return the device of a module's weights or buffers; the CPU if it has none."""
    tensors = itertools.chain(module.parameters(), module.buffers())
    return next((tensor.device for tensor in tensors), torch.device("cpu"))


@contextlib.contextmanager
def _tried(module: nn.Module) -> Iterator[None]:
    """Evaluate a module without gradients and changes of its buffers; restore the mode of every layer."""
    modes = {layer: layer.training for layer in module.modules()}
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for layer, mode in modes.items():
            layer.training = mode


def _describe_tensor(found: object) -> str:
    if not isinstance(found, Tensor):
        return type(found).__name__
    return f"{str(found.dtype).removeprefix('torch.')} of shape {tuple(found.shape)}"
