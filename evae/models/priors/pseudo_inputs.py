"""Pseudo-inputs: images whose posteriors make a prior."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from evae.data import as_images
from evae.models.posteriors import Posterior
from evae.models.priors.prior import Prior
from foundation.errors import InputError

Encode = Callable[[Tensor], Posterior]
"""Returns the posteriors of images (N, C, S, S) in [0, 1], as the model has them in evaluation mode."""


class PseudoInputs(Prior):
    """A prior that is made of the posteriors of C pseudo-inputs.

    Its weights are the pixels of the pseudo-inputs, cut off at 0 and 1; the rest is the model's encoder, which the
    model attaches. The encoder normalises them by its running averages, in training as in evaluation: in the batch they
    would change the normalisation of the images, and the images theirs.

    Parameters
    ----------
    image_shape : sequence of int
        (channels, side, side).
    number : int
        C.
    networks : int
        Number of stacked networks.
    learned : bool
        Whether the pseudo-inputs are learned; otherwise they stay as `begin_with` sets them.
    """

    part = "vamp"

    def __init__(self, image_shape: Sequence[int], number: int, networks: int = 1, learned: bool = True) -> None:
        super().__init__()
        self.networks = networks
        # Contiguous blocks of the networks, as of other weights of images, which may have another memory format.
        pixels = torch.empty(networks * number, *image_shape)
        self.number, self.learned = number, learned
        if learned:
            self.pixels = nn.Parameter(pixels)
        else:
            # A buffer is saved and loaded, and no optimizer sees it.
            self.register_buffer("pixels", pixels)
        self._encode: Encode | None = None
        self.reset_parameters()

    @property
    def kind(self) -> str:
        """The kind of the pseudo-inputs in words."""
        return "learned" if self.learned else "frozen"

    def reset_parameters(self) -> None:
        """Draw the pixels uniformly from [0, 1]."""
        nn.init.uniform_(self.pixels)

    def attach(self, encode: Encode) -> None:
        """Use this encoder."""
        self._encode = encode

    @torch.no_grad()
    def begin_with(self, images: Tensor, random: torch.Generator) -> None:
        """Set the pseudo-inputs of a single network to C different ones of N images, uint8, (N, channels, S, S).

        Raises
        ------
        InputError
            If there are fewer images than pseudo-inputs.
        """
        number = self.number
        if number > len(images):
            raise InputError(
                f"--prior-components must be at most {len(images):,}, the number of training images that the "
                f"pseudo-inputs are taken from, got {number:,}."
            )
        chosen = torch.randperm(len(images), generator=random)[:number]
        self.pixels.copy_(as_images(images[chosen.to(images.device)]))

    def posterior(self) -> Posterior:
        """Encode the pseudo-inputs, those of one network after those of another."""
        assert self._encode is not None, "a model attaches its encoder"
        return self._encode(self.pixels.clamp(0, 1))
