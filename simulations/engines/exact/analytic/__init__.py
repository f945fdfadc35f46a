"""T_m for the kernels that are analytic on the whole line: the Gaussian and the logistic."""
