"""folder:DIR takes pictures of any size, format and mode; several processes decode what one does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from evae import data
from evae.data.decoding import Decoder, Framing
from evae.data.sources.image_files import Folder
from foundation.errors import InputError


def picture(seed: int, width: int, height: int, mode: str = "RGB") -> Image.Image:
    channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, *channels)).astype(np.uint8)
    return Image.fromarray(pixels)


def save(image: Image.Image, path: Path, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)  # type: ignore[arg-type]
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three training pictures in two classes and one test picture, of different sizes and formats."""
    save(picture(1, 50, 40), tmp_path / "mine" / "train" / "b" / "2.png")
    save(picture(2, 40, 61), tmp_path / "mine" / "train" / "b" / "10.bmp")
    save(picture(3, 45, 45), tmp_path / "mine" / "train" / "a" / "z.PNG")
    save(picture(4, 70, 50), tmp_path / "mine" / "test" / "0.webp", lossless=True)
    (tmp_path / "mine" / "train" / "notes.txt").write_text("passed over")
    (tmp_path / "mine" / "train" / ".hidden.png").write_text("passed over")
    return tmp_path


def load(root: Path, image_size: int | None = None) -> data.ImageData:
    return data.load(f"folder:{root / 'mine'}", root, image_size=image_size)


def transformed(image: Image.Image, side: int) -> torch.Tensor:
    steps = [v2.CenterCrop(min(image.size)), v2.Resize((side, side)), v2.PILToTensor()]
    return v2.Compose(steps)(image)


def test_pictures_come_sorted_by_path_as_torchvision_cuts_them(folder: Path) -> None:
    images = load(folder)
    pictures = [picture(3, 45, 45), picture(2, 40, 61), picture(1, 50, 40)]
    assert torch.equal(images.train, torch.stack([transformed(image, 32) for image in pictures]))
    assert torch.equal(images.holdout, transformed(picture(4, 70, 50), 32)[None])


def test_the_resolution_is_64_where_every_side_has_64_pixels_unless_told(folder: Path) -> None:
    assert load(folder, 64).image_shape == (3, 64, 64)
    for name, seed in (("b/2.png", 1), ("b/10.bmp", 2), ("a/z.PNG", 3)):
        save(picture(seed, 64, 80), folder / "mine" / "train" / name)
    assert load(folder).image_shape == (3, 32, 32)
    save(picture(4, 90, 64), folder / "mine" / "test" / "0.webp")
    assert load(folder).image_shape == (3, 64, 64)
    assert load(folder, 32).image_shape == (3, 32, 32)


def test_images_are_grey_only_where_all_are(tmp_path: Path) -> None:
    save(picture(1, 32, 32, "L"), tmp_path / "mine" / "train" / "1.png")
    save(picture(2, 32, 32, "L"), tmp_path / "mine" / "test" / "1.png")
    images = load(tmp_path)
    assert np.array_equal(images.train[0, 0].numpy(), np.asarray(picture(1, 32, 32, "L")))
    save(picture(3, 32, 32), tmp_path / "mine" / "train" / "2.png")
    assert load(tmp_path).image_shape == (3, 32, 32)


def test_what_is_transparent_is_laid_over_white(tmp_path: Path) -> None:
    image = picture(1, 32, 32, "RGBA")
    save(image, tmp_path / "mine" / "train" / "1.png")
    save(picture(2, 32, 32), tmp_path / "mine" / "test" / "1.png")
    pixels = np.asarray(image).astype(float)
    opacity = pixels[..., 3:] / 255
    over_white = opacity * pixels[..., :3] + (1 - opacity) * 255
    assert np.abs(load(tmp_path).train[0].permute(1, 2, 0).numpy() - over_white).max() <= 1


def test_a_photograph_is_turned_upright(tmp_path: Path) -> None:
    image = picture(1, 32, 32)
    exif = Image.Exif()
    exif[0x0112] = 6
    save(image, tmp_path / "mine" / "train" / "1.png", exif=exif)
    save(image, tmp_path / "mine" / "test" / "1.png")
    images = load(tmp_path)
    assert torch.equal(images.train[0], images.holdout[0].rot90(-1, (1, 2)))


def test_progress_is_told_while_headers_are_read_and_while_images_are_decoded(folder: Path) -> None:
    told: list[tuple[str, int, int]] = []
    data.load(f"folder:{folder / 'mine'}", folder, progress=lambda *news: told.append(news))
    assert told == [("looking at images", 4, 4), ("decoding images", 4, 4)]


def test_a_picture_added_to_the_folder_is_seen(folder: Path) -> None:
    assert len(load(folder).holdout) == 1
    save(picture(5, 40, 40), folder / "mine" / "test" / "1.png")
    assert len(load(folder).holdout) == 2


@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_a_file_that_is_not_a_picture_is_named(folder: Path, content: bytes) -> None:
    (folder / "mine" / "train" / "b" / "3.jpg").write_bytes(content)
    with pytest.raises(InputError, match=r"mine/train/b/3\.jpg cannot be decoded \("):
        load(folder)


def test_a_picture_that_is_cut_short_is_named(folder: Path) -> None:
    path = folder / "mine" / "train" / "b" / "2.png"
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(InputError, match=r"mine/train/b/2\.png cannot be decoded \("):
        load(folder)


def test_sixteen_bits_are_refused_instead_of_clipped(folder: Path) -> None:
    save(Image.fromarray(np.full((40, 40), 40_000, dtype=np.uint16)), folder / "mine" / "train" / "deep.png")
    with pytest.raises(
        InputError, match=r"deep\.png cannot be decoded \(its mode is I;16, but only images of 8 bits per channel"
    ):
        load(folder)


def test_a_folder_without_test_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"folder:DIR must name a folder .* got .*mine, which is neither a folder"):
        load(tmp_path)
    (tmp_path / "mine").mkdir()
    with pytest.raises(InputError, match="mine/train holds no images"):
        load(tmp_path)
    save(picture(1, 32, 32), tmp_path / "mine" / "train" / "1.png")
    with pytest.raises(InputError, match="mine/test holds no images"):
        load(tmp_path)


def test_several_processes_decode_what_one_does_in_order_and_name_the_same_file(tmp_path: Path) -> None:
    names = [save(picture(seed, 20, 24), tmp_path / f"{seed:04d}.bmp").name for seed in range(600)]
    framing = Framing(side=8, channels=3)
    told: list[int] = []
    several = Decoder(Folder(tmp_path), names, framing, lambda _what, done, _all: told.append(done), workers=2)
    alone = Decoder(Folder(tmp_path), names, framing, lambda *_: None, workers=1)
    assert np.array_equal(np.concatenate([*several.batches()]), np.concatenate([*alone.batches()]))
    assert told == [128, 256, 384, 512, 600]
    (tmp_path / "0333.bmp").write_bytes(b"no picture")
    decoders = [Decoder(Folder(tmp_path), names, framing, lambda *_: None, workers=workers) for workers in (1, 2)]
    pixels = [np.concatenate([*decoder.batches()]) for decoder in decoders]
    assert np.array_equal(pixels[0], pixels[1])
    assert len(pixels[0]) == 599
    for decoder in decoders:
        assert list(decoder.failures) == ["0333.bmp"]
        assert "0333.bmp cannot be decoded" in decoder.failures["0333.bmp"]
