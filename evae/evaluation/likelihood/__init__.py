"""Log-likelihood of hold-out images: by importance sampling, and by annealed importance sampling."""
