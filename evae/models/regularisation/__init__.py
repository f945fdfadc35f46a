"""Terms of a loss besides the reconstruction error: divergences from a prior, and penalties."""
