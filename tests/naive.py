"""The equations as loops over lists of floats, one index at a time; nothing here knows of the library it judges.

W[l][i][j], b[l][i], z[l][s][i], a[l][s][i], delta[l][s][i] with layers l = 1..L, neurons i and j, samples s; a[0] is X,
and the places of layer 0 in W, b, z and delta are None. `activations[l]` and `loss` are names.
"""

import math


def sigma(name, z):
    """a = σ(z) of all neurons of one layer and sample."""
    if name == "sigmoid":
        return [1 / (1 + math.exp(-z_i)) if z_i >= 0 else math.exp(z_i) / (1 + math.exp(z_i)) for z_i in z]
    if name == "tanh":
        return [math.tanh(z_i) for z_i in z]
    if name == "hard_sigmoid":
        return [min(max(z_i / 6 + 0.5, 0.0), 1.0) for z_i in z]
    if name == "relu":
        return [z_i if z_i > 0 else 0.0 for z_i in z]
    if name == "identity":
        return list(z)
    if name == "softmax":
        total = sum(math.exp(z_k - max(z)) for z_k in z)
        return [math.exp(z_i - max(z)) / total for z_i in z]
    raise ValueError(name)


def sigma_prime(name, z_i):
    """σ'(z_i), from z alone."""
    if name == "sigmoid":
        return 1 / (2 + math.exp(z_i) + math.exp(-z_i))
    if name == "tanh":
        return 1 / math.cosh(z_i) ** 2
    if name == "hard_sigmoid":
        return 1 / 6 if -3 < z_i < 3 else 0.0
    if name == "relu":
        return 1.0 if z_i > 0 else 0.0
    if name == "identity":
        return 1.0
    raise ValueError(name)


def forward(X, W, b, activations):
    """z_i = Σ_j w_ij a_j + b_i and a_i = σ(z_i), layer by layer."""
    L, m = len(W) - 1, len(X)
    z, a = [None], [X]
    for l in range(1, L + 1):
        z.append([])
        a.append([])
        for s in range(m):
            z_s = []
            for i in range(len(W[l])):
                z_i = b[l][i]
                for j in range(len(W[l][i])):
                    z_i += W[l][i][j] * a[l - 1][s][j]
                z_s.append(z_i)
            z[l].append(z_s)
            a[l].append(sigma(activations[l], z_s))
    return z, a


def cost_of_sample(loss, output, a, y):
    """C_s: ½ Σ (a − y)², −Σ (y ln a + (1 − y) ln(1 − a)), or −Σ y ln a for softmax."""
    C = 0.0
    for a_i, y_i in zip(a, y, strict=True):
        if loss == "quadratic":
            C += 0.5 * (a_i - y_i) ** 2
        elif output == "softmax":
            C -= y_i * math.log(a_i)
        else:
            C -= y_i * math.log(a_i) + (1 - y_i) * math.log(1 - a_i)
    return C


def cost_prime(loss, output, a_i, y_i):
    """∂C_s/∂a_i."""
    if loss == "quadratic":
        return a_i - y_i
    if output == "softmax":
        return -y_i / a_i
    return -y_i / a_i + (1 - y_i) / (1 - a_i)


def cost(X, Y, W, b, activations, loss, v=None):
    """C = 1/m Σ_s v_s C_s, v_s = 1 if absent."""
    m = len(X)
    a = forward(X, W, b, activations)[1]
    C = 0.0
    for s in range(m):
        C += (1.0 if v is None else v[s]) * cost_of_sample(loss, activations[-1], a[-1][s], Y[s])
    return C / m


def delta_L(z, a, y, output, loss):
    """δ_i^L = Σ_k ∂C_s/∂a_k ∂a_k/∂z_i, which is ∂C_s/∂a_i σ'(z_i) where a_k depends on z_k alone."""
    n = len(z)
    dC = [cost_prime(loss, output, a[i], y[i]) for i in range(n)]
    if output == "softmax":
        return [sum(dC[k] * a[k] * ((1.0 if i == k else 0.0) - a[i]) for k in range(n)) for i in range(n)]
    return [dC[i] * sigma_prime(output, z[i]) for i in range(n)]


def delta_L_special(a, y):
    """δ_i^L = a_i − y_i: sigmoid or softmax with cross-entropy."""
    return [a_i - y_i for a_i, y_i in zip(a, y, strict=True)]


def delta(z, a, Y, W, activations, loss):
    """δ_j^l = Σ_i w_ij^{l+1} δ_i^{l+1} σ'(z_j^l), from the output back, of each sample's own cost."""
    L, m = len(W) - 1, len(Y)
    d = [None] * (L + 1)
    d[L] = [delta_L(z[L][s], a[L][s], Y[s], activations[L], loss) for s in range(m)]
    for l in range(L - 1, 0, -1):
        d[l] = []
        for s in range(m):
            d_s = []
            for j in range(len(W[l])):
                d_j = 0.0
                for i in range(len(W[l + 1])):
                    d_j += W[l + 1][i][j] * d[l + 1][s][i]
                d_s.append(d_j * sigma_prime(activations[l], z[l][s][j]))
            d[l].append(d_s)
    return d


def gradients(X, Y, W, b, activations, loss, v=None):
    """∂C/∂w_ij = 1/m Σ_s v_s δ_si a_sj and ∂C/∂b_i = 1/m Σ_s v_s δ_si."""
    L, m = len(W) - 1, len(X)
    z, a = forward(X, W, b, activations)
    d = delta(z, a, Y, W, activations, loss)
    dW, db = [None], [None]
    for l in range(1, L + 1):
        dW.append([[0.0] * len(W[l][i]) for i in range(len(W[l]))])
        db.append([0.0] * len(W[l]))
        for i in range(len(W[l])):
            for s in range(m):
                d_i = (1.0 if v is None else v[s]) * d[l][s][i] / m
                db[l][i] += d_i
                for j in range(len(W[l][i])):
                    dW[l][i][j] += d_i * a[l - 1][s][j]
    return dW, db


def sgd(W, b, dW, db, learning_rate):
    """w_ij ← w_ij − α ∂C/∂w_ij and b_i ← b_i − α ∂C/∂b_i, in place."""
    for l in range(1, len(W)):
        for i in range(len(W[l])):
            b[l][i] -= learning_rate * db[l][i]
            for j in range(len(W[l][i])):
                W[l][i][j] -= learning_rate * dW[l][i][j]
