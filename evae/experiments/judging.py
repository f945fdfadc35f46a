"""Training and judging one run of a grid; what is done already is not done again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evae.arithmetic import resolve_device
from evae.configuration import Configuration
from evae.data import ImageData, load
from evae.data.source import Progress, silent
from evae.evaluation import judge, network_for
from evae.experiments.results import EVALUATION, RunRecord
from evae.features.network import FeatureNetwork
from evae.model import VAE
from evae.resuming import CHANGEABLE
from evae.runs import Run
from evae.training import resume, train
from evae.watching import GroupWatcher
from theory.errors import InputError
from theory.files import read_json

#: What may differ between a run that is there and the one that is wanted: it decides nothing, or goes on to the same.
_INDIFFERENT = {"runs_dir", "name", *CHANGEABLE}


@dataclass(frozen=True)
class Judge:
    """Trains runs on one data set and judges them.

    Attributes
    ----------
    data : callable
        Reads the images.
    network : FeatureNetwork or None
        Whose features are compared.
    progress : callable
        Is told how far the comparison is.
    choice : str, optional
        Why they are compared in these features, where nobody named them.
    """

    data: Callable[[], ImageData]
    network: FeatureNetwork | None
    progress: Progress
    choice: str | None = None

    @classmethod
    def of(
        cls,
        config: Configuration,
        features: str,
        inception_weights: str | None = None,
        preparing: Progress = silent,
        comparing: Progress = silent,
        choice: str | None = None,
    ) -> Judge:
        """Read a run's data set once, so that what is wrong with it is said before anything is trained; make features.

        ``preparing`` and ``comparing`` are told how far that is, and later the comparison of a run's images.
        """

        def read() -> ImageData:
            return load(
                config.dataset,
                config.data_dir,
                limit_train=config.limit_train,
                image_size=config.image_size,
                progress=preparing,
            )

        side = read().image_shape[-1]
        device = resolve_device(config.device)
        network = network_for(config, device, config.data_dir, features, inception_weights, preparing, side=side)
        return cls(read, network, comparing, choice)

    def found(self, config: Configuration) -> RunRecord | None:
        """Return the run if it is there, finished and judged in the same features."""
        run = _folder(config)
        if run is None or not _is_finished(run, config):
            return None
        path = run.path / "evaluation.json"
        evaluation = read_json(path) if path.exists() else {}
        current = EVALUATION(evaluation) and evaluation.get("weights_of_epoch") == config.epochs
        if not current or not self._same_features(evaluation.get("features")):
            return None
        return RunRecord.of(run, evaluation)

    def record(
        self, config: Configuration, data: ImageData, following: GroupWatcher, stop: Callable[[], bool] = lambda: False
    ) -> RunRecord:
        """Train the run, or what is left of it, and judge it."""
        run = _folder(config)
        if run is None:
            run = train(config, following, stop=stop)
        elif not _is_finished(run, config):
            kept = {"epochs": config.epochs, "device": config.device, "data_dir": config.data_dir}
            run = resume(run, following, stop=stop, **kept)
        model = VAE.load(run, resolve_device(config.device))
        return RunRecord.of(run, judge(run, model, data, self.network, self.progress, choice=self.choice))

    def _same_features(self, described: Any) -> bool:
        if self.network is None or described is None:
            return self.network is None and described is None
        said_of_them = {name: value for name, value in described.items() if name not in ("warning", "choice")}
        return said_of_them == self.network.document()


def _folder(config: Configuration) -> Run | None:
    """Return the run of this name if there is one; an `InputError` if it is another than the one that is wanted."""
    path = Path(config.runs_dir) / (config.name or config.default_name)
    if not path.exists():
        return None
    run = Run.open(path)
    there, wanted = (dataclasses.asdict(one) for one in (run.configuration, config))
    for field, value in wanted.items():
        if field not in _INDIFFERENT and there[field] != value:
            raise InputError(
                f"{path} was made with --{field.replace('_', '-')} {there[field]}, and {value} is wanted. Move that "
                "folder away, or give another --runs-dir."
            )
    return run


def _is_finished(run: Run, config: Configuration) -> bool:
    status = run.status
    return status.get("state") == "finished" and status.get("epochs_finished") == config.epochs
