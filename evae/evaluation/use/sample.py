"""New images of a trained model, as tensors."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from evae.compute.precision import resolve_device
from evae.data.arrays import GivenData
from evae.evaluation.code_laws import draw_images
from evae.evaluation.generation import choose_sampler, law_of_codes
from evae.models.custom.functions import Builder
from evae.models.vae import VAE
from evae.runs.run import Run
from foundation.errors import InputError
from foundation.validation import require_positive


def sample(
    run: Run | str | Path,
    number: int = 48,
    *,
    model: VAE | Builder | str | None = None,
    data: GivenData | None = None,
    seed: int = 0,
    sampler: str | None = None,
    components: int | None = None,
    weights: str | None = None,
    device: str = "auto",
    data_dir: str | Path | None = None,
) -> Tensor:
    """Draw new images from a trained model: those that the command ``sample`` writes.

    Parameters
    ----------
    run : Run, str or Path
        The run folder.
    model, data
        A network and images of your own, as for `evae.evaluate`.
    number : int
        Number of images.
    seed : int
        Determines the fit of the law and the draws.
    sampler : str, optional
        ``prior``: the fixed law towards which the model was trained; ``mixture``: normal laws fitted to the codes of
        the training images, for any model; ``two-stage``: a second VAE trained on these codes
        (`evae.evaluation.two_stage`). By default the prior where there is one, else the mixture.
    components : int, optional
        Number of normal laws in the mixture; by default 10.
    weights : str, optional
        ``best`` or ``last``: see `evae.VAE.load`.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    data_dir : str or Path, optional
        The folder of the data set, which is read for the mixture and the second stage; by default that of training.

    Returns
    -------
    Tensor
        uint8, (number, C, S, S), on the CPU.

    Raises
    ------
    InputError
        If an option is out of range or not applicable, the model does not have the sampler, or the run or its data
        cannot be read.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    require_positive("number", number)
    if not 0 <= seed < 2**63:
        raise InputError(f"seed must be a whole number from 0 to 2^63 - 1, got {seed}.")
    chosen = choose_sampler(run, sampler, components)
    trained = VAE.load(run, resolve_device(device), model=model, weights=weights)
    law = law_of_codes(run, trained, chosen, components, seed, data, data_dir)
    return draw_images(trained, law, number, seed)
