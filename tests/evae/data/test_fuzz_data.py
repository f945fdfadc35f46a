"""Fuzzed: whatever lies where a data set, a cache or a file of weights should, images come or one sentence does."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import pickle
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from evae import data
from evae.data import ImageData
from evae.data.cache import DecodePlan, DecodeRequest, fetch
from evae.data.decoding import FORMATS, MOST_PIXELS, Framing, decode_image, inspect_image
from evae.data.images import pixels_sha256
from evae.data.sources import cifar, idx
from evae.data.stamps import SourceStamp
from evae.features.inception import inception_network
from evae.features.store import CacheEntry, load_or_compute
from foundation.errors import InputError
from foundation.untrusted import ArrayArchive
from tests.evae.conftest import invoke, refusal, write_mnist
from tests.support.hostile.mutations import (
    Trap,
    answered,
    as_json,
    contents,
    examples,
    foreign,
    little_memory,
    little_time,
    mutated,
    mutated_document,
    require_clean,
)

RANDOM = np.random.default_rng(0)


def noise(*shape: int) -> NDArray[np.uint8]:
    return RANDOM.integers(0, 256, shape).astype(np.uint8)


def bytes_of(write: Callable[[io.BytesIO], object]) -> bytes:
    stream = io.BytesIO()
    write(stream)
    return stream.getvalue()


def picture(form: str, mode: str = "RGB", size: tuple[int, int] = (40, 36)) -> bytes:
    image = Image.fromarray(noise(size[1], size[0], 3)).convert(mode)
    return bytes_of(lambda stream: image.save(stream, form))


PICTURES = {
    "png": picture("PNG"),
    "grey png": picture("PNG", "L"),
    "palette png": picture("PNG", "P"),
    "jpeg": picture("JPEG"),
    "webp": picture("WEBP"),
    "bmp": picture("BMP"),
    "gif": picture("GIF", "P"),
    "tiff": picture("TIFF"),
    "ppm": picture("PPM"),
    "dib": picture("DIB"),
    "jp2": picture("JPEG2000"),
    **({"avif": picture("AVIF")} if "AVIF" in FORMATS else {}),
}

ARRAYS: dict[str, Any] = {
    "train_images": noise(3, 8, 8),
    "test_images": noise(2, 8, 8),
    "train_labels": np.array([0, 1, 0]),
}

NPZ = bytes_of(lambda stream: np.savez(stream, **ARRAYS))

PACKED_NPZ = bytes_of(lambda stream: np.savez_compressed(stream, **ARRAYS))


def require_images(found: ImageData | None) -> None:
    """What every reader of images promises."""
    if found is not None:
        for images in (found.train, found.holdout):
            assert images.dtype == torch.uint8
            assert images.dim() == 4
            assert images.shape[1] in (1, 3)
            assert tuple(images.shape[2:]) in ((32, 32), (64, 64))
            assert len(images) > 0


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@given(st.one_of(mutated(NPZ), mutated(PACKED_NPZ)))
@examples(150)
def test_fuzzed_arrays_are_read_or_refused(place: Path, content: bytes) -> None:
    path = place / "images.npz"
    path.write_bytes(content)
    require_images(answered(lambda: data.load(f"npz:{path}"), "images.npz"))
    answered(lambda: data.load_labels(f"npz:{path}"), "images.npz")


HEADERS = st.one_of(
    st.tuples(
        st.sampled_from(
            ["|u1", "<f8", "|O", "<U0", "|S0", "|V4", "<M8[s]", "<c16", "|b1", "{'a': 1}", "9" * 300, "\0"]
        ),
        st.booleans(),
        st.lists(st.one_of(st.integers(-2, 40), st.sampled_from([2**31, 2**62, 2**63, 2**64, 10**30])), max_size=5),
    ).map(lambda drawn: repr({"descr": drawn[0], "fortran_order": drawn[1], "shape": tuple(drawn[2])})),
    st.sampled_from(
        ["{}", "(" * 5000, "[" * 9000, "{'descr': '|u1', 'fortran_order': False, 'shape': (1L, 2L)}", "1" * 9000]
    ),
    st.text(max_size=60),
)


@given(HEADERS, st.sampled_from([b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x00"]), st.integers(0, 3 * 64))
@examples(150)
def test_fuzzed_headers_of_arrays_are_believed_only_where_they_are_right(
    place: Path, header: str, version: bytes, length: int
) -> None:
    text = header.encode("utf-8", "replace")
    size = struct.pack("<H" if version == b"\x01\x00" else "<I", len(text))
    content = b"\x93NUMPY" + version + size + text + bytes(length)
    path = place / "header.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("train_images.npy", content)
        archive.writestr("test_images.npy", content)
    require_images(answered(lambda: data.load(f"npz:{path}"), "header.npz"))


@given(st.sampled_from([*PICTURES]).flatmap(lambda name: mutated(PICTURES[name], [*PICTURES.values()])))
@examples(250)
def test_fuzzed_pictures_are_decoded_or_refused(place: Path, content: bytes) -> None:
    path = place / "picture.png"
    path.write_bytes(content)
    for channels in (1, 3):
        try:
            with little_memory(), little_time():
                assert decode_image(content, Framing(32, channels, upright=True))[0].shape == (channels, 32, 32)
        except ValueError as reason:
            require_clean(InputError(f"({reason})"))
    try:
        with little_memory(), little_time():
            assert inspect_image(path)[1] > 0
    except ValueError as reason:
        require_clean(InputError(f"({reason})"))


def folder_of(place: Path, content: bytes) -> Path:
    for name in ("train/a/1.png", "test/a/1.png"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(PICTURES["png"])
    (place / "train/a/2.png").write_bytes(content)
    return place


@given(st.one_of(mutated(PICTURES["png"]), mutated(PICTURES["jpeg"])))
@examples(50)
def test_fuzzed_folders_are_read_or_refused(place: Path, content: bytes) -> None:
    folder = folder_of(place / "folder", content)
    require_images(answered(lambda: data.load(f"folder:{folder}", place / "caches"), "2.png"))


MNIST_FILES = ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte")


@given(st.data(), st.booleans())
@examples(150)
def test_fuzzed_idx_files_are_read_or_refused(place: Path, drawn: st.DataObject, packed: bool) -> None:
    root = place / "mnist"
    raw = root / "data" / "MNIST" / "raw"
    if not raw.exists():
        write_mnist(root)
    original = (raw / MNIST_FILES[1]).read_bytes()
    path = raw / (MNIST_FILES[0] + (".gz" if packed else ""))
    (raw / MNIST_FILES[0]).unlink(missing_ok=True)
    path.write_bytes(drawn.draw(mutated(gzip.compress(original, mtime=0) if packed else original, beginning=20)))
    try:
        require_images(answered(lambda: data.load("mnist", root / "data"), path.name))
        survey = data.catalogue.source_for("mnist", root / "data").survey()
        assert survey.state in ("complete", "subset", "damaged")
    finally:
        path.unlink()


@given(mutated(bytes_of(lambda stream: stream.write(np.array([2049, 30], ">u4").tobytes() + bytes(30))), beginning=8))
@examples(75)
def test_fuzzed_labels_are_read_or_refused(place: Path, content: bytes) -> None:
    root = place / "labels"
    raw = root / "data" / "MNIST" / "raw"
    if not raw.exists():
        write_mnist(root)
        (raw / idx.HOLDOUT_LABELS).write_bytes(np.array([2049, 20], ">u4").tobytes() + bytes(20))
    (raw / idx.TRAIN_LABELS).write_bytes(content)
    labels = answered(lambda: data.load_labels("mnist", root / "data"), idx.TRAIN_LABELS)
    assert labels is None or (len(labels.train) == 30 and labels.train.max() < 10)


BATCH = pickle.dumps({"labels": [0] * 3, "data": noise(3, 3072)}, protocol=2)


@given(st.data())
@examples(100)
def test_fuzzed_pickles_are_listed_or_refused_and_never_carried_out(place: Path, drawn: st.DataObject) -> None:
    """As if a file of these very bytes had the published MD5 sum."""
    trap = pickle.dumps(Trap(place / "pickle"))
    content = drawn.draw(mutated(BATCH, [trap, b"I" + b"9" * 5000 + b"\n.", b"\x8b\xff\xff\xff\x7f", b"(" * 10**5]))
    for parse in (
        cifar.parse_pickled_images,
        cifar.parse_pickled_labels,
        cifar.parse_binary_images,
        cifar.parse_binary_labels,
    ):
        try:
            with little_memory(), little_time():
                parse(content)
        except ValueError as reason:
            require_clean(InputError(f"({reason})"))
    assert not (place / "pickle").exists()


def faces(content: bytes | None = None) -> bytes:
    """An archive of two faces; ``content`` in the place of the first."""
    face = picture("JPEG", size=(178, 218))

    def write(stream: io.BytesIO) -> None:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in ("000001", "162771"):
                archive.writestr(zipfile.ZipInfo(f"img_align_celeba/{name}.jpg"), content or face)

    return bytes_of(write)


FACES = faces()


def put_archive(root: Path, content: bytes) -> Path:
    path = root / "celeba" / "img_align_celeba.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return root


@given(mutated(FACES, beginning=260))
@examples(100)
def test_fuzzed_archives_are_read_or_refused(place: Path, content: bytes) -> None:
    root = put_archive(place / "celeba", content)
    require_images(answered(lambda: data.load("celeba", root), "img_align_celeba.zip"))
    assert data.catalogue.source_for("celeba", root).survey().state in ("subset", "damaged")


@given(st.data())
@examples(75)
def test_fuzzed_caches_are_what_they_were_or_made_again(place: Path, drawn: st.DataObject) -> None:
    request = DecodeRequest("fuzz", SourceStamp({"path": "x", "bytes": 1}), {"side": 32})
    pixels = np.arange(5 * 3 * 32 * 32, dtype=np.uint8).reshape(5, 3, 32, 32)

    def plan() -> DecodePlan:
        return DecodePlan(3, 2, (3, 32, 32), iter([pixels]))

    folder = place / "cache"
    shutil.rmtree(folder, ignore_errors=True)
    fetch(folder, request, plan)
    (record,) = folder.glob("*.json")
    array = record.with_suffix(".npy")
    if drawn.draw(st.booleans()):
        array.write_bytes(drawn.draw(mutated(array.read_bytes())))
        if drawn.draw(st.booleans()):
            # By somebody who knows the checksums: then only the form can be wrong.
            content, whole = array.read_bytes()[-pixels.nbytes :], pixels[:3].nbytes
            parts = {"train": (pixels[:3], content[:whole]), "holdout": (pixels[3:], content[whole:])}
            sha256 = {split: pixels_sha256(like.shape, [part]) for split, (like, part) in parts.items()}
            record.write_text(json.dumps({**json.loads(record.read_text()), "sha256": sha256}))
            found = answered(lambda: fetch(folder, request, plan))
            assert found is None or found.train.shape[1:] == (3, 32, 32) or found.train.ndim == 4
            return
    else:
        document = mutated_document(json.loads(record.read_text()))
        record.write_bytes(drawn.draw(st.one_of(mutated(record.read_bytes()), document.map(as_json))))
    found = answered(lambda: fetch(folder, request, plan))
    assert found is not None
    assert np.array_equal(np.concatenate([found.train, found.holdout]), pixels)
    assert len(found.train) == 3


@given(st.data())
@examples(75)
def test_fuzzed_stores_are_what_they_were_or_made_again(place: Path, drawn: st.DataObject) -> None:
    entry = CacheEntry({"mean": torch.arange(5.0), "covariance": torch.eye(5)}, {"images": 7})
    folder = place / "store"
    shutil.rmtree(folder, ignore_errors=True)
    load_or_compute(folder, "key", lambda: entry)
    (path,) = folder.glob("*.safetensors")
    path.write_bytes(drawn.draw(mutated(path.read_bytes(), beginning=300)))
    found = answered(lambda: load_or_compute(folder, "key", lambda: entry))
    assert found is not None
    assert found.facts == entry.facts
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in entry.tensors.items())


WEIGHTS = bytes_of(lambda stream: torch.save({"a": torch.arange(4.0), "b": {"c": [1, 2]}}, stream))


@given(st.data())
@examples(20)
def test_fuzzed_weights_of_inception_are_refused_and_run_nothing(place: Path, drawn: st.DataObject) -> None:
    """As if they were the published ones: any that are not have another SHA-256 and are not even opened."""
    trap = place / "weights"
    hostile = [pickle.dumps(Trap(trap)), bytes_of(lambda stream: torch.save({"a": Trap(trap)}, stream)), WEIGHTS]
    content = drawn.draw(mutated(WEIGHTS, hostile))
    path = place / "weights.pth"
    path.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    assert answered(lambda: inception_network(path, "cpu", sha256), "weights.pth") is None
    assert not trap.exists()


@pytest.mark.parametrize("form", ["pickle", "torch", "old torch"])
def test_weights_of_inception_that_would_run_a_program_are_refused(tmp_path: Path, form: str) -> None:
    trap = Trap(tmp_path / "mark")
    if form == "pickle":
        content = pickle.dumps(trap)
    else:
        content = bytes_of(
            lambda stream: torch.save({"a": trap}, stream, _use_new_zipfile_serialization=form == "torch")
        )
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    assert answered(lambda: inception_network(path, "cpu", hashlib.sha256(content).hexdigest()), "weights.pth") is None
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("train", [1, 2, 4, 0, -3, True, None, "3"])
def test_a_cache_whose_split_was_altered_is_made_again(tmp_path: Path, train: object) -> None:
    request = DecodeRequest("split", SourceStamp({"path": "x", "bytes": 1}), {"side": 32})
    pixels = np.arange(5 * 3 * 32 * 32, dtype=np.uint8).reshape(5, 3, 32, 32)
    fetch(tmp_path, request, lambda: DecodePlan(3, 2, (3, 32, 32), iter([pixels])))
    (record,) = tmp_path.glob("*.json")
    record.write_text(json.dumps({**json.loads(record.read_text()), "train": train}))
    assert len(fetch(tmp_path, request, lambda: DecodePlan(3, 2, (3, 32, 32), iter([pixels]))).train) == 3


def test_objects_of_an_array_file_are_never_unpickled(tmp_path: Path) -> None:
    trap = np.array([Trap(tmp_path / "mark")], dtype=object)
    for name, save in (("a", np.savez), ("b", np.savez_compressed)):
        save(tmp_path / f"{name}.npz", train_images=trap, test_images=trap)
        sentence = refusal("train", "--dataset", f"npz:{tmp_path / name}.npz", "--runs-dir", tmp_path / "runs")
        assert "Python objects, which are never unpickled" in sentence
    pickle.loads(pickle.dumps(Trap(tmp_path / "proof")))
    assert (tmp_path / "proof").exists()
    assert not (tmp_path / "mark").exists()
    assert not (tmp_path / "runs").exists()


def bomb(path: Path, name: str, gigabytes: int, beginning: bytes = b"") -> Path:
    """An archive of a few megabytes with a member that unpacks to the given number of gigabytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open(name, "w", force_zip64=True) as member:
            member.write(beginning)
            for _ in range(gigabytes * 2**6):
                member.write(bytes(2**24))
        archive.writestr("test_images.npy", b"")
    return path


