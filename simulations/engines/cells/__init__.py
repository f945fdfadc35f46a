"""T_m from moments in cells: fast, with a measured error."""
