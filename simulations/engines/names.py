"""Names of the engines that compute T_m; imports nothing heavy."""

#: The m from which ``auto`` takes each engine.
#:
#: Below m = 500 the exact engine takes less than a tenth of a millisecond a replicate and has no error to speak of.
#: From about 3,000 on drawing the counts of the cells is faster than drawing every observation.
CHOSEN_FROM = {"exact": 1, "cells": 500, "multinomial": 3000}

#: What ``--engine`` takes.
ENGINE_NAMES = ("auto", *CHOSEN_FROM)
