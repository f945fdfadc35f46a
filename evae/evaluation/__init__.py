"""Evaluation of a trained model: metrics, pictures and new images."""
