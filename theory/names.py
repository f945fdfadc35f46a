"""Names of kernels, densities and weights, as the command line and Python take them; imports nothing heavy."""

#: The kernels of `theory.kernels`.
KERNEL_NAMES = ("epanechnikov", "uniform", "triangular", "biweight", "triweight", "cosine", "gaussian", "logistic")

#: Bimodal: two normal densities of equal weight.
MIXTURE_EXAMPLE = "mixture:0.5*normal(-1,0.5)+0.5*normal(1,0.5)"

#: How the densities of `theory.densities.families` are written.
DENSITY_FORMS = ("normal", "logistic", "laplace", "uniform:lo,hi", "beta:p,q", MIXTURE_EXAMPLE)

#: How the weights of `theory.densities.weights` are written.
WEIGHT_FORMS = ("window:c,d", "inverse-density:c,d", "one")
