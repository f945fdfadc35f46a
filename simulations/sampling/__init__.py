"""Random samples: a published generator keyed by (seed, replicate), and tables of quantile functions."""
