"""CPU vectors as a Numba type, and elementary functions on them."""
