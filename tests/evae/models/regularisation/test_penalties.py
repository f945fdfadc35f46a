"""A penalty is what it says, of each network's whole batch, and an objective keeps its own terms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from evae.configuration.configuration import Configuration
from evae.models.kernel_density import KernelDensityPosterior
from evae.models.objectives import EvidenceLowerBound, Penalised, ReconstructionAlone, objective_for
from evae.models.posteriors import PointPosterior
from evae.models.priors import NormalPrior
from evae.models.regularisation.penalties import MomentPenalty
from evae.training.train import resume, train
from foundation.errors import InputError
from tests.evae.conftest import small
from tests.evae.models.posteriors import gaussian_posterior

pytestmark = pytest.mark.usefixtures("double")


def test_the_moment_penalty_is_that_of_the_covariance_of_many_draws() -> None:
    """By brute force: the covariance of 400 draws for each of 50 images, in three dimensions."""
    q = KernelDensityPosterior(torch.randn(50, 3), torch.rand(50, 3) + 0.5, torch.rand(50, 3) + 0.5)
    exact = MomentPenalty()(q)
    assert exact.shape == (50,)
    codes = torch.cat([q.rsample(torch.Generator().manual_seed(seed)) for seed in range(400)])
    covariance = np.cov(codes.numpy().T, bias=True)
    assert float(exact[0]) == pytest.approx(((covariance - np.eye(3)) ** 2).sum(), rel=0.05)
    assert torch.equal(exact, exact[0].expand(50))


def test_standardised_uncorrelated_codes_have_no_penalty_and_others_that_of_each_departure() -> None:
    signs = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert MomentPenalty()(PointPosterior(signs)).tolist() == [0.0] * 4
    assert MomentPenalty()(PointPosterior(2 * signs + 7)).tolist() == [2 * 3.0**2] * 4
    assert MomentPenalty()(PointPosterior(signs[:, :1].expand(4, 2))).tolist() == [2.0] * 4
    half = gaussian_posterior(signs / 2, torch.full_like(signs, 0.5))
    assert MomentPenalty()(half).tolist() == pytest.approx([2 * 0.5**2] * 4)
    # A single image has no covariance of means.
    assert MomentPenalty()(PointPosterior(signs[:1])).tolist() == [2.0]


def test_each_of_stacked_networks_has_the_penalty_of_its_own_batch() -> None:
    both = gaussian_posterior(torch.randn(10, 3), torch.rand(10, 3))
    alone = [gaussian_posterior(*(part.chunk(2)[number] for part in (both.mu, both.scale))) for number in (0, 1)]
    expected = torch.cat([MomentPenalty()(one) for one in alone])
    torch.testing.assert_close(MomentPenalty()(both, networks=2), expected)
    assert float(expected[0]) != pytest.approx(float(expected[9]))


def test_a_penalised_objective_has_its_own_terms_and_the_weighted_penalty() -> None:
    q, images = gaussian_posterior(torch.randn(4, 2), torch.rand(4, 2)), torch.rand(4, 1, 8, 8)
    drawn, plain = q.draw(), EvidenceLowerBound(by="draws", beta=3.0)
    penalised = Penalised(plain, MomentPenalty(0.5))
    terms = penalised.terms(images, images, q, drawn, NormalPrior(2))
    own = plain.terms(images, images, q, drawn, NormalPrior(2))
    assert penalised.needs_density
    assert tuple(terms) == penalised.names == (*own, "weighted_dip_penalty")
    assert all(torch.equal(terms[name], term) for name, term in own.items())
    assert torch.equal(terms["weighted_dip_penalty"], 0.5 * MomentPenalty()(q))
    assert Penalised(ReconstructionAlone(), MomentPenalty()).names == ("reconstruction", "dip_penalty")


def test_the_options_reach_every_objective() -> None:
    for model in ("vae", "evae", "evae-repaired", "ae"):
        plain = objective_for(Configuration(model=model))
        chosen = Configuration(model=model, penalty="dip", penalty_weight=2)
        assert objective_for(chosen) == Penalised(plain, MomentPenalty(2))
        assert chosen.label == f"{model}-dip-w2"


def test_several_processes_are_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_default_dtype(torch.float32)
    run = train(small(tmp_path, penalty="dip", limit_train=20, limit_holdout=10))
    assert list(run.records[0].train) == ["loss", "reconstruction", "kl", "dip_penalty"]
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    sentence = "--penalty dip is a function of the whole batch, of which each of the 2 processes .* Leave torchrun out"
    with pytest.raises(InputError, match=sentence):
        train(small(tmp_path, penalty="dip", name="another"))
    with pytest.raises(InputError, match=sentence):
        resume(run, epochs=2)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [run.name]
