"""The engine *multinomial*: T_m from multinomial counts in cells and positions within them."""
