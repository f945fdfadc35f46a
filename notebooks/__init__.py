"""The figures of the paper and those it lacks, as notebooks; ``python -m notebooks.execute`` runs them all."""
