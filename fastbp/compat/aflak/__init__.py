"""Modules of O. Aflak's network of layer objects: `network`, `fc_layer`, `activation_layer`, `activations`, `losses`.

Samples are rows (1, n), one at a time. `Network.fit` goes over to the kernels where they pay and give the same numbers.
"""
