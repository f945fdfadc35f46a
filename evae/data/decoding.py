"""Decoding of image files in several processes: Pillow holds the GIL while it decodes, so threads would not help.

The worker processes import this module, which must not import torch.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.util
import io
import itertools
import warnings
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from evae.data.inventory import Decoded
from evae.data.sources.image_files import ImageFiles
from foundation.errors import InputError
from foundation.files import read_file_size
from foundation.processes import LOST, count_usable_cores, start_process
from foundation.progress import ProgressCallback
from foundation.signals import ignore_terminal_signals

#: The formats that may be read, by Pillow's names. Pillow supports others, one of which runs an external program.
FORMATS: tuple[str, ...] = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "PPM", "JPEG2000")

if importlib.util.find_spec("PIL.AvifImagePlugin") is not None:
    # Since Pillow 11.3.
    FORMATS += ("AVIF",)

#: The usual suffixes of these formats, in lower case.
SUFFIXES = frozenset(
    (
        *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".jfi", ".webp", ".bmp", ".dib", ".gif"),
        *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".jpf", ".jpx", ".j2c", ".jpc", ".avif"),
    )
)

#: Pixels of the largest image that is decoded: 8192 x 8192. Pillow's limit is higher, and first only causes a warning.
MOST_PIXELS = 2**26

#: Images sent to a worker process at a time.
BATCH = 128

#: Fewer images than this are decoded faster than a second process starts.
WORTH_PROCESSES = 2000

_GREY_MODES = frozenset(("1", "L", "LA"))
_EIGHT_BIT_MODES = _GREY_MODES | {"P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV", "La", "RGBa"}


@dataclass(frozen=True)
class Framing:
    """Geometry and colours of the decoded images: uint8 of shape (channels, side, side).

    Parameters
    ----------
    side : int
    channels : int
        1 (grey) or 3 (red, green, blue).
    crop : int, optional
        Side of the centred square that is cropped, in pixels; by default the largest that fits.
    expected : (int, int), optional
        Required width and height of the file.
    upright : bool
        Rotate a photograph according to its EXIF orientation.
    """

    side: int
    channels: int
    crop: int | None = None
    expected: tuple[int, int] | None = None
    upright: bool = False


@dataclass(frozen=True)
class DecodedBatch:
    """The images of a batch of files.

    Attributes
    ----------
    pixels : array
        uint8 of shape (N, channels, side, side): the files that could be decoded, in order.
    failures : dict of int to str
        By its index in the batch, the reason why a file cannot be decoded.
    pages : dict of int to int
        By its index, the number of pages or frames of a file that has more than one.
    digests : list of bytes
        A hash of the bytes of each file that was decoded, in order.
    """

    pixels: NDArray[np.uint8]
    failures: dict[int, str]
    pages: dict[int, int]
    digests: list[bytes]


def decode_image(content: bytes, framing: Framing) -> tuple[NDArray[np.uint8], int]:
    """Decode, crop and resize one image (bilinear, antialiased, as torchvision resizes a Pillow image).

    Returns its pixels, uint8 of shape (channels, side, side), and the number of pages or frames of the file, of which
    the first one is decoded.

    Raises
    ------
    ValueError
        If the image cannot be decoded; the message is the reason.
    """
    try:
        with _open_image(io.BytesIO(content)) as image:
            _require_size(image.size, framing.expected)
            picture = _convert(image, framing)
            pages = _count_pages(image)
    except Exception as error:
        # Pillow's readers raise exceptions of almost any type for a damaged file.
        raise ValueError(str(error) or type(error).__name__) from error
    # Round offsets as torchvision's CenterCrop does, for identical pixels.
    width, height = picture.size
    cut = framing.crop or min(width, height)
    left, top = round((width - cut) / 2), round((height - cut) / 2)
    square = picture.crop((left, top, left + cut, top + cut))
    small = np.asarray(square.resize((framing.side, framing.side), Image.Resampling.BILINEAR))
    return small.reshape(framing.side, framing.side, framing.channels).transpose(2, 0, 1), pages


def _count_pages(image: Image.Image) -> int:
    """Count the pages or frames of a file; at least 2 if there are more, but damaged ones."""
    try:
        # Some formats have to be searched to the end for the number, but not for whether there is a second frame.
        return int(getattr(image, "n_frames", 1)) if getattr(image, "is_animated", False) else 1
    except Exception:
        # As in `decode_image`. The first page was decoded, so that one of the others is damaged.
        return 2


def _convert(image: Image.Image, framing: Framing) -> Image.Image:
    """Convert an image to grey or RGB; transparent pixels are composited over white."""
    if image.mode not in _EIGHT_BIT_MODES:
        raise ValueError(f"its mode is {image.mode}, but only images of 8 bits per channel are supported")
    picture = ImageOps.exif_transpose(image) if framing.upright else image
    if "A" in picture.mode or "transparency" in picture.info:
        opaque = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", opaque.size, "white"), opaque)
    return picture.convert("L" if framing.channels == 1 else "RGB")


@contextlib.contextmanager
def _open_image(file: io.BytesIO | io.BufferedReader) -> Iterator[Image.Image]:
    """Open an image and read its header; raises `ValueError` if the image is too large."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            image = Image.open(file, formats=FORMATS)
        except Image.DecompressionBombError:
            raise ValueError(f"it has more than {MOST_PIXELS:,} pixels") from None
        except UnidentifiedImageError:
            raise ValueError(f"it is not an image in one of the formats {', '.join(FORMATS)}") from None
    with image:
        width, height = image.size
        if width * height > MOST_PIXELS:
            raise ValueError(f"it has {width:,} x {height:,} pixels, more than {MOST_PIXELS:,}")
        yield image


