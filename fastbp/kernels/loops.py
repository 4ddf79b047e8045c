"""The three equations as loops over i, j and s. Read this first: every other kernel computes the same, faster.

Shapes, C order, one dtype: x (m, n_in); z, delta_out (m, n_out); delta_in, sigma_prime (m, n_in); W, dW (n_out, n_in);
b, db (n_out,). The caller allocates, a kernel fills. An array that is written shares no memory with another argument.
No argument is checked: a wrong shape crashes the process.

Nothing here is blocked or vectorised by hand. `fastbp.kernels.arrays` has the same functions in register tiles, and
they give the same bits, because a tile keeps one sum for each result and adds in the order of the equation. Training
differs from the loops in three places, by rounding only: it sums biases in four parts, layers of few outputs lane by
lane, and adds to the weights after each pass of samples.
"""

from __future__ import annotations

from numba import prange

from fastbp.kernels.runtime.jit import textbook


@textbook
def forward(z, W, b, x):
    """Compute the weighted sums z_si = Σ_j w_ij x_sj + b_i.

    Parameters
    ----------
    z : ndarray (m, n_out)
        Weighted sums, which are written.
    W : ndarray (n_out, n_in)
        Weights.
    b : ndarray (n_out,)
        Biases.
    x : ndarray (m, n_in)
        Activations of the layer before, or inputs.

    Examples
    --------
    >>> import numpy as np
    >>> from fastbp.kernels.loops import forward
    >>> z = np.empty((2, 1))
    >>> forward(z, np.array([[1.0, 2.0]]), np.array([0.5]), np.array([[1.0, 1.0], [0.0, 3.0]]))
    >>> z
    array([[3.5],
           [6.5]])
    """
    for s in prange(x.shape[0]):
        for i in range(W.shape[0]):
            z_i = b[i]
            for j in range(W.shape[1]):
                z_i += W[i, j] * x[s, j]
            z[s, i] = z_i


@textbook
def backward(delta_in, delta_out, W, sigma_prime):
    """Compute the errors of the layer before, δ_sj = Σ_i w_ij δ_si σ'(z_sj).

    Parameters
    ----------
    delta_in : ndarray (m, n_in)
        Errors ∂C/∂z_j of the layer before, which are written.
    delta_out : ndarray (m, n_out)
        Errors ∂C/∂z_i of this layer.
    W : ndarray (n_out, n_in)
        Weights.
    sigma_prime : ndarray (m, n_in)
        Derivatives σ'(z_sj) of the layer before.

    Examples
    --------
    >>> import numpy as np
    >>> from fastbp.kernels.loops import backward
    >>> delta_in = np.empty((1, 2))
    >>> backward(delta_in, np.array([[2.0]]), np.array([[1.0, 3.0]]), np.array([[1.0, 0.5]]))
    >>> delta_in
    array([[2., 3.]])
    """
    for s in prange(delta_out.shape[0]):
        for j in range(W.shape[1]):
            delta_j = W.dtype.type(0)
            for i in range(W.shape[0]):
                delta_j += W[i, j] * delta_out[s, i]
            delta_in[s, j] = delta_j * sigma_prime[s, j]


@textbook
def gradient(dW, db, delta, x):
    """Compute the gradient, ∂C/∂w_ij = Σ_s δ_si x_sj and ∂C/∂b_i = Σ_s δ_si.

    Parameters
    ----------
    dW : ndarray (n_out, n_in)
        Derivatives ∂C/∂w_ij, which are written.
    db : ndarray (n_out,)
        Derivatives ∂C/∂b_i, which are written.
    delta : ndarray (m, n_out)
        Errors ∂C/∂z_i.
    x : ndarray (m, n_in)
        Activations of the layer before, or inputs.

    Examples
    --------
    >>> import numpy as np
    >>> from fastbp.kernels.loops import gradient
    >>> dW, db = np.empty((1, 2)), np.empty(1)
    >>> gradient(dW, db, np.array([[1.0], [2.0]]), np.array([[1.0, 0.0], [3.0, 1.0]]))
    >>> dW, db
    (array([[7., 2.]]), array([3.]))
    """
    for i in prange(dW.shape[0]):
        db_i = db.dtype.type(0)
        for s in range(x.shape[0]):
            db_i += delta[s, i]
        db[i] = db_i
        for j in range(dW.shape[1]):
            dW_ij = dW.dtype.type(0)
            for s in range(x.shape[0]):
                dW_ij += delta[s, i] * x[s, j]
            dW[i, j] = dW_ij
