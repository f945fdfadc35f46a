"""Densities without closed forms: their distribution functions are tabulated by quadrature of their values."""
