"""Replicates of T_m by multinomial counts in cells, then positions within them."""
