"""Statistics of a table's runs: measurements, comparisons, decompositions, and their wording."""
