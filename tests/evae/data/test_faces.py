"""CelebA comes from its archive or its folder, split by file number, cut and resized as torchvision does it."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from evae import data
from evae.data.published import CELEBA
from evae.data.sources.faces import TRAIN, VALIDATION, sort_faces
from foundation.errors import InputError

#: Two training faces, three of the validation part, one of the test part.
NUMBERS = (1, 162_770, 162_771, 170_000, 182_637, 182_638)


def face(number: int, size: tuple[int, int] = (178, 218)) -> Image.Image:
    """Smooth colours, which JPEG keeps, and another picture for every number."""
    grid = np.random.default_rng(number).integers(0, 256, (6, 5, 3)).astype(np.uint8)
    return Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC)


def jpeg(number: int, size: tuple[int, int] = (178, 218)) -> bytes:
    stream = io.BytesIO()
    face(number, size).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def write_archive(root: Path, members: dict[str, bytes]) -> Path:
    path = root / "celeba" / "img_align_celeba.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"img_align_celeba/{name}", content)
    return path


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """A data folder with six faces in the official archive's layout, not in order."""
    write_archive(tmp_path, {f"{number:06d}.jpg": jpeg(number) for number in reversed(NUMBERS)})
    return tmp_path


def expected(number: int) -> torch.Tensor:
    """torchvision's own transforms of the decoded picture, as Appendix B.3 words them."""
    transform = v2.Compose([v2.CenterCrop(140), v2.Resize(64), v2.PILToTensor()])
    return transform(Image.open(io.BytesIO(jpeg(number))))


def test_the_parts_have_the_published_numbers_of_files() -> None:
    assert (len(TRAIN), len(VALIDATION)) == (CELEBA.train, CELEBA.holdout) == (162_770, 19_867)
    assert VALIDATION.stop + 19_962 == 202_600


def test_training_and_validation_faces_come_in_order_as_torchvision_cuts_them(faces: Path) -> None:
    images = data.load("celeba", faces)
    assert torch.equal(images.train, torch.stack([expected(number) for number in NUMBERS[:2]]))
    assert torch.equal(images.holdout, torch.stack([expected(number) for number in NUMBERS[2:5]]))


def test_a_subset_is_called_one(faces: Path) -> None:
    note = "a subset of CelebA: 2 of 162,770 training and 3 of 19,867 hold-out images"
    assert data.load("celeba", faces).note == note


def test_the_folder_gives_what_the_archive_gives(faces: Path) -> None:
    archive = faces / "celeba" / "img_align_celeba.zip"
    from_archive = data.load("celeba", faces)
    with zipfile.ZipFile(archive) as file:
        file.extractall(archive.parent)
    archive.unlink()
    from_folder = data.load("celeba", faces)
    assert torch.equal(from_folder.train, from_archive.train)
    assert torch.equal(from_folder.holdout, from_archive.holdout)


def test_other_members_are_passed_over() -> None:
    names = ["img_align_celeba/", "img_align_celeba/000003.jpg", "__MACOSX/000004.jpg", "img_align_celeba/x.txt"]
    faces = sort_faces([*names, "img_align_celeba/162771.jpg", "200000.jpg"], "here")
    assert (faces.train, faces.holdout) == ([names[1]], ["img_align_celeba/162771.jpg"])
    assert faces.skipped == {"other_member": 3, "test_face": 1}


def test_two_files_of_one_number_are_refused_by_name(faces: Path) -> None:
    archive = faces / "celeba" / "img_align_celeba.zip"
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("000001.jpg", jpeg(1))
    sentence = r"zip must hold one file for each number, got both 000001\.jpg and img_align_celeba/000001\.jpg\."
    with pytest.raises(InputError, match=sentence):
        data.load("celeba", faces)
    survey = data.catalogue.source_for("celeba", faces).survey()
    assert survey.state == "damaged"
    assert "got both 000001.jpg" in survey.remark


def test_what_is_not_read_of_an_archive_is_counted_and_a_broken_face_may_be_left_out(tmp_path: Path) -> None:
    write_archive(
        tmp_path,
        {
            **{f"{number:06d}.jpg": jpeg(number) for number in NUMBERS},
            "000002.jpg": b"no picture",
            "000003.jpg": jpeg(3)[:900],
            "read.me": b"",
        },
    )
    with pytest.raises(
        InputError, match=r"2 of 7 image files cannot be decoded: the member img_align_celeba/000002\.jpg"
    ):
        data.load("celeba", tmp_path)
    for _ in range(2):
        found = data.load("celeba", tmp_path, skip_undecodable=True)
        assert torch.equal(found.train, torch.stack([expected(number) for number in NUMBERS[:2]]))
        assert found.inventory is not None
        assert found.inventory.skipped == {"other_member": 1, "test_face": 1}
        assert list(found.inventory.decoded.undecodable) == [f"img_align_celeba/00000{n}.jpg" for n in (2, 3)]
        assert found.inventory.files == 9