def _require_size(size: tuple[int, int], expected: tuple[int, int] | None) -> None:
    if expected is not None and size != expected:
        raise ValueError("it has {}x{} pixels, not {}x{}".format(*size, *expected))


class _BoundedReader(io.BufferedReader):
    """A file of ``length`` bytes, whose `read` never allocates more, whatever a header announces."""

    def __init__(self, raw: io.FileIO, length: int) -> None:
        super().__init__(raw)
        self._length = length

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            return super().read(size)
        return super().read(min(size, max(0, self._length - self.tell())))


def inspect_image(path: Path) -> tuple[bool, int]:
    """Read from a header whether the image is grey, and its shorter side in pixels; raises `ValueError` on failure.

    It is an `InputError`, which names the file, if the file cannot be read.
    """
    try:
        size = read_file_size(path)
        with _BoundedReader(io.FileIO(path), size) as file, _open_image(file) as image:
            return image.mode in _GREY_MODES, min(image.size)
    except InputError:
        raise
    except Exception as error:
        # As in `decode_image`.
        raise ValueError(str(error) or type(error).__name__) from error


def decode_batch(contents: Sequence[bytes], framing: Framing) -> DecodedBatch:
    """Decode a batch of files; those that cannot be decoded are left out, each with its reason."""
    pixels = np.empty((len(contents), framing.channels, framing.side, framing.side), dtype=np.uint8)
    batch = DecodedBatch(pixels, {}, {}, [])
    for index, content in enumerate(contents):
        try:
            pixels[len(batch.digests)], pages = decode_image(content, framing)
        except ValueError as error:
            batch.failures[index] = str(error)
            continue
        batch.digests.append(hashlib.blake2b(content, digest_size=16).digest())
        if pages > 1:
            batch.pages[index] = pages
    return dataclasses.replace(batch, pixels=pixels[: len(batch.digests)])


class Decoder:
    """Decodes files in batches, in order, and keeps account of those that cannot be decoded.

    Parameters
    ----------
    files : ImageFiles
    names : sequence of str
    framing : Framing
    progress : function
        Called after every batch.
    workers : int, optional
        Number of processes; by default one per core, or only the calling process if there are few images.

    Attributes
    ----------
    failures : dict of str to str
        By file name, a clause that says why the file cannot be read or decoded; complete after `batches`.
    pages : dict of str to int
        By file name, the number of pages of a file that has more than one.
    digests : dict of str to bytes
        By file name, a hash of the bytes of each file that was decoded.
    """

    def __init__(
        self,
        files: ImageFiles,
        names: Sequence[str],
        framing: Framing,
        progress: ProgressCallback,
        workers: int | None = None,
    ) -> None:
        self._files, self._names, self._framing, self._progress = files, names, framing, progress
        if workers is None:
            workers = count_usable_cores() if len(names) >= WORTH_PROCESSES else 1
        self._workers = workers
        self.failures: dict[str, str] = {}
        self.pages: dict[str, int] = {}
        self.digests: dict[str, bytes] = {}

    def batches(self) -> Iterator[NDArray[np.uint8]]:
        """Yield the images, uint8 of shape (N, channels, side, side), N at most `BATCH`, without undecodable files."""
        encoded = (self._read(self._names[start : start + BATCH]) for start in range(0, len(self._names), BATCH))
        decode = _decode_in_parallel if self._workers > 1 else _decode_serially
        done = 0
        for batch, decoded in decode(encoded, self._framing, self._workers):
            done += batch.files
            self._collect(batch.names, decoded)
            self._progress("decoding images", done, len(self._names))
            yield decoded.pixels

    def _read(self, names: Sequence[str]) -> EncodedBatch:
        """Read a batch of files; those that cannot be read become failures."""
        batch = EncodedBatch(len(names), [], [])
        for name in names:
            try:
                content = self._files.read(name)
            except InputError as error:
                self.failures[name] = str(error).rstrip(".")
            else:
                batch.names.append(name)
                batch.contents.append(content)
        return batch

    def _collect(self, names: Sequence[str], decoded: DecodedBatch) -> None:
        for index, reason in decoded.failures.items():
            self.failures[names[index]] = decoding_failure(self._files, names[index], reason)
        self.pages.update({names[index]: pages for index, pages in decoded.pages.items()})
        good = (name for index, name in enumerate(names) if index not in decoded.failures)
        self.digests.update(zip(good, decoded.digests, strict=True))