def npy_header(count: int) -> bytes:
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, 32, 32)}
    return bytes_of(lambda stream: np.lib.format.write_array_header_1_0(stream, header))


def test_an_array_that_unpacks_to_a_thousand_times_its_file_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = bomb(tmp_path / "bomb.npz", "train_images.npy", 1, npy_header(2**20))
    assert path.stat().st_size < 2**23
    with little_memory(2**28), little_time(2):
        sentence = refusal("train", "--dataset", f"npz:{path}", "--runs-dir", tmp_path / "runs")
    assert "got a declared size of 1,073,741,952" in sentence


@pytest.mark.parametrize("shape", [(2**31, 32, 32), (2**62, 4), (2**70,), (0, 2**70), (-1, 32, 32)])
def test_an_array_header_of_a_huge_shape_allots_nothing(tmp_path: Path, shape: tuple[int, ...]) -> None:
    header = repr({"descr": "|u1", "fortran_order": False, "shape": shape}).encode()
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    with zipfile.ZipFile(tmp_path / "huge.npz", "w") as archive:
        archive.writestr("train_images.npy", content)
        archive.writestr("test_images.npy", content)
    with little_memory(2**27):
        assert "cannot be read" in refusal("train", "--dataset", f"npz:{tmp_path / 'huge.npz'}")


