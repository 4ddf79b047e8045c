"""Modules with the names of well-known NumPy code: change the import, and the loops of training run compiled.

Pieces, such as one forward pass, stay plain NumPy. A loop begins in NumPy, too. The kernels are imported when the work
that is left would take longer than that, and they take over where they give the numbers of the code that ran so far.
"""
