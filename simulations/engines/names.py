"""Names of the engines that compute T_m; imports nothing heavy."""

#: The smallest m at which ``auto`` selects each engine.
#:
#: Below m = 500 the exact engine takes less than a tenth of a millisecond for a replicate, without discretisation
#: error. From about m = 3,000, drawing the counts of the cells is faster than drawing every observation, and from about
#: m = 30,000 drawing the sums of a cell is faster than drawing the positions in it.
CHOSEN_FROM = {"exact": 1, "cells": 500, "multinomial": 3000, "sums": 30_000}

#: The largest m of each engine: all but the last draw every observation, and one keeps the whole sample.
LARGEST_M = {"exact": 10**9, "cells": 10**9, "multinomial": 10**9, "sums": 10**15}

#: What ``--engine`` accepts.
ENGINE_NAMES = ("auto", *CHOSEN_FROM)
