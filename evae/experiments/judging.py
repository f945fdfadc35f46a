"""Training and evaluation of one run of a grid; finished work is not repeated."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evae.compute.precision import resolve_device
from evae.configuration.configuration import Configuration
from evae.configuration.options import CHANGEABLE, flag
from evae.data import ImageData, load_for
from evae.data.images import fingerprint
from evae.data.inventory import Inventory
from evae.evaluation.evaluate import judge, network_for, require_judgeable
from evae.experiments.results import RunRecord, is_evaluation
from evae.features.network import FeatureNetwork
from evae.models.vae import VAE
from evae.runs.run import Run
from evae.runs.versions import format_versions, package_version, versions_of
from evae.training.callbacks import Callback
from evae.training.train import resume, train
from foundation.errors import InputError
from foundation.files import read_json
from foundation.progress import ProgressCallback, ignore_progress
from foundation.validation import is_finite_number, is_record

#: Fields that may differ between an existing run and the planned one: resuming leads to the same result.
_INDIFFERENT = {"runs_dir", "name", *CHANGEABLE}


#: The reference values of a complete evaluation; one by an earlier version, which lacks them, is repeated.
_REFERENCES = is_record(
    {
        "reconstruction_error": is_record({"untrained": is_finite_number}),
        "sharpness": is_record({"training_images": is_finite_number}),
    }
)


def _is_current(evaluation: Any, config: Configuration) -> bool:
    complete = is_evaluation(evaluation, config.pixels) and _REFERENCES(evaluation)
    return complete and evaluation.get("weights_of_epoch") == config.epochs


@dataclass(frozen=True)
class Judge:
    """Trains runs on one data set and evaluates them.

    Attributes
    ----------
    data : callable
        Reads the images.
    network : FeatureNetwork or None
        The network whose features are compared.
    progress : callable
        Called with the progress of the comparison.
    data_sha256 : mapping of str to str
        `evae.data.images.fingerprint` of the images.
    choice : str, optional
        The reason for these features, if they were chosen by default.
    inventory : Inventory, optional
        What became of the image files, if the data are read from such.
    """

    data: Callable[[], ImageData]
    network: FeatureNetwork | None
    progress: ProgressCallback
    data_sha256: Mapping[str, str]
    choice: str | None = None
    inventory: Inventory | None = None

    @classmethod
    def of(
        cls,
        config: Configuration,
        features: str,
        inception_weights: str | None = None,
        preparing: ProgressCallback = ignore_progress,
        comparing: ProgressCallback = ignore_progress,
        choice: str | None = None,
        images: ImageData | None = None,
    ) -> Judge:
        """Read a run's data set once, so that its errors are reported before training, and prepare the features.

        ``preparing`` and ``comparing`` are called with the progress of that, and of later comparisons of images.
        ``images`` are those of the data set, if the caller has read and checked them.
        """

        def read() -> ImageData:
            return load_for(config, progress=preparing)

        if images is None:
            images = read()
            require_judgeable(config, images, config.data_dir, features)
        device = resolve_device(config.device)
        side = images.image_shape[-1]
        network = network_for(config, device, config.data_dir, features, inception_weights, preparing, side=side)
        return cls(read, network, comparing, fingerprint(images), choice, images.inventory)

    def found(self, config: Configuration) -> RunRecord | None:
        """Return the run if it exists, is finished and was evaluated with the same features."""
        run = self._folder(config)
        if run is None or not _is_finished(run, config):
            return None
        path = run.path / "evaluation.json"
        evaluation = read_json(path) if path.exists() else {}
        if not _is_current(evaluation, config) or not self._same_features(evaluation.get("features")):
            return None
        return RunRecord.of(run, evaluation)

    def trained(self, config: Configuration, callback: Callback, stop: Callable[[], bool] = lambda: False) -> Run:
        """Train or resume the run."""
        run = self._folder(config)
        if run is None:
            return train(config, callback, stop=stop, show_progress=False)
        if _is_finished(run, config):
            return run
        kept: dict[str, Any] = {"epochs": config.epochs, "device": config.device, "data_dir": config.data_dir}
        # The caller named the network of a user, whose code is run.
        kept |= {"network": config.network} if config.has_own_network else {}
        return resume(run, callback, stop=stop, show_progress=False, **kept)

    def judged(self, run: Run, config: Configuration, data: ImageData) -> RunRecord:
        """Evaluate a trained run."""
        named = config.network if config.has_own_network else None
        model = VAE.load(run, resolve_device(config.device), model=named)
        return RunRecord.of(run, judge(run, model, data, self.network, self.progress, choice=self.choice))

    def _same_features(self, described: Any) -> bool:
        if self.network is None or described is None:
            return self.network is None and described is None
        said_of_them = {name: value for name, value in described.items() if name not in ("warning", "choice")}
        return said_of_them == self.network.document()

    def _folder(self, config: Configuration) -> Run | None:
        """Return the run of this name if it exists.

        Raises
        ------
        InputError
            If its settings differ, another version trained it, or it was trained on other images.
        """
        path = folder_of(config)
        if not path.exists():
            return None
        run = Run.open(path)
        _require_same_options(run, config)
        foreign = foreign_versions(run)
        if foreign:
            raise InputError(
                f"{path} was made by {format_versions(foreign)} of this program, and this is {package_version()}, "
                "whose figures do not compare with theirs. Move that folder away, or give another --runs-dir."
            )
        if run.data_sha256 and run.data_sha256 != self.data_sha256:
            raise InputError(
                f"{path} was trained on other images of {config.dataset} than those in {config.data_dir}: their "
                "SHA-256 is another. Point --data-dir at the original ones, or give another --runs-dir."
            )
        return run


def folder_of(config: Configuration) -> Path:
    """Return the folder of a run of a grid, which need not exist."""
    return Path(config.runs_dir) / (config.name or config.default_name)


def foreign_versions(run: Run) -> tuple[str, ...]:
    """Return the versions other than this one that trained a run or a part of it; empty if nothing was trained."""
    environment = run.environment
    if not environment and run.checkpoints.newest()[0] is None:
        return ()
    return tuple(version for version in versions_of(environment) if version != package_version())


def _require_same_options(run: Run, config: Configuration) -> None:
    there, wanted = (dataclasses.asdict(one) for one in (run.configuration, config))
    for field, value in wanted.items():
        if field not in _INDIFFERENT and there[field] != value:
            raise InputError(
                f"{run.path} was made with {flag(field)} {there[field]}, and {value} is wanted. Move "
                "that folder away, or give another --runs-dir."
            )


def _is_finished(run: Run, config: Configuration) -> bool:
    status = run.status
    return status.get("state") == "finished" and status.get("epochs_finished") == config.epochs