@pytest.mark.parametrize("packed", [False, True])
def test_an_idx_header_of_four_billion_images_allots_nothing(mnist: Path, packed: bool) -> None:
    raw = mnist / "MNIST" / "raw"
    content = np.array([2051, 2**32 - 1, 28, 28], ">u4").tobytes() + bytes(784)
    (raw / MNIST_FILES[0]).unlink()
    name = MNIST_FILES[0] + (".gz" if packed else "")
    (raw / name).write_bytes(gzip.compress(content) if packed else content)
    with little_memory(2**27):
        sentence = refusal("train", "--dataset", "mnist", "--data-dir", mnist)
    assert name in sentence
    assert "3,367,254,359,296" in sentence


def test_a_packed_idx_file_with_gigabytes_more_is_unpacked_no_further_than_its_header_says(
    mnist: Path,
) -> None:
    raw = mnist / "MNIST" / "raw"
    (raw / MNIST_FILES[0]).unlink()
    packer = zlib.compressobj(1, wbits=31)
    parts = [packer.compress(np.array([2051, 2, 28, 28], ">u4").tobytes())]
    parts += [packer.compress(bytes(2**24)) for _ in range(64)] + [packer.flush()]
    (raw / f"{MNIST_FILES[0]}.gz").write_bytes(b"".join(parts))
    with little_memory(2**28), little_time(2):
        assert "is too long" in refusal("train", "--dataset", "mnist", "--data-dir", mnist)


