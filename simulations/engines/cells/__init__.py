"""The engine *cells*: T_m from moments in cells, fast and with a measured error."""
