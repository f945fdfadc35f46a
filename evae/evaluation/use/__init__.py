"""Use of a trained model from Python: new images, likelihoods, traversals of the latent space, export."""
