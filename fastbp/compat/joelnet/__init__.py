"""Modules of J. Grus's joelnet: `tensor`, `loss`, `layers`, `nn`, `optim`, `data`, `train`.

Samples are rows, in batches. `train` goes over to the kernels where they pay and give the same numbers.
"""
