"""Appendix B's networks close, and have the parameters that the paper's layers have."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from evae import VAE
from evae.models.networks import Decoder, Encoder
from foundation.errors import InputError

pytestmark = pytest.mark.usefixtures("papers_networks")

SHAPES = [(1, 32, 32), (3, 32, 32), (3, 64, 64)]


def sides(network: nn.Module, layer: type[nn.Module], given: torch.Tensor) -> list[int]:
    """Sides of the feature maps that the layers of a kind put out."""
    seen: list[int] = []
    hooks = [
        module.register_forward_hook(lambda _module, _given, output: seen.append(output.shape[-1]))
        for module in network.modules()
        if isinstance(module, layer)
    ]
    network(given)
    for hook in hooks:
        hook.remove()
    return seen


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("shape", "down"), [((1, 32, 32), [16, 8, 4, 2]), ((3, 32, 32), [16, 8, 4, 2]), ((3, 64, 64), [32, 16, 8, 4])]
)
def test_same_padding_halves_the_side_four_times(shape: tuple[int, int, int], down: list[int]) -> None:
    assert sides(Encoder(shape, 8, ("mu",)), nn.Conv2d, torch.rand(2, *shape)) == down


@pytest.mark.parametrize(
    ("shape", "up"), [((1, 32, 32), [4, 8, 16, 32]), ((3, 32, 32), [4, 8, 16, 32]), ((3, 64, 64), [8, 16, 32, 64])]
)
def test_the_decoder_comes_back_to_the_side_of_the_image(shape: tuple[int, int, int], up: list[int]) -> None:
    decoder = Decoder(shape, 8)
    assert sides(decoder, nn.ConvTranspose2d, torch.rand(2, 8)) == up
    assert decoder(torch.rand(2, 8)).shape == (2, *shape)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("latent_dim", [1, 8, 64])
@pytest.mark.parametrize("posterior", ["gaussian", "kde"])
def test_images_come_back_in_their_shape_as_probabilities(
    shape: tuple[int, int, int], latent_dim: int, posterior: str
) -> None:
    model = VAE.appendix_b(shape, latent_dim, posterior).eval()
    images = torch.rand(3, *shape)
    logits, q, _ = model(images)
    assert logits.shape == (3, *shape)
    assert q.mean.shape == q.variance.shape == (3, latent_dim)
    probabilities = model.reconstruct(images)
    assert bool(((probabilities > 0) & (probabilities < 1)).all())
    torch.testing.assert_close(probabilities, model.decode(model.encode(images).mean))


def test_evae_has_a_third_head_of_16448_parameters() -> None:
    vae, evae = VAE.appendix_b((1, 32, 32), 64, "gaussian"), VAE.appendix_b((1, 32, 32), 64, "kde")
    assert parameters(evae) - parameters(vae) == 16_448
    heads = [name for name in evae.parts if "heads" in name]
    assert heads == [f"encoder.heads.{name}" for name in ("mu", "r", "B")]


def test_the_layers_have_the_papers_widths_and_filters() -> None:
    small, large = VAE.appendix_b((1, 32, 32), 64, "gaussian"), VAE.appendix_b((3, 64, 64), 64, "gaussian")

    def layers(model: VAE, kind: type[nn.Conv2d] | type[nn.ConvTranspose2d]) -> list[tuple[int, int]]:
        return [(layer.out_channels, layer.kernel_size[0]) for layer in model.modules() if isinstance(layer, kind)]

    assert layers(small, nn.Conv2d) == [(32, 4), (64, 4), (128, 4), (256, 4)]
    assert layers(small, nn.ConvTranspose2d) == [(128, 4), (64, 4), (32, 4), (1, 4)]
    assert layers(large, nn.Conv2d) == [(64, 5), (128, 5), (256, 5), (512, 5)]
    assert layers(large, nn.ConvTranspose2d) == [(256, 5), (128, 5), (64, 5), (3, 5)]


def test_the_number_of_parameters_is_that_of_the_layers_counted_by_hand() -> None:
    convolutions = 16 * (1 * 32 + 32 * 64 + 64 * 128 + 128 * 256)
    transposed = 16 * (256 * 128 + 128 * 64 + 64 * 32 + 32 * 1) + 1
    normalisations = 2 * (32 + 64 + 128 + 256) + 2 * (128 + 64 + 32)
    heads, first = 2 * (256 * 64 + 64), 64 * 256 + 256
    assert (
        parameters(VAE.appendix_b((1, 32, 32), 64, "gaussian"))
        == convolutions + transposed + normalisations + heads + first
    )


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 64), (3, 128, 128)])
def test_a_size_that_appendix_b_has_no_network_for_is_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(InputError, match="32x32 or 64x64"):
        VAE.appendix_b(shape, 8, "gaussian")


def test_an_unknown_posterior_is_refused() -> None:
    with pytest.raises(InputError, match=r"must be one of gaussian, epanechnikov, .*, kde, none, got 'cauchy'"):
        VAE.appendix_b((1, 32, 32), 8, "cauchy")


def test_the_first_layer_of_a_decoder_is_a_transposed_convolution() -> None:
    """Computed as a matrix product; its values and gradients are those of torch's own."""
    decoder = Decoder((1, 32, 32), 5).double()
    layer = next(module for module in decoder.modules() if isinstance(module, nn.ConvTranspose2d))
    pixels = torch.randn(3, layer.in_channels, 1, 1, dtype=torch.float64, requires_grad=True)
    expected = nn.functional.conv_transpose2d(pixels, layer.weight)
    torch.testing.assert_close(layer(pixels), expected)
    into = torch.randn_like(expected)
    found, wanted = (torch.autograd.grad(maps, (pixels, layer.weight), into) for maps in (layer(pixels), expected))
    torch.testing.assert_close(found, wanted)


def test_the_last_layer_of_an_encoder_is_a_convolution() -> None:
    """Computed without the products with padding; its values and gradients are those of torch's own."""
    encoder = Encoder((1, 32, 32), 5, ("mu",)).double()
    layer = next(module for module in encoder.modules() if isinstance(module, nn.Conv2d) and module.out_channels == 256)
    assert type(layer) is not nn.Conv2d
    maps = torch.randn(3, layer.in_channels, 4, 4, dtype=torch.float64, requires_grad=True)
    expected = nn.functional.conv2d(maps, layer.weight, stride=2, padding=1)
    torch.testing.assert_close(layer(maps), expected)
    into = torch.randn_like(expected)
    found, wanted = (torch.autograd.grad(out, (maps, layer.weight), into) for out in (layer(maps), expected))
    torch.testing.assert_close(found, wanted)
