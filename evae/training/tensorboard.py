"""The event file of a run for TensorBoard: ``tensorboard --logdir runs``."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.summary.writer.record_writer import RecordWriter
from torch import Tensor

from evae.configuration.configuration import Configuration
from evae.configuration.options import INDIFFERENT
from evae.runs.epoch_record import EpochRecord
from foundation.typography import format_printable


class Curves:
    """An event file in the folder ``tensorboard`` of a run, with one step per epoch.

    The curves are those of `EpochRecord.scalars`; ``reconstructions`` is a picture of hold-out images above their
    reconstructions; the tab HPARAMS compares runs by their options. Each process that trains the run writes its own
    file. It is written here rather than by a thread of TensorBoard, so that a full disk raises an error at once.

    Parameters
    ----------
    run_folder : Path
    epochs_finished : int
        Steps after this epoch in earlier files are discarded, because these epochs are trained again.
    hyperparameters : mapping, optional
        The options of the run by name (`hyperparameters`).
    """

    def __init__(
        self, run_folder: Path, epochs_finished: int, hyperparameters: Mapping[str, bool | float | str] | None = None
    ) -> None:
        folder = run_folder / "tensorboard"
        folder.mkdir(exist_ok=True)
        # TensorBoard reads the files in the order of their names.
        numbers = (path.suffix[1:] for path in folder.glob("events.out.tfevents.*"))
        number = 1 + max((int(one) for one in numbers if one.isdecimal()), default=0)
        # The name of the trial: a run that is resumed is the same one.
        trial = format_printable(run_folder.name)
        table = hparams_pb(dict(hyperparameters), trial_id=trial) if hyperparameters else None
        self._file = (folder / f"events.out.tfevents.{number:06}").open("xb")
        self._records = RecordWriter(self._file)
        self._add(step=0, file_version="brain.Event:2")
        self._add(step=epochs_finished + 1, session_log=SessionLog(status=SessionLog.START))
        if table is not None:
            self._add(step=0, summary=table)

    def write(self, record: EpochRecord, pictures: list[Tensor]) -> None:
        """Write the curves of an epoch, and rows of uint8 ``pictures``, each (n, C, S, S) with C = 1 or 3."""
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in record.scalars()]
        values.append(Summary.Value(tag="reconstructions", image=_encode_picture(make_mosaic(pictures))))
        self._add(step=record.epoch, summary=Summary(value=values))
        # After the flush, killing this process loses nothing.
        self._records.flush()

    def __enter__(self) -> Curves:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _add(self, **content: Any) -> None:
        self._records.write(Event(wall_time=time.time(), **content).SerializeToString())


def hyperparameters(config: Configuration) -> dict[str, bool | float | str]:
    """Return the options of a run that affect its figures, with the model's options completed; None is left out."""
    options = {name: value for name, value in vars(config).items() if name not in INDIFFERENT}
    return {
        # TensorBoard's format has no place for bytes of a file name that are no text.
        name: format_printable(value) if isinstance(value, str) else value
        for name, value in {**options, **config.recipe.document()}.items()
        if value is not None
    }


def make_mosaic(rows: list[Tensor]) -> Tensor:
    """Arrange rows of n uint8 images, each (n, C, S, S), below one another: (C, rows * S, n * S), on the CPU."""
    return torch.cat([row.permute(1, 2, 0, 3).flatten(2) for row in rows], dim=1).cpu()


def _encode_picture(image: Tensor) -> Summary.Image:
    channels, height, width = image.shape
    stream = io.BytesIO()
    Image.fromarray((image[0] if channels == 1 else image.permute(1, 2, 0)).numpy()).save(stream, "PNG")
    return Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=stream.getvalue())
