"""The equations on whole NumPy arrays, for loops of your own: the functions of `fastbp.kernels.loops`, tiled.

Signatures, shapes and bits are those of the loops; Numba's number of threads shares the work. Weights are packed anew
at each call, which is why training does not go this way. No argument is checked: a wrong shape is a crash.
"""

from __future__ import annotations

import numpy as np
from numba import get_num_threads, prange

from fastbp.kernels.blocking import SAMPLE_PASS
from fastbp.kernels.gradient import CONTINUED, NEW, gradient_panel
from fastbp.kernels.runtime.jit import entry
from fastbp.kernels.tiles.gemm import gemm
from fastbp.kernels.tiles.packing import pack, pack_transposed, padded, panel_width, unpack
from fastbp.kernels.vectors.memory import keep_alive, lanes_in, pointer


def forward_arrays(z, W, b, x):
    """z_si = Σ_j w_ij x_sj + b_i: z (m, n_out), W (n_out, n_in), b (n_out,), x (m, n_in)."""
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
    """δ_sj = Σ_i w_ij δ_si σ'(z_sj): delta_in, sigma_prime (m, n_in), delta_out (m, n_out), W (n_out, n_in)."""
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
    """∂C/∂w_ij = Σ_s δ_si x_sj, ∂C/∂b_i = Σ_s δ_si: dW (n_out, n_in), db (n_out,), delta (m, n_out), x (m, n_in)."""
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
