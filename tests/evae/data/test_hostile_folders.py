"""Of every file in a folder of images it is known what became of it; public reports of misread folders are tried."""

from __future__ import annotations

import io
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from evae import data
from evae.data.inventory import Inventory
from foundation.errors import InputError
from foundation.files import read_json
from tests.evae.conftest import invoke
from tests.support.hostile.mutations import examples

SIDE = 32


def image(seed: int = 0, mode: str = "RGB", size: tuple[int, int] = (SIDE, SIDE)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    return Image.fromarray(pixels).convert(mode)


def encoded(form: str, mode: str = "RGB", seed: int = 0, pages: int = 1, **options: Any) -> bytes:
    stream = io.BytesIO()
    others = [image(seed + page, mode) for page in range(1, pages)]
    image(seed, mode).save(stream, form, **({"save_all": True, "append_images": others} if others else {}), **options)
    return stream.getvalue()


def grey16() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((SIDE, SIDE), 40_000, dtype=np.uint16)).save(stream, "PNG")
    return stream.getvalue()


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def base(folder: Path) -> Path:
    """A folder of a class with one picture in each split."""
    for number, split in enumerate(("train", "test")):
        put(folder / split / "a" / "base.png", encoded("PNG", seed=100 + number))
    return folder


def inventory_of(folder: Path, *, skip: bool = False) -> Inventory:
    found = data.load(f"folder:{folder}", folder.parent / "caches", skip_undecodable=skip)
    assert found.inventory is not None
    assert found.inventory.loaded == len(found.train) + len(found.holdout)
    return found.inventory


PNG = encoded("PNG")

#: Files that are read, with the number of their further pages.
READ: dict[str, tuple[bytes, int]] = {
    "1 bit.png": (encoded("PNG", "1"), 0),
    "palette.png": (encoded("PNG", "P"), 0),
    "alpha.png": (encoded("PNG", "RGBA"), 0),
    "grey alpha.png": (encoded("PNG", "LA"), 0),
    "cmyk.jpg": (encoded("JPEG", "CMYK"), 0),
    "lab.tif": (encoded("TIFF", "LAB"), 0),
    "photo.JFIF": (encoded("JPEG"), 0),
    "photo.jpe": (encoded("JPEG"), 0),
    "wrong suffix.jpg": (PNG, 0),
    "moving.gif": (encoded("GIF", "P", pages=3), 2),
    "moving.png": (encoded("PNG", pages=2), 1),
    "moving.webp": (encoded("WEBP", pages=2), 1),
    "scan.tiff": (encoded("TIFF", pages=4), 3),
    "phone.jpg": (encoded("MPO", pages=2), 1),
    "old.dib": (encoded("DIB"), 0),
    "grey.pgm": (encoded("PPM", "L"), 0),
    "fine.jp2": (encoded("JPEG2000"), 0),
}

#: Files that cannot be decoded.
BROKEN: dict[str, bytes] = {
    "16 bit.png": grey16(),
    "float.tif": encoded("TIFF", "F"),
    "empty.png": b"",
    "page.jpg": b"<html>404</html>",
    "cut.png": encoded("PNG", seed=3)[:-200],
    "cut.jpg": encoded("JPEG")[:300],
}

#: Other files, by the kind as which they are counted.
OTHER: dict[str, tuple[str, bytes]] = {
    "notes.txt": ("other_suffix", b"x"),
    "no suffix": ("other_suffix", PNG),
    "photo.heic": ("other_suffix", b"x"),
    "backup.png~": ("other_suffix", PNG),
    ".DS_Store": ("hidden", b"x"),
    "._photo.png": ("hidden", b"\0\5\x16\7"),
}


