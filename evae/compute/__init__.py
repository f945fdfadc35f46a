"""Where and how numbers are computed: precision, random streams, processes, batch normalisation across them."""
