"""Modules of The Independent Code's layer objects: `network`, `dense`, `activation`, `activations`, `losses`.

Samples are columns (n, 1), one at a time. `train` goes over to the kernels where they pay and give the same numbers.
"""