def png_header(width: int, height: int) -> bytes:
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data_chunk = b"IDAT" + zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (chunk, data_chunk)
    )


def jpeg_header(width: int, height: int) -> bytes:
    small = picture("JPEG")
    frame = small.index(b"\xff\xc0")
    return small[: frame + 5] + struct.pack(">HH", height, width) + small[frame + 9 :]


@pytest.mark.parametrize(
    "content",
    [png_header(60_000, 60_000), jpeg_header(60_000, 60_000), png_header(8193, 8192), png_header(12_000, 9_000)],
    ids=["png", "jpeg", "a little too large", "where Pillow only warns"],
)
def test_a_picture_of_huge_dimensions_is_refused_before_it_is_decoded(tmp_path: Path, content: bytes) -> None:
    folder = folder_of(tmp_path / "pictures", content)
    with little_memory(2**27), little_time(2):
        sentence = refusal("train", "--dataset", f"folder:{folder}", "--data-dir", tmp_path)
    assert "2.png cannot be decoded" in sentence
    assert f"more than {MOST_PIXELS:,}" in sentence


def test_a_header_that_announces_a_gigabyte_makes_nothing_that_large(tmp_path: Path) -> None:
    """Pillow's reader of JPEG 2000 asks its file for as many bytes as the length of a box says."""
    content = bytearray(PICTURES["jp2"])
    box = content.index(b"jp2h") - 4
    content[box : box + 4] = struct.pack(">I", 2**30)
    folder = folder_of(tmp_path / "pictures", bytes(content))
    with little_memory(2**27), little_time(2):
        sentence = refusal("train", "--dataset", f"folder:{folder}", "--data-dir", tmp_path)
    assert "2.png cannot be decoded" in sentence
    assert "Memory" not in sentence


