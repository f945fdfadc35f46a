"""Every combination trains, or is refused by the sentence that the table gives."""

from __future__ import annotations

import re

import pytest
import torch

from evae.compute.processes import Processes
from evae.configuration.configuration import Configuration
from evae.configuration.recipe import KINDS, OBJECTIVES, POSTERIORS
from evae.data import ImageData
from evae.models.regularisation.combinations import Combination, combinations
from evae.training.callbacks import Callback
from evae.training.loop import train_epoch
from evae.training.session import Session
from evae.training.steps import Steps
from foundation.errors import InputError
from tests.evae.conftest import invoke

PIXELS = torch.randint(0, 256, (4, 1, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("cell", [*combinations()], ids=lambda cell: "-".join(cell.options.values()))
def test_a_combination_trains_a_step_or_is_refused(cell: Combination) -> None:
    if cell.refusal is not None:
        assert cell.term is None
        with pytest.raises(InputError, match=f"^{re.escape(cell.refusal)}$"):
            Configuration(**cell.options)
        return
    config = Configuration(**cell.options, latent_dim=3, batch_size=4, lr=1e-2, device="cpu")
    session = Session.begin(config, ImageData(PIXELS, PIXELS), Processes(device=torch.device("cpu")))
    before = {name: weight.detach().clone() for name, weight in session.model.named_parameters()}
    progress, _ = train_epoch(Steps(session), 1, Callback())
    means = progress.means()
    assert list(means)[2:] == ([] if cell.term is None else [cell.term])
    assert all(not torch.equal(weight, before[name]) for name, weight in session.model.named_parameters())


def test_the_command_prints_each_combination_once() -> None:
    result = invoke("train", "--help-combinations", "--latent-dim", "7")
    assert result.exit_code == 0, result.output
    cells = list(combinations())
    assert len({tuple(cell.options.items()) for cell in cells}) == len(cells)
    assert all(word in result.output for word in (*POSTERIORS, *OBJECTIVES, *KINDS, "kl_bound", "kl_estimate"))
    assert "a point has no density" in " ".join(result.output.split())
