"""The table of options, shared by the command line, the checks, the resuming of runs and the JSON schemas.

An option of a training run is a field of `TrainingOptions`, whose metadata are the rest of its row. Everything else is
derived from the table: the options of ``train`` and ``reproduce``, the checks of a configuration, which options a
resumed run may change, which of them affect its figures, the schemas in docs/schemas, and shell completions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from evae.configuration.domains import (
    FOLDER_NAME,
    POSITIVE,
    SWITCH,
    DataSet,
    Domain,
    Folder,
    Network,
    WordOrNumber,
    beginnings,
    choice,
    number,
    whole_number,
)
from evae.configuration.hold_out import KEEP
from evae.configuration.noises import LARGEST_SHAPE, SMALLEST_INITIAL_SHAPE
from evae.configuration.recipe import (
    DECODER_BOUNDS,
    DIVERGENCES,
    GRADIENTS,
    INTERVALS,
    KERNELS,
    KINDS,
    LEARNED_SHAPES,
    OBJECTIVES,
    PENALTIES,
    POSTERIORS,
    PRESETS,
    PRIORS,
    PSEUDO_INPUTS,
    SHORTEST_PRIOR,
    VAMP_COMPONENTS,
)
from foundation.errors import InputError

#: The data sets that `evae.data` reads by name.
DATASETS = ("digits", "mnist", "fashion-mnist", "cifar10", "celeba")

#: User-supplied data sets, each followed by a path.
DATASET_FORMS = ("npz:FILE", "folder:DIR")

#: Shell completions for a data set; a path follows a colon.
DATASET_WORDS = (*DATASETS, *beginnings(DATASET_FORMS))

#: The networks of this program: Appendix B's, and a small one for images of any size.
NETWORKS = ("appendix-b", "mlp")

#: Image sizes for which Appendix B has networks.
IMAGE_SIZES = (32, 64)

#: Largest side of images for another network.
LARGEST_SIDE = 1024

#: Laws of the pixels given a code (`evae.models.pixels`).
PIXELS = ("bernoulli", "continuous-bernoulli", "gaussian")

DEVICES = ("auto", "cpu", "cuda")

#: Schedules of the learning rate (`evae.training.updates.schedules`), and optimizers.
SCHEDULES = ("constant", "cosine", "plateau")

OPTIMIZER_NAMES = ("adam", "adamw", "sgd")

#: Most components of a prior: the distances of a batch's codes to all of them are in memory.
MOST_COMPONENTS = 10_000

#: Bounds of the share of N(0, I) in a prior: without it the log-density would be infinite, without the rest N(0, I)'s.
SMALLEST_SHARE, LARGEST_SHARE = 1e-6, 0.999

#: How grey training images become binary (`evae.data.binarisation`).
BINARISATIONS = ("dynamic", "static", "threshold")

#: How images reach the network's resolution: by interpolation, or by a border of zeros.
FITS = ("resize", "pad")

#: Arithmetic precisions of training (`evae.compute.precision`).
PRECISIONS = ("fp32", "tf32", "bf16")


@dataclass(frozen=True)
class Option:
    """An option of the command line, and the argument or field of the same name in Python.

    Parameters
    ----------
    name : str
        As in Python: ``batch_size`` is ``--batch-size`` on the command line.
    default : object
        None also means that the option was left out.
    domain : Domain
        The values that are accepted.
    summary : str
        A sentence that describes the option, for the help, the docstrings and the JSON schemas.
    details : str
        Further help text.
    advice : str
        A sentence that ends both the help and the message on a value outside the domain.
    metavar : str, optional
        The placeholder of the value in the help.
    default_text : str
        The meaning of the default None, in words.
    affects : str
        The effect of the option: on the figures of a run, on their last bits only, or none.
    changeable : bool
        Whether a resumed run may have another value.
    label : str, optional
        The format, in the default name of a run, of a value that differs from the model's.
    """

    name: str
    default: Any
    domain: Domain
    summary: str
    details: str = ""
    advice: str = ""
    metavar: str | None = None
    default_text: str = ""
    affects: Literal["figures", "last bits", "nothing"] = "figures"
    changeable: bool = False
    label: str | None = None

    @property
    def flag(self) -> str:
        """The option on the command line."""
        return flag(self.name)

    @property
    def help(self) -> str:
        """The text of the help page."""
        text = " ".join(part for part in (self.summary, self.details, self.advice) if part)
        return f"{text}  [default: {self.default_text}]" if self.default_text else text

    def require(self, value: Any) -> Any:
        """Return ``value`` as it is stored; raise an `InputError` that names the option if it is invalid."""
        if value is None and self.default is None:
            return None
        try:
            return self.domain.require(self.flag, value)
        except InputError as error:
            raise InputError(f"{error} {self.advice}".rstrip()) from None

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of a value, in which null means that the option was left out."""
        found = {"description": self.summary, **self.domain.schema()}
        if self.default is None:
            types = found["type"] if isinstance(found["type"], list) else [found["type"]]
            found["type"] = [*types, "null"]
            if "enum" in found:
                found["enum"] = [*found["enum"], None]
        return found


