"""The engine *sums*: T_m from multinomial counts in cells and normal power sums within them, at a cost free of m."""
