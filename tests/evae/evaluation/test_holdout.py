"""Hold-out images are reconstructed under noise that the seed alone decides."""

from __future__ import annotations

import pytest
import torch

from evae.evaluation import holdout
from evae.evaluation.holdout import reconstructions
from evae.models.vae import VAE


def test_every_chunk_has_noise_of_its_own_and_every_epoch_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holdout, "CHUNK", 2)
    model = VAE.appendix_b((1, 32, 32), 4, "gaussian")
    pixels = torch.full((1, 1, 32, 32), 100, dtype=torch.uint8).expand(6, 1, 32, 32)
    first = torch.cat([chunk.drawn for chunk in reconstructions(model, pixels, 3)])
    again = torch.cat([chunk.drawn for chunk in reconstructions(model, pixels, 3)])
    other = torch.cat([chunk.drawn for chunk in reconstructions(model, pixels, 4)])
    assert torch.equal(first, again)
    # Of one image, all draws have the same law, and are all different.
    assert len(torch.cat([first, other]).flatten(1).unique(dim=0)) == 12