@st.composite
def trees(draw: st.DrawFn) -> list[tuple[str, str]]:
    """Names of files of the tables above, each with a folder that it lies in."""
    names = draw(st.lists(st.sampled_from([*READ, *BROKEN, *OTHER]), max_size=10))
    folders = st.sampled_from(
        ["train/a", "train/a/nested", "train/b", "test/a", "train/.hidden", "val", "train/linked"]
    )
    return [(name, draw(folders)) for name in names]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@given(trees(), st.sets(st.sampled_from(["loop", "twice", "broken", "missing.png", "file.png"])))
@examples(40)
def test_every_file_is_loaded_skipped_or_undecodable(place: Path, tree: list[tuple[str, str]], links: set[str]) -> None:
    shutil.rmtree(place, ignore_errors=True)
    folder, elsewhere = base(place / "mine"), place / "elsewhere"
    elsewhere.mkdir()
    (folder / "train" / "linked").symlink_to(elsewhere)
    expected: Counter[str] = Counter(loaded=2)
    further, present = 0, {"train/a/base.png", "test/a/base.png"}
    for number, (name, inside) in enumerate(tree):
        # A prefix would make a hidden file visible.
        numbered = name if name.startswith(".") else f"{number} {name}"
        path = f"{inside}/{numbered}"
        if path in present:
            continue
        present.add(path)
        content = READ[name][0] if name in READ else BROKEN[name] if name in BROKEN else OTHER[name][1]
        put(folder / path, content)
        if inside == "val":
            expected["outside_splits"] += 1
        elif "/." in inside:
            expected["hidden"] += 1
        elif name in OTHER:
            expected[OTHER[name][0]] += 1
        elif name in BROKEN:
            expected["undecodable"] += 1
        else:
            expected["loaded"] += 1
            further += READ[name][1]
    targets: dict[str, Path | str] = {
        "loop": folder,
        "twice": folder / "train" / "a",
        "broken": "nowhere",
        "missing.png": "nowhere.png",
    }
    for link in links:
        (folder / "train" / link).symlink_to(targets.get(link, folder / "train" / "a" / "base.png"))
    expected["broken_link"] += "broken" in links
    expected["undecodable"] += "missing.png" in links
    expected["loaded"] += "file.png" in links
    found = inventory_of(folder, skip=True)
    decoded = found.decoded
    counts = {**found.skipped, "loaded": found.loaded, "undecodable": len(decoded.undecodable)}
    assert +Counter(counts) == +expected
    assert found.files == len(present) + len(links - {"loop", "twice"})
    assert found.links == len(links & {"loop", "twice"})
    assert sum(decoded.pages.values()) - len(decoded.pages) == further
    # Without the option, all undecodable files are named at once; there are at most eleven.
    if expected["undecodable"]:
        with pytest.raises(InputError) as refused:
            inventory_of(folder)
        named = sum(Path(name).name in str(refused.value) for name in decoded.undecodable)
        assert named == min(10, expected["undecodable"])
    else:
        assert inventory_of(folder) == found


def test_a_class_folder_that_is_a_link_is_a_class_by_the_links_name(tmp_path: Path) -> None:
    """pytorch/vision#1580, timm#334, datasets#5098."""
    folder = base(tmp_path / "mine")
    for split in ("train", "test"):
        put(tmp_path / "store" / split / "1.png", encoded("PNG", seed=7))
        (folder / split / "zebra").symlink_to(tmp_path / "store" / split)
    found = data.load(f"folder:{folder}", tmp_path)
    labels = data.load_labels(f"folder:{folder}", tmp_path)
    assert (len(found.train), labels.classes, labels.train.tolist()) == (2, 2, [0, 1])


def test_a_folder_behind_a_link_into_itself_is_listed_once_and_the_link_counted(tmp_path: Path) -> None:
    folder = base(tmp_path / "mine")
    (folder / "train" / "0 before a").symlink_to(folder / "train" / "a")
    (folder / "train" / "a" / "up").symlink_to("..")
    found = inventory_of(folder)
    assert (found.loaded, found.links) == (2, 2)
    assert "Skipped: 2 links to folders that are read." in found.sentences()


