"""Hypotheses with unknown parameters: which are estimated, how, and what that does to T_m."""
