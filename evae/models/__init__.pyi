from .vae import VAE as VAE
