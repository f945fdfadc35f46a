"""Infrastructure of all packages, without mathematics and without torch."""
