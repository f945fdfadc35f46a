"""Export of the encoder and the decoder of a trained model as programs that do not need this package."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from evae.models.custom.functions import Builder
from evae.models.vae import VAE, make_posterior
from evae.runs.run import Run
from foundation.errors import InputError
from foundation.files import atomic_write


class _PosteriorMoments(nn.Module):
    def __init__(self, model: VAE) -> None:
        super().__init__()
        self.encoder, self.shape, self._family = model.encoder, model.shape, model.family

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        posterior = make_posterior(self._family, self.encoder(images), self.shape)
        return posterior.mean, posterior.variance


class _PixelMeans(nn.Module):
    def __init__(self, model: VAE) -> None:
        super().__init__()
        self.decoder, self.pixels = model.decoder, model.pixels

    def forward(self, codes: Tensor) -> Tensor:
        return self.pixels.mean(self.decoder(codes))


def export_model(
    run: Run | str | Path,
    folder: str | Path | None = None,
    *,
    model: VAE | Builder | str | None = None,
    weights: str | None = None,
) -> tuple[Path, Path]:
    """Export the encoder and the decoder of a trained model by `torch.export`, for batches of any size.

    The module of the program that `torch.export.load` reads from ``encoder.pt2`` maps images, float32 (N, C, S, S) in
    [0, 1], to the mean and the variance of the posterior, each (N, d_z); that of ``decoder.pt2`` maps codes (N, d_z) to
    the means of the pixels, (N, C, S, S). Both are in evaluation mode, on the CPU. Neither checks the range of its
    input.

    Parameters
    ----------
    run : Run, str or Path
        The run folder.
    folder : str or Path, optional
        Where ``encoder.pt2`` and ``decoder.pt2`` are written; by default the run folder.
    model : VAE, callable or str, optional
        The network, if it is one of your own, as for `evae.VAE.load`.
    weights : str, optional
        ``best`` or ``last``: see `evae.VAE.load`.

    Returns
    -------
    tuple of Path
        The two files.

    Raises
    ------
    InputError
        If the run or its weights cannot be read, or the folder does not exist.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    place = run.path if folder is None else Path(folder)
    if not place.is_dir():
        raise InputError(f"folder must be one that exists, got {place}.")
    # Programs hold weights in row-major order.
    trained = VAE.load(run, model=model, weights=weights).to(memory_format=torch.contiguous_format)
    # Two examples: a batch of one would make the size a constant.
    images, codes = torch.zeros(2, *trained.image_shape), torch.zeros(2, trained.latent_dim)
    parts = {"encoder": (_PosteriorMoments(trained), images), "decoder": (_PixelMeans(trained), codes)}
    paths = []
    for name, (module, example) in parts.items():
        size = torch.export.Dim("images", min=1)
        program = torch.export.export(module.eval(), (example,), dynamic_shapes=({0: size},))
        paths.append(place / f"{name}.pt2")
        with atomic_write(paths[-1]) as stream:
            torch.export.save(program, stream)
    return paths[0], paths[1]
