"""Every block size and threshold of the kernels, with its unit, the cache that it is for, and the measured reason."""

from __future__ import annotations

from fastbp.kernels.runtime.host import L2, VECTOR_BYTES, VECTOR_REGISTERS

# 64-byte vectors on a CPU without them are pairs of its own; tiles and panels keep the shapes made for such vectors.
_MANY = VECTOR_REGISTERS == 32 or VECTOR_BYTES == 64

# ------------------------------------------------------------------ register tiles
# Rows (samples) of the product's tile, two vectors wide: 10 x 2 sums, a row of two vectors and a broadcast fill 23 of
# 32 registers, 6 x 2 fill 15 of 16. With 32 registers heights 6 to 12 reach 97 % of the FMA limit, 4 reaches 85 %, 14
# spills (92 %): the last rows are divided such that no short tile is left over.
MR_MAX, MR, MR_MIN = (10, 8, 6) if _MANY else (6, 6, 4)
# Inputs j and vectors of outputs i of a gradient tile. With 32 registers 16 x 1: 16 sums, a vector of δ and a broadcast
# of a take 18 of them; half the height at twice the width is as fast, but the tile is transposed when it is stored and
# should be square. With 16 registers 6 x 2: 12 sums, 8 loads for 12 multiply-adds, where 8 x 1 takes 9 for 8 and has
# only 8 sums in flight. The last tile of a block is GRAD_MR_LOW high where that is enough. A thread's share is whole
# units: tiles, and squares of both dtypes to transpose.
GRAD_MR, GRAD_VECTORS, GRAD_MR_LOW, GRAD_UNIT = (16, 1, 8, 16) if _MANY else (6, 2, 4, 24)
# Outputs up to which a layer is skinny: rows of its gradient's tile.
SKINNY = 4
# Neurons whose rows of W meet up to three samples where the weights are not packed: 12 sums, 7 loads for 12
# multiply-adds.
NEURONS = 4
# Vectors of outputs up to which softmax goes column by column, a vector of samples side by side.
COLUMN_VECTORS = 4
# Numbers on the stack for the sums of a tile: more than any tile has.
TILE_SUMS = 64

# ------------------------------------------------------------------ samples
# Samples up to which forward reads the user's W and packs nothing: so many that packed panels save no more than they
# cost, within these bounds.
DIRECT_BATCHES = (3, 48)
# Costs of packed panels in ns: of a call, and for each byte of the parameters, a sixth of what it takes to compare
# them with those that were packed, which only calls after a user's look at them need.
PACKED_COSTS = (5500, 0.005)
# What their sums save in ns a sample, for each neuron and each weight, by bytes of a number. 24 samples in float32: of
# 64-8x64-10 51 → 34 µs; of 784-128-10 63 → 61; of 784-30-10 25 µs, with panels 31 (Zen 3).
PACKED_SAVES = {4: (1.7, 0.002), 8: (0.0, 0.01)}
# Samples that go forward together where nothing is trained: so many that inputs and activations take half of the L2
# cache, within these bounds; as many as the upper one where the weights alone take more, so that they are read rarely.
INFERENCE_BLOCKS = (24, 240)
# Samples of a pass over δ and a in ∂C/∂w, after which the sums go to memory; and that go forward and back together
# where the weights are large: δ and a of a pass stay in the L2 cache. µs a sample with passes of 512, 128, 64 (Zen 3):
# 10.7, 10.0, 9.9 (256 samples of 784-256-10), 22.3, 20.6, 20.0 (512 in float64), 40.1, 37.9, 37.6 (256 of
# 784-512-512-10), 557, 542, 567 (512 of 1024-2048-2048-1000). 512 was measured on Zen 4, whose L2 is twice as large.
SAMPLE_PASS = 512 if _MANY else 128
# Samples that go through all layers together where all weights take at most half of the L2 cache: their a and δ fit
# beside them.
L2_WEIGHT_BYTES, L2_SAMPLES = L2 // 2, 64

# ------------------------------------------------------------------ weights
# Inputs j of which an optimizer's formula gets a panel at a time: w, g and each state of 4 KiB (1.5 KiB with 16
# registers), in L1.
UPDATE_ROWS = 32 if _MANY else 24
# Inputs of a layer that are copied together for its gradient, in units of so many, where inputs and δ of a minibatch
# are more bytes than COPY_BYTES. With 16 registers these are the 64 pages of the first-level TLB: beyond them each
# sample costs a miss. 24, 48 or 96 inputs make no difference at 784-256, but 10.1, 8.7, 8.3 ms a step where rows are 96
# KiB apart (209 samples of 12288-20 in float64, Zen 3; NumPy 8.4; 20 ms without copies). Share of the FMA limit with
# and without copies (Zen 3): 84, 74 % (128 samples of 784-256), 88, 60 % (512 of 2048-2048), but 67, 72 % (32 of
# 784-128) and 71, 84 % (64 of 64-64). With 32 registers all vectors of i pass over the copy of 128 KiB: 47.0 → 39.4 ms
# with the next tile prefetched (512 samples of 2048-2048, Zen 4).
COPY_COLUMNS, COPY_UNIT, COPY_BYTES = (64, 16, 1 << 19) if _MANY else (48, 48, 1 << 18)
# Samples and outputs for which a copy is read often enough: two panels of float32 on AVX2.
COPY_SAMPLES, COPY_OUTPUTS = (1, 1) if _MANY else (24, 17)
# Samples from which a column of X, read where it lies, may fall on too few cache sets.
COLUMN_SAMPLES = 64
# Numbers of the gradient whose squares are summed in the network's dtype before they go to a float64 sum: float32 holds
# the sum of so many squares to 1e-5.
NORM_PART = 4096
