"""The equations on whole NumPy arrays, for loops of your own: the functions of `fastbp.kernels.loops`, tiled.

Signatures, shapes and bits are those of the loops. The work is shared by as many threads as `numba.set_num_threads`
sets, one or more. Weights are packed anew at each call. Training does not take these functions for that reason.

They are called from Python as ``fastbp.kernels.forward`` and so on, and from functions that Numba compiles: see
``examples/own_loop.py``.

The caller keeps four rules, because no argument is checked. All arrays have one dtype, float32 or float64. All are in C
order. An array that is written shares no memory with another argument. The shapes are those of the docstrings: a wrong
shape crashes the process.
"""

from __future__ import annotations

import numpy as np
from numba import get_num_threads, prange

from fastbp.kernels.blocking import SAMPLE_PASS
from fastbp.kernels.gradient_layers import CONTINUED, NEW, gradient_panel
from fastbp.kernels.runtime.jit import entry
from fastbp.kernels.tiles.gemm import gemm
from fastbp.kernels.tiles.packing import pack, pack_transposed, padded, panel_width, unpack
from fastbp.kernels.vectors.memory import keep_alive, lanes_in, pointer


def forward_arrays(z, W, b, x):
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

    See Also
    --------
    fastbp.kernels.loops.forward : The same as loops.

    Notes
    -----
    All arrays have one dtype, float32 or float64, and C order. The written ones share no memory with the others.
    No argument is checked: a wrong shape crashes the process.

    Examples
    --------
    >>> import numpy as np
    >>> from fastbp.kernels.arrays import forward
    >>> z = np.empty((2, 1))
    >>> forward(z, np.array([[1.0, 2.0]]), np.array([0.5]), np.array([[1.0, 1.0], [0.0, 3.0]]))
    >>> z
    array([[3.5],
           [6.5]])
    """
    m, n_out, n_in = z.shape[0], z.shape[1], x.shape[1]
    ld = padded(n_out, lanes_in(pointer(W)))
    w, start = np.zeros(ld * n_in, W.dtype), np.zeros(ld, W.dtype)
    rows, index = np.empty((m, ld), W.dtype), np.arange(m)
    start[:n_out] = b
    pack(pointer(w), pointer(W), n_out, n_in)
    threads = get_num_threads()
    share = (m + threads - 1) // threads
    for t in prange(threads):
        s0, s1 = min(m, np.int64(t) * share), min(m, np.int64(t) * share + share)
        a, o = pointer(rows), pointer(index)
        gemm(a, ld, pointer(x), o, n_in, n_in, pointer(w), n_in, n_out, pointer(start), np.int64(0), s0, s1)
    z[:] = rows[:, :n_out]
    keep_alive(w)
    keep_alive(start)
    keep_alive(rows)
    keep_alive(index)


def backward_arrays(delta_in, delta_out, W, sigma_prime):
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

    See Also
    --------
    fastbp.kernels.loops.backward : The same as loops.

    Notes
    -----
    All arrays have one dtype, float32 or float64, and C order. The written ones share no memory with the others.
    No argument is checked: a wrong shape crashes the process.

    Examples
    --------
    >>> import numpy as np
    >>> from fastbp.kernels.arrays import backward
    >>> delta_in = np.empty((1, 2))
    >>> backward(delta_in, np.array([[2.0]]), np.array([[1.0, 3.0]]), np.array([[1.0, 0.5]]))
    >>> delta_in
    array([[2., 3.]])
    """
    m, n_in, n_out = delta_in.shape[0], delta_in.shape[1], delta_out.shape[1]
    ld, depth = padded(n_in, lanes_in(pointer(W))), padded(n_out, lanes_in(pointer(W)))
    w_t, zeros = np.zeros(ld * depth, W.dtype), np.zeros(ld, W.dtype)
    rows, index = np.zeros((m, ld), W.dtype), np.arange(m)
    rows[:, :n_in] = sigma_prime
    pack_transposed(pointer(w_t), pointer(W), n_out, n_in, depth)
    threads = get_num_threads()
    share = (m + threads - 1) // threads
    for t in prange(threads):
        s0, s1 = min(m, np.int64(t) * share), min(m, np.int64(t) * share + share)
        a, x, o = pointer(rows), pointer(delta_out), pointer(index)
        gemm(a, ld, x, o, n_out, n_out, pointer(w_t), depth, n_in, pointer(zeros), np.int64(1), s0, s1)
    delta_in[:] = rows[:, :n_in]
    keep_alive(w_t)
    keep_alive(zeros)
    keep_alive(rows)
    keep_alive(index)


def gradient_arrays(dW, db, delta, x):
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

    See Also
    --------
    fastbp.kernels.loops.gradient : The same as loops.

    Notes
    -----
    All arrays have one dtype, float32 or float64, and C order. The written ones share no memory with the others.
    No argument is checked: a wrong shape crashes the process.

    Examples
    --------
    >>> import numpy as np
    >>> from fastbp.kernels.arrays import gradient
    >>> dW, db = np.empty((1, 2)), np.empty(1)
    >>> gradient(dW, db, np.array([[1.0], [2.0]]), np.array([[1.0, 0.0], [3.0, 1.0]]))
    >>> dW, db
    (array([[7., 2.]]), array([3.]))
    """
    m, n_in, n_out, lanes = x.shape[0], x.shape[1], delta.shape[1], lanes_in(pointer(x))
    ld = padded(n_out, lanes)
    rows, g, index = np.zeros((m, ld), x.dtype), np.zeros(ld * n_in, x.dtype), np.arange(m)
    rows[:, :n_out] = delta
    threads = get_num_threads()
    for t in prange(threads):
        for p in range(np.int64(t) * 2 * lanes, n_out, threads * 2 * lanes):
            to, d, width = pointer(g) + p * n_in, pointer(rows) + p, panel_width(n_out - p, lanes)
            for s0 in range(0, m, SAMPLE_PASS):
                kind = np.int64(NEW if s0 == 0 else CONTINUED)
                s1, a, o = min(m, s0 + SAMPLE_PASS), pointer(x), pointer(index)
                gradient_panel(to, width, a, np.int64(1), o, n_in, d, ld, s0, s1, np.int64(0), n_in, kind)
    unpack(pointer(dW), pointer(g), n_out, n_in)
    for i in range(n_out):
        db[i] = 0
        for s in range(m):
            db[i] += delta[s, i]
    keep_alive(rows)
    keep_alive(g)
    keep_alive(index)


forward = entry(forward_arrays, "forward", parallel=True)
backward = entry(backward_arrays, "backward", parallel=True)
gradient = entry(gradient_arrays, "gradient", parallel=True)
