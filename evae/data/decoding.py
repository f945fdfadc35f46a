"""Image files to arrays, in several processes: Pillow holds Python's lock while it decodes, so threads would not help.

The worker processes import this module and nothing heavy.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from evae.data.sources.image_files import ImageFiles
from foundation.errors import InputError
from foundation.files import regular_size
from foundation.processes import LOST, listen_to_the_parent_alone, started, usable_cores
from foundation.progress import ProgressCallback

#: The formats whose readers may run, by Pillow's names. There are others, and one of them starts a program.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")

#: Pixels of the largest image that is decoded: 8192 x 8192. Pillow's own limit is higher, and only warned of at first.
MOST_PIXELS = 2**26

#: Images that a process is handed at a time.
BATCH = 128

#: Fewer images than this are decoded before a second process has come up.
WORTH_PROCESSES = 2000

_GREY_MODES = frozenset(("1", "L", "LA"))
_EIGHT_BIT_MODES = _GREY_MODES | {"P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV", "La", "RGBa"}


@dataclass(frozen=True)
class Framing:
    """How a decoded image becomes one of (channels, side, side), uint8.

    Parameters
    ----------
    side : int
    channels : int
        1 (grey) or 3 (red, green, blue).
    crop : int, optional
        Side of the centred square that is cut out, in pixels; by default the largest.
    expected : (int, int), optional
        The width and height that the file must have.
    upright : bool
        Turn a photograph as its EXIF orientation says.
    """

    side: int
    channels: int
    crop: int | None = None
    expected: tuple[int, int] | None = None
    upright: bool = False


class Undecodable(Exception):
    """An image of a batch cannot be decoded. Its arguments, which travel between processes: its index, and why."""


def decode_image(content: bytes, framing: Framing) -> NDArray[np.uint8]:
    """Decode, cut and resize one image (bilinear, antialiased, as torchvision resizes a Pillow image).

    Raises
    ------
    ValueError
        With the reason.
    """
    try:
        with _open_image(io.BytesIO(content)) as image:
            _require_size(image.size, framing.expected)
            picture = _convert(image, framing)
    except Exception as error:
        # A damaged file makes Pillow's readers raise almost anything.
        raise ValueError(str(error) or type(error).__name__) from error
    width, height = picture.size
    cut = framing.crop or min(width, height)
    left, top = round((width - cut) / 2), round((height - cut) / 2)
    square = picture.crop((left, top, left + cut, top + cut))
    small = np.asarray(square.resize((framing.side, framing.side), Image.Resampling.BILINEAR))
    return small.reshape(framing.side, framing.side, framing.channels).transpose(2, 0, 1)


def _convert(image: Image.Image, framing: Framing) -> Image.Image:
    """Bring an image to grey or to red, green and blue; what is transparent is laid over white."""
    if image.mode not in _EIGHT_BIT_MODES:
        raise ValueError(f"its mode is {image.mode}; only 8 bits a channel are read")
    picture = ImageOps.exif_transpose(image) if framing.upright else image
    if "A" in picture.mode or "transparency" in picture.info:
        opaque = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", opaque.size, "white"), opaque)
    return picture.convert("L" if framing.channels == 1 else "RGB")


@contextlib.contextmanager
def _open_image(file: Path | io.BytesIO) -> Iterator[Image.Image]:
    """Read an image's header; a `ValueError` where it is too large to be decoded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            image = Image.open(file, formats=FORMATS)
        except Image.DecompressionBombError:
            raise ValueError(f"it has more than {MOST_PIXELS:,} pixels") from None
        except UnidentifiedImageError:
            raise ValueError(f"it is no image of the formats {', '.join(FORMATS)}") from None
    with image:
        width, height = image.size
        if width * height > MOST_PIXELS:
            raise ValueError(f"it has {width:,} x {height:,} pixels, more than {MOST_PIXELS:,}")
        yield image


def _require_size(size: tuple[int, int], expected: tuple[int, int] | None) -> None:
    if expected is not None and size != expected:
        raise ValueError("it has {}x{} pixels, not {}x{}".format(*size, *expected))


def inspect_image(path: Path) -> tuple[bool, int]:
    """Return whether an image is grey, and the length of its shorter side, from its header, or raise a `ValueError`."""
    try:
        regular_size(path)
        with _open_image(path) as image:
            return image.mode in _GREY_MODES, min(image.size)
    except Exception as error:
        # As in `decode_image`.
        raise ValueError(str(error) or type(error).__name__) from error


