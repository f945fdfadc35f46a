"""The statistics of whole experiments: what many runs say together, about Tables 1 and 2 and about the ablation."""
