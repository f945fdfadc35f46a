"""Experiments with many runs: the paper's Tables 1 and 2, and the ablation."""
