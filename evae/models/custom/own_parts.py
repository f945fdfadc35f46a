"""The parts of a training that are the user's own: the network and the images, given in Python or by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evae.compute.place import place
from evae.configuration.configuration import Configuration
from evae.configuration.domains import GIVEN
from evae.data import ImageData
from evae.data.arrays import GivenData, as_image_data
from evae.models.custom.functions import Builder
from evae.models.vae import VAE
from evae.runs.run import Run
from foundation.errors import InputError


@dataclass(frozen=True)
class OwnParts:
    """The user's own network and images; None where those of this program are used.

    Attributes
    ----------
    model : VAE, callable or str, optional
        As for `VAE.of`.
    data : ImageData, optional
    """

    model: VAE | Builder | str | None = None
    data: ImageData | None = None

    @classmethod
    def of(cls, config: Configuration, model: VAE | Builder | None, data: GivenData | None) -> OwnParts:
        """Return the parts of a new run, whose configuration names a network that the caller asks for."""
        if isinstance(model, str):
            raise InputError(f"model must be a model or a function, got a name. Use Configuration(network={model!r}).")
        named = config.network if config.has_own_network and config.network != GIVEN else None
        if model is not None and named is not None:
            raise InputError(f"the network must be named or given, got both: {named} and a model. Leave out one.")
        return cls(named if model is None else model, None if data is None else as_image_data(data)).checked(config)

    @classmethod
    def again(
        cls, run: Run, options: Mapping[str, Any], model: VAE | Builder | None, data: GivenData | None
    ) -> OwnParts:
        """Return the parts of a run that is resumed; ``options`` name its network again if it has a name.

        Raises
        ------
        InputError
            If the run has a network of the user's own, which is neither named nor given.
        """
        config = run.configuration
        named = options.get("network") if config.has_own_network else None
        if config.has_own_network and model is None and named in (None, GIVEN):
            raise run.unnamed_network()
        return cls(named if model is None else model, None if data is None else as_image_data(data)).checked(config)

    def checked(self, config: Configuration) -> OwnParts:
        """Return the same; raise `InputError` for several processes, which no network of the user's own can share."""
        if (config.has_own_network or self.model is not None) and (count := place().count) > 1:
            raise InputError(
                f"torchrun started {count} processes, and a network of your own is trained in one: statistics of a "
                "batch in its layers would be those of a part of it. Leave torchrun out."
            )
        return self

    def named_in(self, config: Configuration) -> Configuration:
        """Return the configuration that says which parts are given."""
        network = config.network if self.model is None or isinstance(self.model, str) else GIVEN
        return dataclasses.replace(config, network=network, dataset=config.dataset if self.data is None else GIVEN)

    def document(self, config: Configuration, model: VAE) -> dict[str, str] | None:
        """Return what a run records of a network of the user's own, whose ``model`` this is."""
        if not config.has_own_network:
            return None
        origin = self.model if isinstance(self.model, str) else "given in Python"
        return {"origin": origin, "sha256": model.structure_sha256}
