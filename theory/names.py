"""Names of kernels, densities and weights, as the command line and Python take them; imports nothing heavy."""

#: The kernels of `theory.kernels`.
KERNEL_NAMES = ("epanechnikov", "uniform", "triangular", "biweight", "triweight", "cosine", "gaussian", "logistic")

#: Bimodal: two normal densities of equal weight.
MIXTURE_EXAMPLE = "mixture:0.5*normal(-1,0.5)+0.5*normal(1,0.5)"

#: The families of densities, each with its parameters in order and the defaults of those that may be left out.
FAMILY_PARAMETERS = {
    "normal": "mean=0,deviation=1",
    "logistic": "location=0,scale=1",
    "laplace": "location=0,scale=1",
    "cauchy": "location=0,scale=1",
    "gumbel": "location=0,scale=1",
    "t": "df,location=0,scale=1",
    "exponential": "scale=1,location=0",
    "gamma": "shape,scale=1,location=0",
    "weibull": "shape,scale=1,location=0",
    "lognormal": "mu=0,sigma=1,location=0",
    "pareto": "shape,scale=1,location=0",
    "uniform": "lower,upper",
    "beta": "p,q",
}

#: Any continuous distribution of scipy.stats by its name there, and any formula in x with its support.
SCIPY_EXAMPLE, EXPRESSION_EXAMPLE = "scipy:invgauss(0.5)", "expression:x*exp(-x),0,oo"

#: How the name of a density or a kernel by its formula begins.
EXPRESSION = "expression:"

#: The biweight kernel by its formula.
KERNEL_EXAMPLE = "expression:15/16*(1-x**2)**2,-1,1"


def write_form(family: str) -> str:
    """Return how a family is written, with the parameters that may be left out in brackets.

    Examples
    --------
    >>> write_form("gamma"), write_form("normal")
    ('gamma:shape[,scale[,location]]', 'normal[:mean[,deviation]]')
    """
    form = ""
    for parameter in reversed(FAMILY_PARAMETERS[family].split(",")):
        name, is_optional, _ = parameter.partition("=")
        first = FAMILY_PARAMETERS[family].startswith(parameter)
        form = f"{':' if first else ','}{name}{form}"
        form = f"[{form}]" if is_optional else form
    return f"{family}{form}"


#: How other densities than those of a family are written.
OTHER_FORMS = (MIXTURE_EXAMPLE, SCIPY_EXAMPLE, EXPRESSION_EXAMPLE)

#: The beginnings of names of densities, for completion.
DENSITY_BEGINNINGS = (
    *(family for family, parameters in FAMILY_PARAMETERS.items() if "=" in parameters.split(",")[0]),
    *(f"{family}:" for family in FAMILY_PARAMETERS),
    *("mixture:", "scipy:", "expression:"),
)

#: How the weights of `theory.densities.weights` are written.
WEIGHT_FORMS = ("window:c,d", "inverse-density:c,d", "one")


def name_expression(formula: str, support: str) -> str:
    """Return the name of the density or kernel with a formula in x on a support, two ends separated by a comma.

    Examples
    --------
    >>> name_expression("x*exp(-x)", "0,oo")
    'expression:x*exp(-x),0,oo'
    """
    return f"{EXPRESSION}{formula},{support}"
