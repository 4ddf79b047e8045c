"""The compiled kernels: loops over i and j, from CPU vectors up to a whole epoch."""
