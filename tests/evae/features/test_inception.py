"""FID's network is pytorch-fid's, with weights that are checked before use; a stand-in has their form, other values.

The published weights are 95 MB from the network, which no test needs: the architecture, with seeded random weights.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import socket
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from pytorch_fid import fid_score
from pytorch_fid import inception as peer
from scipy import linalg
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics.image.fid import FrechetInceptionDistance

from evae.features import feature_network, network
from evae.features.inception import BYTES, NAME, PUBLISHED, VARIABLE, find_weights, inception_network
from evae.metrics import frechet_distance
from foundation.errors import InputError

CPU = torch.device("cpu")

#: Of the 2,048 features, the number at which eight images have a regular covariance.
SOME = 6


@dataclass(frozen=True)
class StandIn:
    """A file of weights and its SHA-256."""

    path: Path
    sha256: str


def random_weights() -> dict[str, Tensor]:
    """Weights for pytorch-fid's architecture: magnitudes are kept from layer to layer, and every layer matters."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(peer, "load_state_dict_from_url", lambda *_args, **_options: {})
        patch.setattr(nn.Module, "load_state_dict", lambda *_args, **_options: None)
        inception = peer.fid_inception_v3()
    generator = torch.Generator().manual_seed(1)
    for module in inception.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
            module.running_mean.normal_(0, 0.2, generator=generator)
    weights: dict[str, Tensor] = inception.state_dict()
    return weights


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    return random_weights()


