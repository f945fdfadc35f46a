"""Infrastructure that every package uses; it knows no mathematics and imports no torch."""
