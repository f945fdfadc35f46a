"""Names and domains of evaluation; imports nothing heavy."""

from __future__ import annotations

from evae.configuration.domains import choice, multiple_of, whole_number

#: The laws that codes are drawn from (`evae.evaluation.code_laws`).
SAMPLERS = ("prior", "mixture", "two-stage")

#: Those that have a density, under which images are scored.
LAWS = ("prior", "mixture")

#: Those that are fitted to the codes of the training images.
FITTED = SAMPLERS[1:]

#: Weights of a run (`evae.runs.run.Run.weights_file`).
WEIGHTS = ("best", "last")

#: Estimators of the log-likelihood (`evae.evaluation.likelihood`): importance sampling, also annealed.
LIKELIHOODS = choice("is", "ais")

#: How grey pixels become binary (`evae.data.images.binarise`).
BINARISATIONS = choice("threshold", "static")

#: Codes drawn for an image: half from the posterior, a quarter or a half from each normal law, all in two equal parts.
SAMPLES = multiple_of(8, 200, 100_000)

#: Number of hold-out images that are scored.
SCORED_IMAGES = whole_number()

#: Codes drawn for an image by default.
DEFAULT_SAMPLES = 5000

#: Chains for an image, in two equal parts, temperatures and leapfrog steps of annealed importance sampling.
CHAINS, TEMPERATURES, LEAPFROG_STEPS = multiple_of(2, 2, 1000), whole_number(1, 100_000), whole_number(1, 1000)

DEFAULT_CHAINS, DEFAULT_TEMPERATURES, DEFAULT_LEAPFROG_STEPS = 16, 500, 2
