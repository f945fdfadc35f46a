"""Decoding of image files in several processes: Pillow holds the GIL while it decodes, so threads would not help.

The worker processes import this module, which must not import torch.
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
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from evae.data.sources.image_files import ImageFiles
from foundation.errors import InputError
from foundation.files import read_file_size
from foundation.processes import LOST, count_usable_cores, receive_outcome, send_outcome, start_process
from foundation.progress import ProgressCallback
from foundation.signals import ignore_terminal_signals

#: The formats that may be read, by Pillow's names. Pillow supports others, one of which runs an external program.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")

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


class Undecodable(Exception):
    """An image of a batch cannot be decoded. The picklable arguments are its index and the reason."""


def decode_image(content: bytes, framing: Framing) -> NDArray[np.uint8]:
    """Decode, crop and resize one image (bilinear, antialiased, as torchvision resizes a Pillow image).

    Raises
    ------
    ValueError
        If the image cannot be decoded; the message is the reason.
    """
    try:
        with _open_image(io.BytesIO(content)) as image:
            _require_size(image.size, framing.expected)
            picture = _convert(image, framing)
    except Exception as error:
        # Pillow's readers raise exceptions of almost any type for a damaged file.
        raise ValueError(str(error) or type(error).__name__) from error
    # Round offsets as torchvision's CenterCrop does, for identical pixels.
    width, height = picture.size
    cut = framing.crop or min(width, height)
    left, top = round((width - cut) / 2), round((height - cut) / 2)
    square = picture.crop((left, top, left + cut, top + cut))
    small = np.asarray(square.resize((framing.side, framing.side), Image.Resampling.BILINEAR))
    return small.reshape(framing.side, framing.side, framing.channels).transpose(2, 0, 1)


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
def _open_image(file: Path | io.BytesIO) -> Iterator[Image.Image]:
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


def inspect_image(path: Path) -> tuple[bool, int]:
    """Read from a header whether the image is grey, and its shorter side in pixels; raises `ValueError` on failure."""
    try:
        read_file_size(path)
        with _open_image(path) as image:
            return image.mode in _GREY_MODES, min(image.size)
    except Exception as error:
        # As in `decode_image`.
        raise ValueError(str(error) or type(error).__name__) from error


def decode_batch(contents: Sequence[bytes], framing: Framing) -> NDArray[np.uint8]:
    """Decode a batch to shape (N, channels, side, side); raises `Undecodable` for the first image that fails."""
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
    """Decode files in batches, in order.

    Parameters
    ----------
    files : ImageFiles
    names : sequence of str
    framing : Framing
    progress : function
        Called after every batch.
    workers : int, optional
        Number of processes; by default one per core, or only the calling process if there are few images.

    Yields
    ------
    array
        uint8, of shape (N, channels, side, side), with N at most `BATCH`.

    Raises
    ------
    InputError
        If a file cannot be read or decoded; the message names it.
    """
    if workers is None:
        workers = count_usable_cores() if len(names) >= WORTH_PROCESSES else 1
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
    """Read files here and decode one batch in each worker process; one batch is read ahead, which bounds memory."""
    contents = ((batch, [files.read(name) for name in batch]) for batch in batches)
    processes: list[BaseProcess] = []
    under_way: deque[tuple[Sequence[str], Connection]] = deque()
    try:
        # Start one worker for each of the first batches.
        for batch, encoded in itertools.islice(contents, workers):
            process, connection = start_process(_serve, framing)
            processes.append(process)
            _send_batch(connection, encoded)
            under_way.append((batch, connection))
        # Collect results in order, and send each idle worker the batch that was read ahead.
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
            send_outcome(connection, _decode_or_explain, connection.recv(), framing)


def _decode_or_explain(encoded: Sequence[bytes], framing: Framing) -> NDArray[np.uint8] | Undecodable:
    try:
        return decode_batch(encoded, framing)
    except Undecodable as error:
        return error


def _send_batch(connection: Connection, encoded: Sequence[bytes]) -> None:
    """Send a batch to an idle process; a busy one could deadlock, each side waiting for the other to read."""
    try:
        connection.send(encoded)
    except LOST as error:
        raise _worker_died() from error


def _receive_answer(connection: Connection) -> NDArray[np.uint8] | Undecodable:
    try:
        return cast("NDArray[np.uint8] | Undecodable", receive_outcome(connection))
    except LOST as error:
        raise _worker_died() from error


def _worker_died() -> InputError:
    return InputError(
        "a process that decodes images died: it was killed, or a script calls this outside of "
        "`if __name__ == '__main__':`, where each new process would call it again."
    )


def _decoding_error(files: ImageFiles, batch: Sequence[str], error: Undecodable) -> InputError:
    index, reason = error.args
    return InputError(f"{files.place(batch[index])} cannot be decoded ({reason}).")
