"""Importance weights of several codes of an image: the bound on log p(x) that they give, and its gradient."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from evae.models.posteriors import Draw


def importance_bound(log_weights: Tensor, elbo_share: float = 0.0) -> Tensor:
    """Compute the importance-weighted lower bound of log p(x) in nats.

    Parameters
    ----------
    log_weights : Tensor
        log p(x | z) + log p(z) - log q(z | x) for M groups of K codes drawn from q, (N, M, K).
    elbo_share : float
        The weight, from 0 to 1, of the bound from single codes.

    Returns
    -------
    Tensor
        Shape (N,): the mean over groups of log (1/K) sum w, whose expectation is at most log p(x) and does not fall
        with K.

    Notes
    -----
    Source: Burda, Grosse and Salakhutdinov, Importance weighted autoencoders (2015); the mean over groups and the share
    of single codes: Rainforth et al., Tighter variational bounds are not necessarily better (2018), MIWAE and CIWAE.
    """
    bound = (log_weights.logsumexp(2) - math.log(log_weights.shape[2])).mean(1)
    return bound if elbo_share == 0 else (1 - elbo_share) * bound + elbo_share * log_weights.mean((1, 2))


def weigh_gradient(codes: Tensor, log_weights: Tensor) -> None:
    """Multiply the gradient that reaches each code by its share of its group's weights, in the backward pass.

    With a density that has no gradient in the posterior's parameters, the encoder then receives the doubly
    reparametrised gradient, sum w~^2 d log w / dz dz / dphi, and the decoder its usual one.

    Parameters
    ----------
    codes : Tensor
        Shape (N M K, d_z), those of one group after those of another.
    log_weights : Tensor
        Shape (N, M, K), computed from the codes.

    Notes
    -----
    Source: Tucker et al., Doubly reparameterized gradient estimators for Monte Carlo objectives (2018).
    """
    shares = log_weights.detach().softmax(2).flatten()[:, None]
    if codes.requires_grad:
        codes.register_hook(lambda gradient: torch.mul(gradient, shares))


def separate_gradients(encoder_bound: Tensor, direct: Tensor, decoder_bound: Tensor, draw: Draw) -> Tensor:
    """Return the bound of the decoder, to whose gradient in the decoder that of another bound in the encoder is added.

    The gradient of a bound in the encoder consists of that through the decoded codes and of the rest. The decoder is
    therefore passed backwards twice, and forwards once, which also holds where batch normalisation makes an image a
    function of the codes of others: its gradients cannot be told apart by weighing those of single codes.

    Parameters
    ----------
    encoder_bound : Tensor
        The bound of the encoder, (N,), a function of ``draw.decoded``.
    direct : Tensor
        The same as a function of the draw alone, with likelihoods that have no gradient.
    decoder_bound : Tensor
        The bound of the decoder, (N,), as a function of the likelihoods alone.
    draw : Draw
        The codes, with a copy from which the likelihoods were computed.

    Raises
    ------
    ValueError
        If gradients are computed and the draw has no such copy.

    Notes
    -----
    Source: Rainforth et al., Tighter variational bounds are not necessarily better (2018), PIWAE.
    """
    if not draw.codes.requires_grad:
        return decoder_bound
    if draw.decoded is None:
        raise ValueError("the decoder must have received a copy of the codes: call the model with separate=True")
    (through_decoder,) = torch.autograd.grad(encoder_bound.sum(), draw.decoded, retain_graph=True)
    of_encoder = direct + (draw.codes * through_decoder).view(len(direct), -1).sum(1)
    # Its gradient, without its value.
    return decoder_bound + (of_encoder - of_encoder.detach())
