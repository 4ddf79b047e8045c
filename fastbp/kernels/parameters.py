"""Between the user's flat parameters and the panels of all layers."""

from __future__ import annotations

from fastbp.kernels.jit import entry
from fastbp.kernels.memory import all_layers
from fastbp.kernels.panels import pack, pack_back, padded, unpack, unpack_back
from fastbp.kernels.simd import at, keep_loop, lanes_in, pointer


def to_panels(panels, back, flat, shapes):
    """Panels, and those that backward reads where `back` has room, from the flat parameters."""
    layers, w = all_layers(shapes), pointer(panels)
    for l in range(len(layers)):
        layer = layers[l]
        W = at(pointer(flat), layer.parameters)
        if layer.narrow:
            pack_back(at(w, layer.weights), W, layer.n_out, layer.n_in, layer.n_out)
        else:
            pack(at(w, layer.weights), W, layer.n_out, layer.n_in)
        if layer.back >= 0 and len(back) > 0:
            depth = padded(layer.n_out, lanes_in(W))
            pack_back(at(pointer(back), layer.back), W, layer.n_out, layer.n_in, depth)
        for i in range(layer.n_out):
            keep_loop()
            w[layer.biases + i] = W[layer.n_out * layer.n_in + i]


def from_panels(flat, panels, shapes):
    """The flat parameters from panels."""
    layers, w = all_layers(shapes), pointer(panels)
    for l in range(len(layers)):
        layer = layers[l]
        W = at(pointer(flat), layer.parameters)
        if layer.narrow:
            unpack_back(W, at(w, layer.weights), layer.n_out, layer.n_in, layer.n_out)
        else:
            unpack(W, at(w, layer.weights), layer.n_out, layer.n_in)
        for i in range(layer.n_out):
            keep_loop()
            W[layer.n_out * layer.n_in + i] = w[layer.biases + i]


pack_parameters = entry(to_panels, "pack_parameters")
unpack_parameters = entry(from_panels, "unpack_parameters")