def flag(name: str) -> str:
    """Return an option as written on the command line.

    Examples
    --------
    >>> flag("batch_size")
    '--batch-size'
    """
    return f"--{name.replace('_', '-')}"


def row(domain: Domain, summary: str, details: str = "", **more: Any) -> dict[str, Any]:
    """Return the metadata of a field, which are its row of the table; ``more`` are attributes of `Option`."""
    return {"domain": domain, "summary": summary, "details": details, **more}


def parameters(options: Mapping[str, Option]) -> str:
    """Return the section ``Parameters`` of the docstring of a class whose fields are these options."""
    lines = ["Parameters", "----------"]
    for option in options.values():
        optional = ", optional" if option.default is None else ""
        lines += [f"{option.name} : {option.domain.type.__name__}{optional}", f"    {option.summary}"]
    return "\n".join(lines)


def table_of(fields: type) -> Mapping[str, Option]:
    """Return the options in the fields of a dataclass, by name."""
    rows = {one.name: Option(one.name, one.default, **one.metadata) for one in dataclasses.fields(fields)}
    return MappingProxyType(rows)


@dataclass(frozen=True)
class TrainingOptions:
    """The options of a training run. The defaults are the paper's (Appendix C), on the data set without a download."""

    dataset: str = field(
        default="digits",
        metadata=row(
            DataSet(words=DATASET_WORDS, names=DATASETS, forms=DATASET_FORMS),
            "Data set to train on.",
            "digits: scikit-learn's 1,797 real digits, nothing to download. mnist, fashion-mnist, cifar10: "
            "torchvision's own files in --data-dir, or an .npz file there with all images, seen at 32x32 pixels "
            "(Appendix B); other images under these names are refused. celeba: the official archive "
            "celeba/img_align_celeba.zip in --data-dir as it is, or its folder, whole or a subset; cut to 140x140 and "
            "seen at 64x64, the validation faces held out. npz:FILE: uint8 arrays train_images and test_images, or "
            "x_train and x_test. folder:DIR: images of any size in DIR/train and DIR/test, nested folders too. FILE "
            "and DIR are looked for as given, then in --data-dir. Decoded images are cached in --data-dir/decoded. See "
            "also: datasets --help.",
            metavar="NAME|npz:FILE|folder:DIR",
        ),
    )
    model: str = field(
        default="vae",
        metadata=row(
            choice(*PRESETS),
            "Preset, which is a posterior with an objective.",
            "vae: gaussian + elbo, the paper's baseline. evae: kde + kde-bound, the paper's method. evae-exact: kde + "
            "elbo, EVAE's own noise under a bound that holds. evae-direct: epanechnikov + elbo, compact support alone. "
            "evae-repaired: epanechnikov + uniform-prior, where Lemma 3.2 does apply. gaussian-kde: evae with a "
            "Gaussian kernel. beta-vae: vae with beta 4. ae: none + reconstruction. laplace-vae: laplace + elbo. "
            "gm-vae, gm-evae: gaussian, epanechnikov + elbo with a learned mixture as the prior, by a bound. vamp-vae, "
            "vamp-evae: the same with a VampPrior. "
            "evae-beta: beta + elbo, a kernel of learned shape. evae-beta-repaired: beta + uniform-prior with renyi2. "
            "evae-radial, evae-radial-full, gaussian-full: the posteriors of these names + elbo. iwae: gaussian + "
            "iwae, the importance-weighted bound. iwae-epanechnikov: epanechnikov + iwae. The options from "
            "--posterior to --penalty-weight change it.",
            metavar="NAME",
        ),
    )
    latent_dim: int = field(
        default=64,
        metadata=row(
            whole_number(maximum=2**16),
            "d_z, the number of latent dimensions.",
            advice="The paper uses 8, 16, 32 or 64.",
        ),
    )
    epochs: int = field(
        default=50,
        metadata=row(whole_number(), "Passes over the training images.", advice="The paper uses 50.", changeable=True),
    )
    batch_size: int = field(
        default=100,
        metadata=row(
            whole_number(),
            "Images in a step, which is also M in the penalty of equation (8).",
            advice="The paper uses 100.",
        ),
    )
    lr: float = field(
        default=1e-4,
        metadata=row(
            POSITIVE, "Learning rate, at the beginning if there is a --schedule.", advice="The paper uses 1e-4."
        ),
    )
    schedule: str = field(
        default="constant",
        metadata=row(
            choice(*SCHEDULES),
            "Learning rate by epoch.",
            "constant: --lr. cosine: from --lr along half a cosine to near 0 in the last of --epochs, which is then "
            "fixed. plateau: --lr, halved whenever the loss on hold-out images has not fallen for 5 epochs in a row; "
            "one seed at a time.",
            metavar="constant|cosine|plateau",
        ),
    )
    optimizer: str = field(
        default="adam",
        metadata=row(
            choice(*OPTIMIZER_NAMES),
            "Optimizer.",
            "adam: the paper's. adamw: Adam with decoupled weight decay. sgd: stochastic gradient descent with "
            "momentum 0.9. All else is PyTorch's default.",
            metavar="adam|adamw|sgd",
        ),
    )
    weight_decay: float | None = field(
        default=None,
        metadata=row(
            number(0.0),
            "Weight decay of adamw or sgd, on all weights.",
            "In each step of rate lr, adamw multiplies the weights by 1 - lr W; sgd adds W times the weights to the "
            "gradient.",
            advice="By default it is 0.01 for adamw and 0 for sgd.",
            metavar="W",
        ),
    )
    clip_gradient: float | None = field(
        default=None,
        metadata=row(
            POSITIVE,
            "Largest norm of the gradient of the loss, to which a longer one is shortened.",
            "It is that of all weights of a network, in nats per image, and of each seed by itself.",
            advice="Leave it out to take every gradient as it is.",
            metavar="NORM",
        ),
    )
    keep: str | None = field(
        default=None,
        metadata=row(
            choice(*KEEP),
            "Metric on hold-out images by which the weights of the best epoch are saved, in addition to the last ones.",
            "The least loss, reconstruction error (from one draw, or at the posterior's mean), or the largest number "
            "of active dimensions. evaluate and sample then take the best, unless --weights says last.",
            metavar="best:METRIC",
        ),
    )
    seed: int = field(
        default=0,
        metadata=row(whole_number(0, 2**63 - 1), "Seed of the initial weights, the order of the images and the noise."),
    )
    device: str = field(
        default="auto",
        metadata=row(
            choice(*DEVICES, gpu="cuda"),
            "Device on which the network computes.",
            "auto: CUDA where there is a usable device, else the CPU.",
            metavar="auto|cpu|cuda",
            affects="last bits",
            changeable=True,
        ),
    )
    precision: str = field(
        default="fp32",
        metadata=row(
            choice(*PRECISIONS),
            "Arithmetic of training.",
            "fp32: single precision throughout. tf32: products on CUDA rounded to 10 bits. bf16: layers in bfloat16, "
            "the weights, the noise and the loss in single precision. Hold-out images are measured in fp32.",
            metavar="fp32|tf32|bf16",
        ),
    )
    deterministic: bool = field(
        default=False,
        metadata=row(
            SWITCH,
            "Whether to use only algorithms that give the same bits each time.",
            "On CUDA the same seed then gives the same run, more slowly. On the CPU this holds anyway, for a fixed "
            "number of threads.",
        ),
    )
    checkpoint_minutes: float = field(
        default=10.0,
        metadata=row(
            POSITIVE,
            "Minutes between two checkpoints within an epoch; there is one at the end of each epoch anyway.",
            metavar="MINUTES",
            affects="nothing",
            changeable=True,
        ),
    )
    data_dir: str = field(
        default="data",
        metadata=row(
            Folder(),
            "Folder of the data sets, which is torchvision's root.",
            metavar="DIR",
            affects="nothing",
            changeable=True,
        ),
    )
    runs_dir: str = field(
        default="runs",
        metadata=row(
            Folder(), "Folder of the runs, with a separate folder for each.", metavar="DIR", affects="nothing"
        ),
    )
    name: str | None = field(
        default=None,
        metadata=row(
            FOLDER_NAME,
            "Name of the run's folder.",
            "An existing folder is refused. By default the name is made of data set, model, d_z and seed, such as "
            "mnist-evae-d64-seed0, followed by -2, -3, ... if that is taken.",
            advice="The folder above it is --runs-dir.",
            metavar="NAME",
            affects="nothing",
        ),
    )
    limit_train: int | None = field(
        default=None,
        metadata=row(
            whole_number(),
            "Number of training images to use, which are the first ones.",
            "For a quick look; results say so.",
            advice="Leave it out to train on every image.",
            metavar="N",
        ),
    )
    limit_holdout: int | None = field(
        default=None,
        metadata=row(
            whole_number(),
            "Number of hold-out images to use, which are the first ones.",
            "For a quick look; results say so.",
            advice="Leave it out to evaluate on every hold-out image.",
            metavar="N",
        ),
    )
    image_size: int | None = field(
        default=None,
        metadata=row(
            whole_number(1, LARGEST_SIDE),
            "Side in pixels of the images.",
            "Their largest centred squares are resized to it; 28 leaves those of mnist and fashion-mnist as they are. "
            "With the network appendix-b it is 32 or 64, and for npz:FILE and folder:DIR only. By default the images "
            "of a named data set are seen as in Appendix B, and others at 64 where every image has 64 pixels and more "
            "on its shorter side, else at 32.",
            metavar="PIXELS",
        ),
    )
    network: str = field(
        default="appendix-b",
        metadata=row(
            Network(words=NETWORKS),
            "Encoder and decoder.",
            "appendix-b: the paper's, for images of 32x32 or 64x64. mlp: two hidden layers of 512 units each, for "
            "images of any size. module:FUNCTION: yours, made by FUNCTION(image_shape, latent_dim), which returns an "
            "encoder and a decoder (docs/extending.md); the module is looked for in the current directory and among "
            "the installed ones, and its code is run.",
            metavar="appendix-b|mlp|module:FUNCTION",
        ),
    )
    fit: str = field(
        default="resize",
        metadata=row(
            choice(*FITS),
            "How smaller images reach the resolution of the network.",
            "resize: by bilinear interpolation (Appendix B). pad: unchanged, in the middle of a border of zeros, for "
            "digits, mnist, fashion-mnist and npz:FILE.",
            metavar="resize|pad",
        ),
    )
    binarise: str | None = field(
        default=None,
        metadata=row(
            choice(*BINARISATIONS),
            "How grey pixels become 0 or 255, so that the Bernoulli likelihood is one.",
            "dynamic: 255 with the probability pixel / 255, drawn again in each epoch of training; hold-out images are "
            "those of static. static: drawn once, the same for all runs. threshold: 255 from 128 on. By default images "
            "stay grey, as in the paper.",
            metavar="dynamic|static|threshold",
        ),
    )
    skip_undecodable: bool = field(
        default=False,
        metadata=row(
            SWITCH,
            "Whether to leave out image files that cannot be decoded, instead of refusing the data set.",
            "For folder:DIR and celeba. They are counted, and named in the run's config.json.",
        ),
    )
    pixels: str = field(
        default="bernoulli",
        metadata=row(
            choice(*PIXELS),
            "Law of the pixels given a code, whose negative logarithm is the reconstruction error.",
            "bernoulli: the paper's cross-entropy, which is a likelihood of binary pixels only. continuous-bernoulli: "
            "its density on [0, 1]. gaussian: a normal density about the reconstruction. Errors of densities can be "
            "negative, and only those of one law compare.",
            metavar="bernoulli|continuous-bernoulli|gaussian",
        ),
    )
    pixel_scale: str | float | None = field(
        default=None,
        metadata=row(
            WordOrNumber(words=("learned",)),
            "Standard deviation of a pixel with --pixels gaussian, where black is 0 and white 1.",
            "learned (the default): one number, trained with the weights from 0.1 on.",
            metavar="learned|SIGMA",
        ),
    )
    posterior: str | None = field(
        default=None,
        metadata=row(
            choice(*POSTERIORS),
            "Noise of a code, in place of the model's.",
            "gaussian: mu + sigma eps. epanechnikov: mu + r K with density (3/4)(1 - x^2). uniform: mu + r U[-1, 1]. "
            "laplace: mu + scale L with density exp(-|x|)/2. beta: mu + sigma sqrt(2a + 1) u, of variance sigma^2, u "
            "with density ~ (1 - u^2)^(a - 1). radial: one epanechnikov kernel of all dimensions, ~ 1 - |u|^2. "
            "radial-full, gaussian-full: this and the normal law with a full covariance matrix. kde: b(mu + r K) + "
            "U[-B, B], Algorithm 1 with b = 0.3594. none: mu.",
            metavar="NAME",
            label="{}",
        ),
    )
    objective: str | None = field(
        default=None,
        metadata=row(
            choice(*OBJECTIVES),
            "Term that is added to the reconstruction error, in place of the model's.",
            "elbo: the exact KL divergence to N(0, I). kde-bound: B I(K)/(M r) of equation (8), which for Epanechnikov "
            "K is 3B/(5Mr). uniform-prior: the divergence from U[-l/2, l/2], with the posterior kept inside. "
            "iwae: the importance-weighted bound from K codes, and N(0, I). reconstruction: nothing. A pair without an "
            "exact formula is refused.",
            metavar="NAME",
            label="{}",
        ),
    )
    kernel: str | None = field(
        default=None,
        metadata=row(
            choice(*KERNELS),
            "K of the posterior kde, in place of the model's.",
            "epanechnikov (the default), gaussian, uniform, triangular, biweight, triweight or cosine, all of variance "
            "1/5, so that they differ in shape only. kde-bound takes each kernel's own roughness I(K).",
            metavar="NAME",
            label="{}-kernel",
        ),
    )
    prior_length: str | float | None = field(
        default=None,
        metadata=row(
            WordOrNumber(words=("learned",)),
            "B of the posterior kde, in place of the model's: learned, or a constant.",
            "learned (the default): an output of the encoder. kde-bound rewards a learned B for shrinking to zero, and "
            "the uniform noise shrinks with it.",
            advice="Algorithm 1 learns B.",
            metavar="learned|B",
            label="B{}",
        ),
    )
    interval: str | None = field(
        default=None,
        metadata=row(
            choice(*INTERVALS),
            "Interval of U in the posterior kde, in place of the model's.",
            "printed (the default): on [-B, B] as Algorithm 1 prints it. corrected: on [-B/2, B/2], so that B is the "
            "interval's length, as the text has it.",
            metavar="printed|corrected",
            label="{}",
        ),
    )
    shape: str | float | None = field(
        default=None,
        metadata=row(
            WordOrNumber(words=LEARNED_SHAPES, minimum=1.0, maximum=LARGEST_SHAPE),
            "a of the posterior beta, in place of the model's: learned, encoded, or a constant.",
            "learned (the default): one parameter of the model. encoded: an output of the encoder for each code and "
            "dimension. 1 is the uniform kernel, 2 the epanechnikov, and large values are nearly gaussian.",
            metavar="learned|encoded|A",
            label="shape-{}",
        ),
    )
    initial_shape: float | None = field(
        default=None,
        metadata=row(
            number(SMALLEST_INITIAL_SHAPE, LARGEST_SHAPE),
            "a before the first step, for a shape that is learned or encoded.",
            advice="By default it is 2, the epanechnikov kernel.",
            metavar="A",
            label="from{}",
        ),
    )
    beta: float | None = field(
        default=None,
        metadata=row(
            number(),
            "Weight of the regularisation term, in place of the model's.",
            "1 is the paper's (the default); with elbo, more is a beta-VAE.",
            advice="Without regularisation it is --objective reconstruction.",
            metavar="BETA",
            label="beta{}",
        ),
    )
    uniform_length: float | None = field(
        default=None,
        metadata=row(
            number(SHORTEST_PRIOR),
            "Length l of the interval of uniform-prior.",
            advice="By default it is sqrt(12) = 3.4641, so that the prior has variance 1.",
            metavar="L",
            label="l{}",
        ),
    )
    divergence: str | None = field(
        default=None,
        metadata=row(
            choice(*DIVERGENCES),
            "Divergence of uniform-prior, in place of the model's.",
            "kl (the default): exact, for the epanechnikov posterior log(l/r) + log 3 - 5/3. renyi2: the bound "
            "log(3l/(5r)) on it, which Epanechnikov noise makes least at a given variance.",
            metavar="kl|renyi2",
            label="{}",
        ),
    )
    divergence_by: str | None = field(
        default=None,
        metadata=row(
            choice(*KINDS, estimate="draws"),
            "How the divergence from the prior is computed, for elbo and uniform-prior.",
            "exact (the default): by its formula. bound: by the formula of an upper bound on it. draws: by the "
            "densities at the code that is drawn anyway, an estimate without bias. The term's name in the log says "
            "which: kl, kl_bound or kl_estimate. --help-combinations lists the pairs that have each.",
            metavar="exact|bound|draws",
            label="by-{}",
        ),
    )
    prior: str | None = field(
        default=None,
        metadata=row(
            choice(*PRIORS),
            "Prior of elbo, in place of the model's.",
            "normal (the default): N(0, I). mixture: normal laws with learned means, scales and weights. vamp: normal "
            "laws with the moments of the posteriors of pseudo-inputs, images that are learned (VampPrior). A "
            "divergence from a mixture is not exact: name --divergence-by bound or draws.",
            metavar="normal|mixture|vamp",
            label="{}-prior",
        ),
    )
    prior_components: int | None = field(
        default=None,
        metadata=row(
            whole_number(maximum=MOST_COMPONENTS),
            "Components of the --prior mixture or vamp, in place of the model's.",
            "10 by default, and 100 for vamp-vae and vamp-evae. Each pseudo-input costs a pass through the encoder in "
            "every step.",
            metavar="C",
            label="C{}",
        ),
    )
    pseudo_inputs: str | None = field(
        default=None,
        metadata=row(
            choice(*PSEUDO_INPUTS),
            "Pseudo-inputs of the --prior vamp, in place of the model's.",
            "random (the default): of independent pixels at first. data: training images at first, chosen by the seed. "
            "frozen: such images, which are not learned.",
            metavar="random|data|frozen",
            label="{}-inputs",
        ),
    )
    vamp_components: str | None = field(
        default=None,
        metadata=row(
            choice(*VAMP_COMPONENTS),
            "Components of the --prior vamp, in place of the model's.",
            "normal (the default): with the moments of the posteriors of the pseudo-inputs. epanechnikov: these "
            "posteriors themselves, and a share of N(0, I), which makes the density positive everywhere: a kernel "
            "density estimate of the codes. It needs --posterior epanechnikov and --divergence-by draws.",
            metavar="normal|epanechnikov",
            label="{}-components",
        ),
    )
    defensive_share: float | None = field(
        default=None,
        metadata=row(
            number(SMALLEST_SHARE, LARGEST_SHARE),
            "Share of N(0, I) in the prior with --vamp-components epanechnikov.",
            "0.1 is the default.",
            metavar="SHARE",
            label="share{}",
        ),
    )
    importance_samples: int | None = field(
        default=None,
        metadata=row(
            whole_number(maximum=1000),
            "K, the number of codes of an image in a bound of the objective iwae.",
            "5 is the default; the encoder is evaluated once, the decoder K times. 1 is the elbo by draws.",
            metavar="K",
            label="K{}",
        ),
    )
    importance_groups: int | None = field(
        default=None,
        metadata=row(
            whole_number(maximum=1000),
            "M, the number of bounds of the objective iwae, each from its own K codes, whose mean is taken (MIWAE).",
            "1 is the default.",
            metavar="M",
            label="M{}",
        ),
    )
    elbo_share: float | None = field(
        default=None,
        metadata=row(
            number(0.0, 1.0),
            "Weight of the bound from single codes in the objective iwae (CIWAE).",
            "0 is the default.",
            metavar="SHARE",
            label="elbo{}",
        ),
    )
    decoder_bound: str | None = field(
        default=None,
        metadata=row(
            choice(*DECODER_BOUNDS),
            "Bound of the objective iwae with which the decoder is trained.",
            "groups (the default): that of the encoder. all: the tighter one from all M K codes of --importance-groups "
            "and --importance-samples in a single group, while the encoder keeps its own (PIWAE).",
            metavar="groups|all",
            label="decoder-{}",
        ),
    )
    gradient: str | None = field(
        default=None,
        metadata=row(
            choice(*GRADIENTS),
            "Gradient of the objective iwae.",
            "plain (the default): the derivative of the bound. stl: without the score of the posterior (sticking the "
            "landing). dreg: doubly reparametrised. stl and dreg are refused for posteriors of bounded support, for "
            "which they are biased or have infinite variance.",
            metavar="plain|stl|dreg",
            label="{}",
        ),
    )
    penalty: str | None = field(
        default=None,
        metadata=row(
            choice(*PENALTIES),
            "A penalty that is added to the objective.",
            "dip: DIP-VAE-II, the squared distance of the covariance of the codes in a batch, noise included, from "
            "the identity, exact for every posterior. Not with several processes.",
            metavar="NAME",
            label="{}",
        ),
    )
    penalty_weight: float | None = field(
        default=None,
        metadata=row(
            number(),
            "Weight of the --penalty.",
            "1 is the default.",
            metavar="W",
            label="w{}",
        ),
    )


OPTIONS = table_of(TrainingOptions)

#: Options that do not affect the figures of a run, except perhaps in their last bits.
INDIFFERENT = frozenset(name for name, option in OPTIONS.items() if option.affects != "figures")

#: Options without any effect on results, which tables of results omit.
WITHOUT_EFFECT = frozenset(name for name, option in OPTIONS.items() if option.affects == "nothing")

#: Options that may have another value when a run is resumed.
CHANGEABLE = frozenset(name for name, option in OPTIONS.items() if option.changeable)