def test_a_complete_archive_has_the_published_checksum(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two training and three validation faces, as if that were all of them."""
    monkeypatch.setattr("evae.data.sources.faces.CELEBA", dataclasses.replace(CELEBA, train=2, holdout=3))
    archive = faces / "celeba" / "img_align_celeba.zip"
    with pytest.raises(InputError, match=r"has the MD5 sum [0-9a-f]{32}, not the published .*as many faces as CelebA"):
        data.load("celeba", faces)
    md5 = hashlib.md5(archive.read_bytes()).hexdigest()
    monkeypatch.setattr("torchvision.datasets.CelebA.file_list", [("id", md5, archive.name)])
    content = data.load("celeba", faces).content
    assert content is not None
    assert content.document() == {"title": "CelebA", "complete": True, "checksums": {"md5": md5}}


def test_a_half_downloaded_archive_is_named_with_its_size(faces: Path) -> None:
    path = faces / "celeba" / "img_align_celeba.zip"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(
        InputError, match=r"img_align_celeba\.zip \(5,000 bytes\) is not a zip archive, or its download is"
    ):
        data.load("celeba", faces)


def test_a_flipped_bit_in_a_member_is_named(faces: Path) -> None:
    path = faces / "celeba" / "img_align_celeba.zip"
    content = bytearray(path.read_bytes())
    content[content.index(jpeg(170_000)) + 1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"the member img_align_celeba/170000\.jpg of .*zip is damaged \(Bad CRC-32"):
        data.load("celeba", faces)
    assert {path.suffix for path in (faces / "decoded").iterdir()} <= {".lock"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (jpeg(1)[:900], "truncated"),
        (b"no picture", "not an image in one of the formats"),
        (jpeg(1, (100, 80)), "not 178x218"),
    ],
)
def test_an_image_that_is_cut_short_or_none_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    write_archive(tmp_path, {"000001.jpg": jpeg(1), "000002.jpg": content, "162771.jpg": jpeg(2)})
    with pytest.raises(InputError, match=f"member img_align_celeba/000002.jpg of .* cannot be decoded .*{reason}"):
        data.load("celeba", tmp_path)


def test_an_archive_without_validation_faces_is_refused(tmp_path: Path) -> None:
    write_archive(tmp_path, {"000001.jpg": jpeg(1)})
    with pytest.raises(InputError, match=r"must hold both training faces .* and validation faces .* got 1 and 0"):
        data.load("celeba", tmp_path)


def test_nothing_at_all_says_what_to_fetch_and_where_to_put_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"img_align_celeba\.zip is missing\. Run `python cli.py datasets get celeba"):
        data.load("celeba", tmp_path)


def cached(root: Path) -> tuple[Path, dict[str, object]]:
    (record,) = (root / "decoded").glob("*.json")
    return record.with_suffix(".npy"), json.loads(record.read_text())


def test_faces_are_decoded_once(faces: Path) -> None:
    told: list[tuple[str, int, int]] = []
    first = data.load("celeba", faces, progress=lambda *news: told.append(news))
    assert told == [("decoding images", 5, 5)]
    second = data.load("celeba", faces, progress=lambda *news: told.append(news))
    assert len(told) == 1
    assert torch.equal(first.train, second.train)


def test_a_changed_archive_is_decoded_again(faces: Path) -> None:
    before = data.load("celeba", faces)
    write_archive(faces, {"000001.jpg": jpeg(7), "162771.jpg": jpeg(8)})
    after = data.load("celeba", faces)
    assert torch.equal(after.train, expected(7)[None])
    assert len(after.holdout) == 1
    assert torch.equal(before.train[0], expected(1))
    assert len(list((faces / "decoded").glob("*.npy"))) == 1


def test_the_time_of_writing_alone_makes_a_cache_old(faces: Path) -> None:
    data.load("celeba", faces)
    archive = faces / "celeba" / "img_align_celeba.zip"
    os.utime(archive, ns=(0, archive.stat().st_mtime_ns - 10**9))
    told: list[object] = []
    data.load("celeba", faces, progress=lambda *news: told.append(news))
    assert told


@pytest.mark.parametrize(
    "damage",
    [
        lambda array: array.write_bytes(array.read_bytes()[:-1]),
        lambda array: array.write_bytes(array.read_bytes()[:-1] + bytes([array.read_bytes()[-1] ^ 1])),
        lambda array: array.unlink(),
        lambda array: array.with_suffix(".json").write_text("{"),
        lambda array: array.with_suffix(".json").write_text("[]"),
        lambda array: array.with_suffix(".json").unlink(),
    ],
    ids=["cut short", "flipped bit", "no array", "torn record", "other record", "no record"],
)
def test_a_damaged_cache_is_made_again(faces: Path, damage: object) -> None:
    data.load("celeba", faces)
    array, record = cached(faces)
    whole = array.read_bytes()
    damage(array)  # type: ignore[operator]
    assert torch.equal(data.load("celeba", faces).train[0], expected(1))
    assert cached(faces) == (array, record)
    assert array.read_bytes() == whole


def test_what_a_caller_writes_into_the_images_does_not_reach_the_cache(faces: Path) -> None:
    images = data.load("celeba", faces)
    array, _ = cached(faces)
    before = array.read_bytes()
    images.train.zero_()
    assert array.read_bytes() == before


def test_a_data_folder_that_cannot_be_written_leaves_the_cache_to_the_users_own(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    # Asked of the system it would depend on who runs the tests: the superuser may write everywhere.
    monkeypatch.setattr("os.access", lambda *_: False)
    assert torch.equal(data.load("celeba", faces).train[0], expected(1))
    assert not (faces / "decoded").exists()
    assert len(list((tmp_path / "caches" / "epanechnikov-vae" / "decoded").glob("*.npy"))) == 1


def test_a_full_disk_is_said_before_anything_is_decoded(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(InputError, match=r"decoded must have 1,110,016 bytes free for the decoded images, got 1,000\."):
        data.load("celeba", faces)
