"""Names of the engines that compute T_m; imports nothing heavy."""

#: The smallest m at which ``auto`` selects each engine.
#:
#: Below m = 500 the exact engine takes less than a tenth of a millisecond for a replicate, without discretisation
#: error. From about m = 3,000, drawing the counts of the cells is faster than drawing every observation.
CHOSEN_FROM = {"exact": 1, "cells": 500, "multinomial": 3000, "sums": 30_000}

#: What ``--engine`` accepts.
ENGINE_NAMES = ("auto", *CHOSEN_FROM)