def decode_batch(contents: Sequence[bytes], framing: Framing) -> NDArray[np.uint8]:
    """Decode a batch to shape (N, channels, side, side); `Undecodable` names the first image that does not come."""
    batch = np.empty((len(contents), framing.channels, framing.side, framing.side), dtype=np.uint8)
    for index, content in enumerate(contents):
        try:
            batch[index] = decode_image(content, framing)
        except ValueError as error:
            raise Undecodable(index, str(error)) from error
    return batch


def decode_files(
    files: ImageFiles, names: Sequence[str], framing: Framing, progress: ProgressCallback, workers: int | None = None
) -> Iterator[NDArray[np.uint8]]:
    """Decode files batch by batch, in order.

    Parameters
    ----------
    files : ImageFiles
    names : sequence of str
    framing : Framing
    progress : function
        Called after every batch.
    workers : int, optional
        Processes; by default one for each core, or none but this one where there are few images.

    Yields
    ------
    array
        uint8, of shape (N, channels, side, side), with N at most `BATCH`.

    Raises
    ------
    InputError
        If a file cannot be read or decoded; it is named.
    """
    if workers is None:
        workers = usable_cores() if len(names) >= WORTH_PROCESSES else 1
    batches = [names[start : start + BATCH] for start in range(0, len(names), BATCH)]
    done = 0
    results = (
        _decode_in_parallel(files, batches, framing, workers)
        if workers > 1
        else _decode_serially(files, batches, framing)
    )
    for batch, pixels in zip(batches, results, strict=True):
        done += len(batch)
        progress("decoding images", done, len(names))
        yield pixels


def _decode_serially(
    files: ImageFiles, batches: Sequence[Sequence[str]], framing: Framing
) -> Iterator[NDArray[np.uint8]]:
    for batch in batches:
        contents = [files.read(name) for name in batch]
        try:
            yield decode_batch(contents, framing)
        except Undecodable as error:
            raise _decoding_error(files, batch, error) from error


def _decode_in_parallel(
    files: ImageFiles, batches: Sequence[Sequence[str]], framing: Framing, workers: int
) -> Iterator[NDArray[np.uint8]]:
    """Read here, decode in other processes, a batch in each; one more is read ahead, so that memory stays small."""
    contents = ((batch, [files.read(name) for name in batch]) for batch in batches)
    processes: list[BaseProcess] = []
    under_way: deque[tuple[Sequence[str], Connection]] = deque()
    try:
        for batch, encoded in itertools.islice(contents, workers):
            process, connection = started(_serve, framing)
            processes.append(process)
            _send_batch(connection, encoded)
            under_way.append((batch, connection))
        ahead = next(contents, None)
        while under_way:
            batch, connection = under_way.popleft()
            answer = _receive_answer(connection)
            if isinstance(answer, Undecodable):
                raise _decoding_error(files, batch, answer) from answer
            if ahead is not None:
                _send_batch(connection, ahead[1])
                under_way.append((ahead[0], connection))
                ahead = next(contents, None)
            yield answer
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.join()


def _serve(connection: Connection, framing: Framing) -> None:
    """In a new process: decode what comes through ``connection`` until the parent closes it or ends."""
    listen_to_the_parent_alone()
    with contextlib.suppress(*LOST):
        while True:
            encoded = connection.recv()
            try:
                answer: NDArray[np.uint8] | Undecodable = decode_batch(encoded, framing)
            except Undecodable as error:
                answer = error
            connection.send(answer)


def _send_batch(connection: Connection, encoded: Sequence[bytes]) -> None:
    """Send a batch to a process that waits for one, so that neither waits for the other to read."""
    try:
        connection.send(encoded)
    except LOST as error:
        raise _worker_died() from error


def _receive_answer(connection: Connection) -> NDArray[np.uint8] | Undecodable:
    try:
        answer: NDArray[np.uint8] | Undecodable = connection.recv()
    except LOST as error:
        raise _worker_died() from error
    return answer


def _worker_died() -> InputError:
    return InputError(
        "a process that decodes images ended: it was killed, or a script calls this outside of "
        "`if __name__ == '__main__':`, where new processes would call it again."
    )


def _decoding_error(files: ImageFiles, batch: Sequence[str], error: Undecodable) -> InputError:
    index, reason = error.args
    return InputError(f"{files.place(batch[index])} cannot be decoded ({reason}).")