@pytest.fixture(scope="module")
def stand_in(weights: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    """The weights in the old format of torch.save, which the published ones have."""
    path = tmp_path_factory.mktemp("weights") / "stand-in.pth"
    torch.save(weights, path, _use_new_zipfile_serialization=False)
    return StandIn(path, hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.fixture(autouse=True)
def no_weights_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the user's folders nor the network: an address where nobody answers."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(peer, "FID_WEIGHTS_URL", f"http://127.0.0.1:9/{NAME}")


def images(channels: int) -> Tensor:
    """Eight smooth images of 32 x 32, unlike one another."""
    coarse = torch.rand(8, channels, 5, 5, generator=torch.Generator().manual_seed(channels))
    return (functional.interpolate(coarse, size=32, mode="bicubic").clamp(0, 1) * 255).round().to(torch.uint8)


@pytest.fixture(scope="module")
def features(stand_in: StandIn) -> dict[int, Tensor]:
    """Our features of grey and of coloured images, with chunks that divide neither."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "CHUNK", 5)
        found = inception_network(stand_in.path, CPU, stand_in.sha256)
        return {channels: found.features(images(channels)) for channels in (1, 3)}


@pytest.mark.parametrize("channels", [1, 3])
def test_features_are_those_of_pytorch_fids_network_on_images_prepared_by_hand(
    channels: int, features: dict[int, Tensor], weights: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer, "load_state_dict_from_url", lambda *_args, **_options: weights)
    inception = peer.InceptionV3([3], resize_input=False, normalize_input=False).eval()
    unit = images(channels).float() / 255
    coloured = torch.cat([unit] * 3, 1) if channels == 1 else unit
    large = functional.interpolate(coloured, size=(299, 299), mode="bilinear", align_corners=False)
    with torch.no_grad():
        expected = inception(2 * large - 1)[0][:, :, 0, 0]
    assert features[channels].shape == (8, 2048)
    assert features[channels].dtype == torch.float32
    spread = expected.std(0).mean()
    assert float(spread) > 1e-3 * float(expected.abs().mean())
    assert float((features[channels] - expected).abs().max()) < 1e-3 * float(spread)


@pytest.fixture(scope="module")
def some(features: dict[int, Tensor]) -> list[np.ndarray]:
    """The features that vary most, of grey and of coloured images."""
    chosen = (features[1].std(0) + features[3].std(0)).argsort(descending=True)[:SOME]
    return [found[:, chosen].double().numpy() for found in features.values()]


def laws_of(some: list[np.ndarray]) -> list[np.ndarray]:
    return [moment for found in some for moment in (found.mean(0), np.cov(found.T))]


class Given(nn.Module):
    """Takes features for images, so that torchmetrics gets the very same."""

    num_features = SOME

    def forward(self, given: Tensor) -> Tensor:
        return given


def test_the_distance_is_torchmetrics_of_the_same_features(some: list[np.ndarray]) -> None:
    metric = FrechetInceptionDistance(feature=Given()).set_dtype(torch.float64)
    for found, real in zip(some, (True, False), strict=True):
        metric.update(torch.from_numpy(found), real=real)
    ours = frechet_distance(*laws_of(some))
    assert ours > 0
    assert float(metric.compute()) == pytest.approx(ours, rel=1e-6)


@pytest.mark.skipif(
    "disp" not in inspect.signature(linalg.sqrtm).parameters,
    reason="pytorch-fid 0.3 passes disp to SciPy's sqrtm, which this SciPy's has not",
)
def test_the_distance_is_pytorch_fids_of_the_same_features(some: list[np.ndarray]) -> None:
    with warnings.catch_warnings():
        # SciPy deprecates the argument before it goes.
        warnings.simplefilter("ignore", DeprecationWarning)
        expected = fid_score.calculate_frechet_distance(*laws_of(some))
    assert frechet_distance(*laws_of(some)) == pytest.approx(expected, rel=1e-6)


def test_loading_keeps_the_callers_random_state_and_pytorch_fids_own_download(stand_in: StandIn) -> None:
    before, download = torch.get_rng_state(), peer.load_state_dict_from_url
    inception_network(stand_in.path, CPU, stand_in.sha256)
    assert torch.equal(torch.get_rng_state(), before)
    assert peer.load_state_dict_from_url is download


def test_only_the_published_weights_are_called_fid(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    found = inception_network(stand_in.path, CPU, stand_in.sha256)
    assert found.title == "Fréchet distance of Inception features, other weights"
    document = json.loads(json.dumps(found.document()))
    assert (document["name"], document["dimension"], document["weights_sha256"]) == ("inception", 2048, stand_in.sha256)
    monkeypatch.setattr("evae.features.inception.PUBLISHED", stand_in.sha256)
    assert feature_network("inception", dataset="digits", inception_weights=stand_in.path).title == "FID"


def refusal(path: Path | None = None, sha256: str | None = None) -> str:
    with pytest.raises(InputError) as refused:
        find_weights(path, sha256=sha256)
    return str(refused.value)


def test_weights_are_looked_for_in_the_argument_the_environment_and_torch_hubs_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"weights"
    sha256 = hashlib.sha256(content).hexdigest()
    places = [
        tmp_path / "argument.pth",
        tmp_path / "environment.pth",
        tmp_path / "torch" / "hub" / "checkpoints" / NAME,
    ]
    for path in places:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    monkeypatch.setenv(VARIABLE, str(places[1]))
    assert find_weights(places[0], sha256=sha256) == places[0]
    assert find_weights(sha256=sha256) == places[1]
    monkeypatch.delenv(VARIABLE)
    assert find_weights(sha256=sha256) == places[2]


def test_a_named_file_that_is_missing_is_refused_though_another_would_do(
    stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = tmp_path / "missing.pth"
    monkeypatch.setenv(VARIABLE, str(stand_in.path))
    message = refusal(missing, stand_in.sha256)
    assert message.startswith(f"--inception-weights must name a file, got {missing}. Fetch http://127.0.0.1:9/")
    monkeypatch.setenv(VARIABLE, str(missing))
    assert f"{VARIABLE} must name a file, got {missing}." in refusal(None, stand_in.sha256)


def test_a_file_that_is_cut_short_or_another_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"beginning")
    assert f"{path} is cut short (9 of {BYTES:,} bytes). Fetch " in refusal(path)
    found = hashlib.sha256(b"beginning").hexdigest()
    assert f"must have the SHA-256 {'0' * 64}, got {found}. Fetch" in refusal(path, "0" * 64)


def test_a_damaged_file_in_torch_hubs_folder_may_be_deleted(tmp_path: Path) -> None:
    path = tmp_path / "torch" / "hub" / "checkpoints" / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(b"beginning")
    assert f"(9 of {BYTES:,} bytes). Delete it to have it downloaded again. Fetch " in refusal()


def test_the_published_checksum_begins_as_the_published_name_ends() -> None:
    assert PUBLISHED.startswith(NAME.removesuffix(".pth").rpartition("-")[2])
    assert len(PUBLISHED) == 64


def test_without_a_network_the_sentence_says_what_to_fetch_and_where_to_put_it(tmp_path: Path) -> None:
    place = tmp_path / "torch" / "hub" / "checkpoints" / NAME
    message = refusal()
    assert message.startswith(f"Inception's weights are not in {place} and could not be downloaded (")
    assert f"Fetch http://127.0.0.1:9/{NAME} on a machine with network access and put it there" in message
    assert message.endswith(" Or use --features imagenet, which downloads nothing, or --features none.")
    assert list(place.parent.iterdir()) == []


def test_a_download_is_checked_and_kept_for_the_next_time(
    stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer, "FID_WEIGHTS_URL", stand_in.path.as_uri())
    told: list[tuple[int, int]] = []
    path = find_weights(sha256=stand_in.sha256, progress=lambda _what, done, total: told.append((done, total)))
    assert path == tmp_path / "torch" / "hub" / "checkpoints" / NAME
    assert path.read_bytes() == stand_in.path.read_bytes()
    assert told[-1] == (path.stat().st_size,) * 2
    monkeypatch.setattr(peer, "FID_WEIGHTS_URL", "http://127.0.0.1:9/")
    assert find_weights(sha256=stand_in.sha256) == path


def test_a_download_of_something_else_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "page.html").write_text("not found")
    monkeypatch.setattr(peer, "FID_WEIGHTS_URL", (tmp_path / "page.html").as_uri())
    found = hashlib.sha256(b"not found").hexdigest()
    assert f"could not be downloaded (its SHA-256 must be {PUBLISHED}, got {found})" in refusal()
    assert list((tmp_path / "torch" / "hub" / "checkpoints").iterdir()) == []


def test_a_server_that_speaks_no_http_is_an_answer_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"no such thing\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        monkeypatch.setattr(peer, "FID_WEIGHTS_URL", f"http://127.0.0.1:{server.getsockname()[1]}/{NAME}")
        assert "could not be downloaded (no such thing). Fetch http://127.0.0.1:" in refusal()
        thread.join()


class Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_a_program_among_the_weights_does_not_run(tmp_path: Path) -> None:
    path, touched = tmp_path / "weights.pth", tmp_path / "touched"
    torch.save({"weight": Trap(touched)}, path)
    with pytest.raises(InputError, match="must hold the weights of pytorch-fid's network, got another file"):
        inception_network(path, CPU, hashlib.sha256(path.read_bytes()).hexdigest())
    assert not touched.exists()
    torch.load(path, weights_only=False)
    assert touched.exists()


@pytest.mark.parametrize("content", [b"", b"no tensors", {"weight": torch.zeros(2)}, [1, 2]])
def test_what_holds_no_such_weights_is_refused(content: object, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(
        InputError, match=r"weights\.pth must hold the weights of pytorch-fid's network, got another file \("
    ):
        inception_network(path, CPU, hashlib.sha256(path.read_bytes()).hexdigest())
