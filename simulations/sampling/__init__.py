"""Random samples: a published generator keyed by (seed, replicate), and the quantile functions that it goes through."""
