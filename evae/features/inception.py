"""The network of the Fréchet inception distance (FID): that of pytorch-fid, with its preprocessing and weights.

The network resizes images of 8 bits in [0, 1] to 299 x 299 (bilinear, not antialiased) and scales them to [-1, 1]; grey
images are repeated to three channels. The features are the 2,048 outputs of the last average pooling.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import io
import os
import queue
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import torch
from torch import Tensor

from evae.data.downloads import PATIENCE, reason_of
from evae.features.network import FeatureNetwork
from foundation.errors import InputError
from foundation.files import atomic_write
from foundation.progress import ProgressCallback, ignore_progress

#: The published weights: the name of their file, its size in bytes and its SHA-256.
NAME = "pt_inception-2015-12-05-6726825d.pth"
BYTES = 95_628_359
PUBLISHED = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"

#: The environment variable that names the file.
VARIABLE = "EVAE_INCEPTION_WEIGHTS"

#: Time-out in seconds, including the name lookup, for a server when the user did not ask for these weights.
SHORT_PATIENCE = 5.0

_BLOCK = 2**20


class WeightsUnavailable(InputError):
    """Inception's weights are unavailable; ``reason`` gives no path: "could not be downloaded (no answer)"."""

    def __init__(self, sentence: str, reason: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class InceptionNetwork(FeatureNetwork):
    """InceptionV3 of pytorch-fid. The distance is called FID only with the published weights."""

    name: ClassVar[str] = "inception"
    dimension: ClassVar[int] = 2048
    recipe: ClassVar[str] = "pytorch-fid's InceptionV3, block 2048, resize_input and normalize_input, grey repeated"

    @property
    def title(self) -> str:
        """``FID`` with the published weights, else a longer name."""
        return "FID" if self.weights_sha256 == PUBLISHED else "Fréchet distance of Inception features, other weights"

    def _of(self, images: Tensor) -> Tensor:
        features: Tensor = self.module(images.expand(-1, 3, -1, -1))[0]
        return features.flatten(1)


def inception_network(
    weights: Path | None,
    device: torch.device | str,
    sha256: str | None = None,
    *,
    progress: ProgressCallback = ignore_progress,
) -> FeatureNetwork:
    """Return the network of pytorch-fid with the weights of `find_weights`; arguments and errors as there."""
    from pytorch_fid.inception import InceptionV3

    path = find_weights(weights, sha256=sha256, progress=progress)
    # Verify the bytes that are loaded: the file could have changed since it was found.
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    _require_sha256(path, found, len(content), sha256 or PUBLISHED)
    try:
        # Preserve the random state: building the layers draws initial weights, which are then replaced.
        with _replace_download(_state(content)), torch.random.fork_rng(devices=[]):
            module = InceptionV3()
    except Exception as error:
        # torch's reader raises exceptions of almost any type for an invalid file; it unpickles only tensors.
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(
            f"{path} must hold the weights of pytorch-fid's network, got another file ({reason})."
        ) from error
    device = torch.device(device)
    if device.type == "cpu":
        # In channels-last format, a CPU takes a third less time.
        module = module.to(memory_format=torch.channels_last)
    return InceptionNetwork(module.eval().to(device), device, found)


def find_weights(
    weights: Path | None = None,
    *,
    sha256: str | None = None,
    patience: float | None = None,
    progress: ProgressCallback = ignore_progress,
) -> Path:
    """Find or download the file with Inception's weights and verify it, so that errors occur before long computations.

    Parameters
    ----------
    weights : Path, optional
        The file. By default the one named by the environment variable EVAE_INCEPTION_WEIGHTS, else the one in the
        folder of torch hub, into which it is downloaded if missing.
    sha256 : str, optional
        The required SHA-256, hexadecimal; by default that of the published weights.
    patience : float, optional
        Seconds within which the server must begin to answer; by default 20 for each of its addresses.
    progress : function, optional
        Callback (task, bytes done, total), called during a download.

    Raises
    ------
    InputError
        If the file is missing, truncated or altered, or the download fails; the message says which file to fetch and
        where to put it. It is a `WeightsUnavailable` if the file was not named.
    """
    expected = sha256 or PUBLISHED
    path = _find_named(weights) or _in_hub()
    if path.is_file():
        with path.open("rb") as stream:
            _require_sha256(path, hashlib.file_digest(stream, "sha256").hexdigest(), path.stat().st_size, expected)
    else:
        _download(path, expected, patience, progress)
    return path


def is_named(weights: Path | None) -> bool:
    """Return whether the argument or the environment names the file of weights."""
    return weights is not None or bool(os.environ.get(VARIABLE))


def _find_named(weights: Path | None) -> Path | None:
    """Return the existing file that the argument or the environment names, or None."""
    variable = os.environ.get(VARIABLE)
    named = [(weights, "--inception-weights"), (Path(variable) if variable else None, VARIABLE)]
    path, source = next(((path, source) for path, source in named if path is not None), (None, ""))
    if path is not None and not path.is_file():
        raise InputError(f"{source} must name a file, got {path}. {_remedy(path)}")
    return path


def _in_hub() -> Path:
    """Return the path of the file in the folder of torch hub, which pytorch-fid uses."""
    return Path(torch.hub.get_dir()) / "checkpoints" / NAME


def _require_sha256(path: Path, found: str, size: int, expected: str) -> None:
    if found == expected:
        return
    if expected == PUBLISHED and size < BYTES:
        state = f"is cut short ({size:,} of {BYTES:,} bytes)"
    else:
        state = f"must have the SHA-256 {expected}, got {found}"
    if path != _in_hub():
        raise InputError(f"{path} {state}. {_remedy(path)}")
    raise WeightsUnavailable(
        f"{path} {state}. Delete it to have it downloaded again. {_remedy(path)}",
        "are cut short or damaged where torch hub keeps them",
    )


def _download(path: Path, expected: str, patience: float | None, progress: ProgressCallback) -> None:
    """Download pytorch-fid's file atomically, after verifying its SHA-256."""
    url = _url()
    try:
        # A short probe first: an unreachable server must not delay a choice that has an alternative.
        if patience is not None:
            _require_answer(url, patience)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as stream:
            found = _fetch(url, stream, progress)
            if found != expected:
                raise ValueError(f"its SHA-256 must be {expected}, got {found}")
    except (OSError, ValueError, http.client.HTTPException) as error:
        failure = f"could not be downloaded ({reason_of(error)})"
        raise WeightsUnavailable(
            f"Inception's weights are not in {path} and {failure}. {_remedy(path)}", failure
        ) from error


def _require_answer(url: str, seconds: float) -> None:
    """Raise the error of a server that does not answer within the given number of seconds.

    A socket time-out does not suffice: it excludes the name lookup, and applies to each address separately.
    """
    # A daemon thread, because a hanging name lookup cannot be cancelled.
    outcomes: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

    def ask() -> None:
        try:
            urllib.request.urlopen(url, timeout=seconds).close()
        except Exception as error:
            outcomes.put(error)
        else:
            outcomes.put(None)

    threading.Thread(target=ask, daemon=True).start()
    try:
        failure = outcomes.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer within {seconds:g} seconds") from None
    if failure is not None:
        raise failure


def _fetch(url: str, stream: BinaryIO, progress: ProgressCallback) -> str:
    """Write the content of a URL to a stream; return its SHA-256."""
    digest = hashlib.sha256()
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        total = int(answer.headers.get("Content-Length") or BYTES)
        done = 0
        while block := answer.read(_BLOCK):
            stream.write(block)
            digest.update(block)
            done += len(block)
            progress("downloading Inception's weights", done, total)
    return digest.hexdigest()


def _remedy(path: Path) -> str:
    return (
        f"Fetch {_url()} on a machine with network access and put it there as {path.name}, or name it with "
        f"--inception-weights. Or use --features imagenet, which downloads nothing, or --features none."
    )


def _url() -> str:
    from pytorch_fid.inception import FID_WEIGHTS_URL

    return str(FID_WEIGHTS_URL)


def _state(content: bytes) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return state


@contextlib.contextmanager
def _replace_download(state: dict[str, Any]) -> Iterator[None]:
    """Make pytorch-fid's constructor use the given weights instead of downloading them."""
    from pytorch_fid import inception

    before = inception.load_state_dict_from_url
    inception.load_state_dict_from_url = lambda *_args, **_options: state
    try:
        yield
    finally:
        inception.load_state_dict_from_url = before