def report_of(decoder: Decoder, train: Sequence[str], failures: Mapping[str, str]) -> tuple[int, Decoded]:
    """Return the number of training images that were decoded, and what decoding found out, for the cache.

    Parameters
    ----------
    decoder : Decoder
        After its last batch; ``train`` are the names of the training files, and its other files are hold-out files.
    failures : mapping of str to str
        By name, all files that were left out.
    """
    training = {decoder.digests[name] for name in train if name in decoder.digests}
    loaded = sum(name in decoder.digests for name in train)
    names = {*train}
    holdout = [digest for name, digest in decoder.digests.items() if name not in names]
    repeated = loaded - len(training) + len(holdout) - len({*holdout})
    shared = sum(digest in training for digest in holdout)
    return loaded, Decoded(dict(sorted(failures.items())), dict(decoder.pages), repeated, shared)


@dataclass(frozen=True)
class EncodedBatch:
    """The bytes of a batch of ``files`` files, with the names of those that could be read."""

    files: int
    names: list[str]
    contents: list[bytes]


def decoding_failure(files: ImageFiles, name: str, reason: str) -> str:
    """Return a clause that says which file cannot be decoded, and why."""
    return f"{files.place(name)} cannot be decoded ({reason})"


def _decode_serially(
    batches: Iterator[EncodedBatch], framing: Framing, workers: int
) -> Iterator[tuple[EncodedBatch, DecodedBatch]]:
    """Decode in this process: ``workers`` is 1."""
    assert workers == 1
    for batch in batches:
        yield batch, decode_batch(batch.contents, framing)


def _decode_in_parallel(
    batches: Iterator[EncodedBatch], framing: Framing, workers: int
) -> Iterator[tuple[EncodedBatch, DecodedBatch]]:
    """Decode one batch in each worker process; one batch is read ahead, which bounds memory."""
    processes: list[BaseProcess] = []
    under_way: deque[tuple[EncodedBatch, Connection]] = deque()
    try:
        # Start one worker for each of the first batches.
        for batch in itertools.islice(batches, workers):
            process, connection = start_process(_serve, framing)
            processes.append(process)
            _send_batch(connection, batch.contents)
            under_way.append((batch, connection))
        # Collect results in order, and send each idle worker the batch that was read ahead.
        ahead = next(batches, None)
        while under_way:
            batch, connection = under_way.popleft()
            decoded = _receive_answer(connection)
            if ahead is not None:
                _send_batch(connection, ahead.contents)
                under_way.append((ahead, connection))
                ahead = next(batches, None)
            yield batch, decoded
    finally:
        # Kill rather than close: a worker may be in the middle of a batch if an error ended the loop.
        for process in processes:
            process.kill()
        for process in processes:
            process.join()


def _serve(connection: Connection, framing: Framing) -> None:
    """Decode the batches received through ``connection`` until the parent closes it or dies."""
    ignore_terminal_signals()
    with contextlib.suppress(*LOST):
        while True:
            connection.send(decode_batch(connection.recv(), framing))


def _send_batch(connection: Connection, encoded: Sequence[bytes]) -> None:
    """Send a batch to an idle process; a busy one could deadlock, each side waiting for the other to read."""
    try:
        connection.send(encoded)
    except LOST as error:
        raise _worker_died() from error


def _receive_answer(connection: Connection) -> DecodedBatch:
    try:
        answer: DecodedBatch = connection.recv()
    except LOST as error:
        raise _worker_died() from error
    return answer


def _worker_died() -> InputError:
    return InputError(
        "a process that decodes images died: it was killed, or a script calls this outside of "
        "`if __name__ == '__main__':`, where each new process would call it again."
    )
