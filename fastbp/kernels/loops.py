"""The three equations as loops over i, j and s. Read this first: every other kernel computes the same, faster.

Shapes, C order, one dtype: x (m, n_in); z, delta_out (m, n_out); delta_in, sigma_prime (m, n_in); W, dW (n_out, n_in);
b, db (n_out,). The caller allocates, a kernel fills.

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
    """z_si = Σ_j w_ij x_sj + b_i."""
    for s in prange(x.shape[0]):
        for i in range(W.shape[0]):
            z_i = b[i]
            for j in range(W.shape[1]):
                z_i += W[i, j] * x[s, j]
            z[s, i] = z_i


@textbook
def backward(delta_in, delta_out, W, sigma_prime):
    """δ_sj = Σ_i w_ij δ_si σ'(z_sj)."""
    for s in prange(delta_out.shape[0]):
        for j in range(W.shape[1]):
            delta_j = W.dtype.type(0)
            for i in range(W.shape[0]):
                delta_j += W[i, j] * delta_out[s, i]
            delta_in[s, j] = delta_j * sigma_prime[s, j]


@textbook
def gradient(dW, db, delta, x):
    """∂C/∂w_ij = Σ_s δ_si x_sj, ∂C/∂b_i = Σ_s δ_si."""
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
