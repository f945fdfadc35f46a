"""The engines that compute T_m, one folder for each value of ``--engine``; `choice` selects one.

A *cell* is an interval of the grid on which observations are counted; *strata* are the parts of a cell within which a
position is drawn; *nodes* are the points at which the integral is summed; *panels* and *segments* are intervals of
quadrature; *knots* and *breakpoints* are where a piecewise formula changes.
"""