def test_a_face_of_other_dimensions_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    root = put_archive(tmp_path, faces(jpeg_header(8000, 8000)))
    with little_memory(2**27):
        assert "it has 8000x8000 pixels, not 178x218" in refusal("train", "--dataset", "celeba", "--data-dir", root)


def test_a_picture_that_would_start_a_program_is_not_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow hands PostScript to Ghostscript, whatever the file is called."""
    monkeypatch.setattr("subprocess.check_call", lambda *_, **__: pytest.fail("a program was started"))
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\n%%EndComments\nshowpage\n"
    with Image.open(io.BytesIO(postscript)) as image:
        assert image.format == "EPS"
    folder = folder_of(tmp_path / "pictures", postscript)
    sentence = refusal("train", "--dataset", f"folder:{folder}", "--data-dir", tmp_path)
    assert "2.png cannot be decoded (it is not an image in one of the formats" in sentence


def archive_with(members: list[tuple[zipfile.ZipInfo, bytes]], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    def write(stream: io.BytesIO) -> None:
        with zipfile.ZipFile(stream, "w", packing) as archive:
            for member, content in members:
                member.compress_type = packing
                archive.writestr(member, content)

    return bytes_of(write)


def both_faces() -> list[tuple[zipfile.ZipInfo, bytes]]:
    face = picture("JPEG", size=(178, 218))
    return [(zipfile.ZipInfo(f"img_align_celeba/{name}.jpg"), face) for name in ("000001", "162771")]


def test_members_that_climb_out_of_an_archive_write_nothing(tmp_path: Path) -> None:
    """Nothing is extracted: members are read in memory, and those that are not faces are passed over."""
    root = tmp_path / "data"
    out = [
        (zipfile.ZipInfo(name), b"out") for name in ("../escaped.jpg", f"{tmp_path}/absolute.jpg", "a/../../000003.jpg")
    ]
    put_archive(root, archive_with([*both_faces(), *out]))
    require_images(answered(lambda: data.load("celeba", root)))
    assert {path.name for path in tmp_path.iterdir()} == {"data"}
    assert {path.name for path in root.iterdir()} == {"celeba", "decoded"}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    put_archive(tmp_path, archive_with([*both_faces(), *both_faces()]))
    sentence = refusal("train", "--dataset", "celeba", "--data-dir", tmp_path)
    assert "it has two members named img_align_celeba/000001.jpg" in sentence


def test_a_link_in_an_archive_is_followed_nowhere(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("img_align_celeba/000002.jpg")
    link.external_attr = 0o120777 << 16
    put_archive(tmp_path, archive_with([*both_faces(), (link, b"/etc/passwd")]))
    sentence = refusal("train", "--dataset", "celeba", "--data-dir", tmp_path)
    assert "000002.jpg" in sentence
    assert "root:" not in sentence


def changed_directory(content: bytes, offset: int, value: bytes) -> bytes:
    """Change a field of the first entry of an archive's directory, and of the header before the member."""
    altered = bytearray(content)
    for signature, shift in ((b"PK\x01\x02", offset), (b"PK\x03\x04", offset - 2)):
        start = content.index(signature) + shift
        altered[start : start + len(value)] = value
    return bytes(altered)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (changed_directory(FACES, 8, b"\x01\x00"), "it is encrypted"),
        (archive_with(both_faces(), zipfile.ZIP_LZMA), "got compression method 14"),
        (archive_with(both_faces(), zipfile.ZIP_BZIP2), "got compression method 12"),
        (changed_directory(FACES, 16, b"\x00\x00\x00\x00"), "Bad CRC-32"),
        (changed_directory(FACES, 24, b"\xff\xff\xff\x7f"), "got a declared size of 2,147,483,647"),
        (FACES[: FACES.index(b"PK\x01\x02") + 60], "is not a zip archive, or its download is incomplete"),
        (FACES[:-22], "is not a zip archive, or its download is incomplete"),
    ],
    ids=["encrypted", "lzma", "bzip2", "checksum", "size", "cut directory", "no end"],
)
def test_an_archive_that_is_not_as_it_should_be_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    put_archive(tmp_path, content)
    with little_memory(2**27):
        sentence = refusal("train", "--dataset", "celeba", "--data-dir", tmp_path)
    assert "img_align_celeba.zip" in sentence
    assert reason in sentence


