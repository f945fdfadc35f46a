"""The engine *exact*: T_m of a sorted sample to nearly machine precision."""