def test_links_that_double_at_every_step_are_each_followed_once(tmp_path: Path) -> None:
    folder = base(tmp_path / "mine")
    for depth in range(40):
        step = folder / "train" / "a" / f"step{depth}"
        step.mkdir()
        for side in ("left", "right"):
            (step / side).symlink_to(f"../step{depth + 1}")
    assert inventory_of(folder).loaded == 2


def test_a_folder_that_cannot_be_read_is_an_error_not_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = base(tmp_path / "mine")
    scan = os.scandir

    def scandir(path: Path) -> Any:
        if str(path).endswith("train/a"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr("os.scandir", scandir)
    with pytest.raises(InputError, match=r"the folder .*mine/train/a cannot be read \(Permission denied\)"):
        inventory_of(folder)


def test_an_undecodable_file_that_is_skipped_decides_neither_colours_nor_size(tmp_path: Path) -> None:
    """Its header may say that it is coloured and small."""
    folder = tmp_path / "mine"
    for split in ("train", "test"):
        grey = io.BytesIO()
        image(1, "L", (70, 70)).save(grey, "PNG")
        put(folder / split / "1.png", grey.getvalue())
    put(folder / "train" / "cut.png", encoded("PNG", seed=3)[:-200])
    found = data.load(f"folder:{folder}", tmp_path, skip_undecodable=True)
    assert found.image_shape == (1, 64, 64)
    assert found.inventory is not None
    assert list(found.inventory.decoded.undecodable) == ["train/cut.png"]


def test_a_split_without_any_decodable_file_is_refused_even_if_they_may_be_skipped(tmp_path: Path) -> None:
    folder = base(tmp_path / "mine")
    put(folder / "test" / "a" / "base.png", b"")
    with pytest.raises(InputError, match=r"mine/test/a/base\.png cannot be decoded"):
        inventory_of(folder, skip=True)


def test_labels_belong_to_the_images_that_were_read(tmp_path: Path) -> None:
    folder = base(tmp_path / "mine")
    for split in ("train", "test"):
        put(folder / split / "b" / "1.png", b"")
        put(folder / split / "b" / "2.png", encoded("PNG", seed=5))
    found = data.load(f"folder:{folder}", tmp_path, skip_undecodable=True)
    labels = data.load_labels(f"folder:{folder}", tmp_path, skip_undecodable=True)
    assert len(found.train) == len(labels.train) == 2
    assert labels.train.tolist() == [0, 1]


def test_equal_files_are_counted_within_and_across_the_splits(tmp_path: Path) -> None:
    folder = base(tmp_path / "mine")
    for name in ("train/a/1.png", "train/a/2.png", "test/a/3.png"):
        put(folder / name, PNG)
    found = inventory_of(folder)
    assert (found.loaded, found.decoded.repeated, found.decoded.shared) == (5, 1, 1)
    assert found == inventory_of(folder)
    told = " ".join(found.sentences())
    assert "1 file repeats the bytes of another one" in told
    assert "1 hold-out image is also among the training images" in told


def test_train_says_what_it_skipped_and_its_run_records_it(tmp_path: Path) -> None:
    folder = base(tmp_path / "mine")
    put(folder / "test" / "a" / "2.png", encoded("PNG", seed=9))
    put(folder / "train" / "a" / "notes.txt", b"")
    put(folder / "train" / "a" / "cut.png", encoded("PNG", seed=3)[:-200])
    arguments = ["train", "--dataset", f"folder:{folder}", "--latent-dim", 2, "--epochs", 1, "--device", "cpu"]
    arguments += ["--data-dir", tmp_path, "--runs-dir", tmp_path / "runs"]
    refused = invoke(*arguments)
    assert refused.exit_code == 2
    assert f"{folder}/train/a/cut.png cannot be decoded" in refused.stderr
    assert "--skip-undecodable" in refused.stderr
    assert not (tmp_path / "runs").exists()
    result = invoke(*arguments, "--skip-undecodable", "--json", tmp_path / "train.json")
    assert result.exit_code == 0, result.output
    words = "1 file with another suffix (.txt 1); 1 undecodable file (train/a/cut.png)"
    assert words in " ".join(result.stdout.split())
    (run,) = (tmp_path / "runs").glob("folder-*")
    recorded = read_json(run / "config.json")["data"]["inventory"]
    assert recorded == read_json(tmp_path / "train.json")["data"]["inventory"]
    assert list(recorded["undecodable"]) == ["train/a/cut.png"]
    assert (recorded["files"], recorded["loaded"], recorded["skipped"]) == (5, 3, {"other_suffix": 1})


def bare_palette() -> bytes:
    """A palette image of which every colour is transparent."""
    stream = io.BytesIO()
    Image.new("P", (SIDE, SIDE)).save(stream, "PNG", transparency=bytes(256))
    return stream.getvalue()


def pixmap(form: str, most: int, value: int) -> bytes:
    """A PGM or PPM whose largest value is ``most``."""
    header = f"{form} {SIDE} {SIDE} {most}\n".encode()
    count = SIDE * SIDE * (3 if form == "P6" else 1)
    return header + np.full(count, value, ">u2" if most > 255 else "u1").tobytes()


def upright(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded("PNG", exif=exif)


#: Options of a JPEG that keeps noise.
FINE: dict[str, Any] = {"quality": 100, "subsampling": 0}

PIXELS = np.asarray(image()).transpose(2, 0, 1).astype(int)
GREY = np.asarray(image(mode="L")).astype(int)
WHITE = np.full_like(PIXELS, 255)

#: Inputs of public reports that are read: the file's name and content, the right pixels (3, 32, 32), and how far ours
#: may be from them in the mean.
REPORTS: dict[str, tuple[str, bytes, Any, float]] = {
    "GaParmar/clean-fid#37, upper-case suffix": ("x.JPEG", encoded("JPEG", **FINE), PIXELS, 3),
    "supervisely/supervisely#839, jfif": ("x.jfif", encoded("JPEG", **FINE), PIXELS, 3),
    "Pillow#3379, transparent black of a 1-bit PNG": ("x.png", encoded("PNG", "1", transparency=0), WHITE, 0),
    "Pillow#1838, every colour of a palette transparent": ("x.png", bare_palette(), WHITE, 0),
    "meerk40t#962, a transparent grey value": (
        "x.png",
        encoded("PNG", "L", transparency=int(GREY[0, 0])),
        np.stack(3 * [np.where(GREY[0, 0] == GREY, 255, GREY)]),
        0,
    ),
    "Pillow#5008, PGM with another largest value": ("x.pgm", pixmap("P5", 11, 11), WHITE, 0),
    "Pillow#914, PPM of 16 bits": ("x.ppm", pixmap("P6", 65_535, 32_896), np.full_like(PIXELS, 128), 0.6),
    "josch/img2pdf#25, JPEG in CMYK": ("x.jpg", encoded("JPEG", "CMYK", quality=100), PIXELS, 8),
    "hydrusnetwork/hydrus#1442, MPO of a phone": ("x.jpg", encoded("MPO", pages=2, **FINE), PIXELS, 3),
    "a PNG called jpg": ("x.jpg", PNG, PIXELS, 0),
    "detectron2#262, EXIF orientation 2": ("x.png", upright(2), PIXELS[:, :, ::-1], 0),
    "detectron2#262, EXIF orientation 3": ("x.png", upright(3), PIXELS[:, ::-1, ::-1], 0),
    "detectron2#262, EXIF orientation 4": ("x.png", upright(4), PIXELS[:, ::-1], 0),
    "detectron2#262, EXIF orientation 5": ("x.png", upright(5), PIXELS.transpose(0, 2, 1), 0),
    "datumaro#1756, EXIF orientation 6": ("x.png", upright(6), np.rot90(PIXELS, -1, (1, 2)), 0),
    "detectron2#262, EXIF orientation 7": ("x.png", upright(7), PIXELS[:, ::-1, ::-1].transpose(0, 2, 1), 0),
    "datumaro#1756, EXIF orientation 8": ("x.png", upright(8), np.rot90(PIXELS, 1, (1, 2)), 0),
}


@pytest.mark.parametrize("report", REPORTS)
def test_a_file_of_a_public_report_is_read_as_it_is_meant(report: str, tmp_path: Path) -> None:
    name, content, expected, apart = REPORTS[report]
    folder = base(tmp_path / "mine")
    put(folder / "train" / "z" / name, content)
    found = data.load(f"folder:{folder}", tmp_path).train
    assert len(found) == 2
    assert np.abs(found[1].numpy().astype(int) - expected).mean() <= apart


#: Files of public reports that are refused: the file's name and content, and the reason that is given.
REFUSED: dict[str, tuple[str, bytes, str]] = {
    "Pillow#3011, 16-bit grey that became white": ("x.png", grey16(), "its mode is I;16"),
    "Pillow#1108, 16-bit TIFF": ("x.tif", encoded("TIFF", "I;16"), "its mode is I;16"),
    "Pillow#5991, floating point": ("x.tif", encoded("TIFF", "F"), "its mode is F"),
    "pytorch/vision#138, cut short": ("x.jpg", encoded("JPEG")[:-300], "truncated"),
    "Pillow#6732, PGM of the largest value 0": ("x.pgm", b"P5 1 1 0 \0", "maxval"),
    "pytorch/pytorch#7238, which file is damaged": ("x.png", b"", "not an image"),
}


@pytest.mark.parametrize("report", REFUSED)
def test_a_file_of_a_public_report_is_refused_by_name(report: str, tmp_path: Path) -> None:
    name, content, reason = REFUSED[report]
    folder = base(tmp_path / "mine")
    put(folder / "train" / "z" / name, content)
    with pytest.raises(InputError) as refused:
        inventory_of(folder)
    assert f"mine/train/z/{name} cannot be decoded (" in str(refused.value)
    assert reason in str(refused.value)
    assert inventory_of(folder, skip=True).loaded == 2


#: Things that public reports found counted as classes, or as pictures.
STRAY: dict[str, tuple[str, str]] = {
    "pytorch/vision#2831, tensorflow#46595": ("train/.ipynb_checkpoints/x.png", "hidden"),
    "pytorch/vision#109": ("train/.DS_Store", "hidden"),
    "alinlab/CSI#31": ("train/a/._base.png", "hidden"),
    "Thumbs.db of Windows": ("train/a/Thumbs.db", "other_suffix"),
    "pytorch/vision#4925": ("train/empty/readme", "other_suffix"),
    "huggingface/datasets#4015, a split of another name": ("val/a/x.png", "outside_splits"),
}


@pytest.mark.parametrize("report", STRAY)
def test_what_a_public_report_found_in_the_way_is_counted_and_is_no_class(report: str, tmp_path: Path) -> None:
    path, kind = STRAY[report]
    folder = base(tmp_path / "mine")
    for split in ("train", "test"):
        put(folder / split / "b" / "1.png", encoded("PNG", seed=50 + len(split)))
    put(folder / path, PNG)
    found = inventory_of(folder)
    assert found.skipped == {kind: 1}
    assert found.empty == (("train/empty",) if "empty" in path else ())
    assert data.load_labels(f"folder:{folder}", tmp_path).classes == 2


def test_masks_of_zeros_and_ones_are_refused_with_their_largest_value(tmp_path: Path) -> None:
    """pytorch/vision#4272."""
    for split in ("train", "test"):
        stream = io.BytesIO()
        Image.fromarray((GREY > 127).astype(np.uint8)).save(stream, "PNG")
        put(tmp_path / "mine" / split / "1.png", stream.getvalue())
    with pytest.raises(InputError, match=r"must be on the scale from 0 to 255, got a largest value of 1 .* by 255 and"):
        inventory_of(tmp_path / "mine")