def test_a_face_that_unpacks_to_gigabytes_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    put_archive(tmp_path, FACES)
    path = tmp_path / "celeba" / "img_align_celeba.zip"
    bomb(path, "000001.jpg", 1)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("162771.jpg", b"x")
    with little_memory(2**27), little_time(2):
        sentence = refusal("train", "--dataset", "celeba", "--data-dir", tmp_path)
    assert "000001.jpg" in sentence
    assert "a declared size of 1,073,741,824" in sentence


def pipe(path: Path) -> None:
    os.mkfifo(path)


def loop(path: Path) -> None:
    path.symlink_to(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def nowhere(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


SPECIAL: list[Callable[[Path], Any]] = [pipe, loop, endless, nowhere, Path.mkdir]


@pytest.mark.parametrize("make", SPECIAL)
def test_what_is_not_a_file_is_refused_without_waiting_for_it(tmp_path: Path, make: Callable[[Path], Any]) -> None:
    """In the place of every file of a data set."""
    make(tmp_path / "special.npz")
    folder = folder_of(tmp_path / "folder", PICTURES["png"])
    mnist = write_mnist(tmp_path)
    raw = mnist / "MNIST" / "raw" / MNIST_FILES[0]
    raw.unlink()
    make(raw)
    (tmp_path / "celeba").mkdir()
    make(tmp_path / "celeba" / "img_align_celeba.zip")
    (tmp_path / "cifar-10-batches-bin").mkdir()
    make(tmp_path / "cifar-10-batches-bin" / "data_batch_1.bin")
    before = contents(tmp_path)
    with little_time(10):
        for dataset in (f"npz:{tmp_path / 'special.npz'}", "mnist", "celeba", "cifar10"):
            root = mnist if dataset == "mnist" else tmp_path
            refusal("train", "--dataset", dataset, "--data-dir", root, "--runs-dir", tmp_path / "runs")
            assert contents(tmp_path) == before
        if make is not Path.mkdir:
            make(folder / "train" / "a" / "3.png")
            sentence = refusal("train", "--dataset", f"folder:{folder}", "--data-dir", tmp_path)
            assert "3.png" in sentence


def test_a_folder_that_holds_itself_is_walked_once(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "folder", PICTURES["png"])
    (folder / "train" / "again").symlink_to(folder)
    with little_time(10):
        assert len(data.load(f"folder:{folder}", tmp_path).train) == 2


@pytest.mark.parametrize("content", foreign(), ids=lambda content: repr(content[:12]))
def test_foreign_files_are_refused_by_the_command_in_one_line_and_nothing_is_changed(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    put_archive(tmp_path, content)
    before = contents(tmp_path)
    for dataset in (f"npz:{tmp_path / 'a.npz'}", "celeba"):
        result = invoke("train", "--dataset", dataset, "--data-dir", tmp_path, "--runs-dir", tmp_path / "runs")
        assert result.exit_code == 2
        assert result.stdout == ""
        (line,) = result.stderr.splitlines()
        assert line.startswith("Error: ")
    # The lock of the decoded images is all that was made.
    shutil.rmtree(tmp_path / "decoded")
    assert contents(tmp_path) == before


def test_an_archive_of_arrays_is_read_as_numpy_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    arrays: dict[str, Any] = {
        "fortran": np.asfortranarray(RANDOM.random((3, 4))),
        "empty": np.zeros((0, 3)),
        "scalar": np.array(3),
        "text": np.array("abc"),
        "swapped": np.arange(4, dtype=">i4"),
    }
    np.savez_compressed(path, **arrays)
    with ArrayArchive(path) as archive:
        assert archive.names == set(arrays)
        for name, array in arrays.items():
            found = archive.read(name)
            assert np.array_equal(found, array)
            assert found.dtype == array.dtype
            assert found.flags.writeable
