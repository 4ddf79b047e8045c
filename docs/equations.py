"""The site's table of equations: as a loop, as it runs, which test."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]

LOOPS = "fastbp/kernels/loops.py"
# equation, documents, how its line of the loops begins, (file, how the line begins) as it runs, (test file, test)
ROWS = (
    (
        r"$z_i = \sum_j w_{ij}\, a_j + b_i$",
        "all",
        "def forward(",
        ("fastbp/kernels/tiles/gemm.py", "def gemm_tile("),
        ("tests/kernels/test_loops.py", "test_tiles_give_the_bits_of_the_loops"),
    ),
    (
        r"$a_i = \sigma(z_i)$, any $\sigma$ of the table",
        "all",
        None,
        ("fastbp/kernels/formulas.py", "def activation_address("),
        ("tests/tables/test_activations.py", ""),
    ),
    (
        "$Z = W X + b$, samples as columns; $A = g(Z)$, then a sigmoid",
        "a",
        None,
        ("fastbp/kernels/forward_layers.py", "def forward_samples("),
        ("tests/training/test_network.py", "test_two_layers_with_samples_as_columns_equal_the_matrix_form"),
    ),
    (
        r"$C = -\frac1m \sum \bigl(y \ln a$ $+ (1-y) \ln(1-a)\bigr)$",
        "a, b",
        None,
        ("fastbp/losses.py", "def sigmoid_cross_entropy("),
        ("tests/tables/test_losses.py", ""),
    ),
    (
        r"$C = \frac12 \lVert a - t \rVert^2$, mean over the samples",
        "c",
        None,
        ("fastbp/losses.py", "def quadratic("),
        ("tests/training/test_network.py", "test_3_4_2_network_with_quadratic_cost_equals_the_chain_rule_by_hand"),
    ),
    (
        r"$\delta^L = \partial C/\partial a \odot \sigma'(z^L)$, the general form",
        "b",
        None,
        ("fastbp/kernels/formulas.py", "def loss_address("),
        ("tests/training/test_network.py", "test_general_and_special_form_of_the_output_delta_agree"),
    ),
    (
        r"$\delta^L = a - y$, the special form",
        "b",
        None,
        ("fastbp/losses.py", "def sigmoid_cross_entropy_delta("),
        ("tests/training/test_network.py", "test_general_and_special_form_of_the_output_delta_agree"),
    ),
    (
        r"$\delta_j = \sum_i w_{ij}\, \delta_i\, \sigma'(z_j)$",
        "all",
        "def backward(",
        ("fastbp/kernels/backward_layers.py", "def backward_layer("),
        ("tests/training/test_gradcheck.py", "test_every_gradient_agrees_with_finite_differences"),
    ),
    (
        r"$\partial C/\partial w_{ij} = \sum_s \delta_{si}\, a_{sj}$",
        "all",
        "def gradient(",
        ("fastbp/kernels/gradient_layers.py", "def tile_sums("),
        ("tests/training/test_gradcheck.py", "test_every_gradient_agrees_with_finite_differences"),
    ),
    (
        r"$\partial C/\partial b_i = \sum_s \delta_{si}$",
        "all",
        "db_i +=",
        ("fastbp/kernels/gradient_layers.py", "def gradient_biases("),
        ("tests/training/test_gradcheck.py", "test_every_gradient_agrees_with_finite_differences"),
    ),
    (
        r"$w_{ij} \leftarrow w_{ij} - \alpha\, \partial C/\partial w_{ij}$",
        "all",
        None,
        ("fastbp/kernels/gradient_layers.py", "def gradient_tile("),
        ("tests/training/test_network.py", "test_minibatches_with_a_ragged_last_one_equal_the_naive_loops"),
    ),
)


def place(file: str, text: str) -> str:
    """The name of the file and the number of its line that begins with `text`."""
    if not text:
        return f"`{Path(file).name}`"
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    number = next(k for k, line in enumerate(lines, 1) if line.strip().startswith(text))
    return f"`{Path(file).name}`, line {number}"


def table() -> str:
    """The rows in Markdown."""
    lines = ["| equation | in | as a loop | as it runs | test |", "|---|---|---|---|---|"]
    for equation, documents, loop, kernel, (file, test) in ROWS:
        as_a_loop = place(LOOPS, loop) if loop else ""
        shown = place(file, f"def {test}(" if test else "")
        lines.append(f"| {equation} | {documents} | {as_a_loop} | {place(*kernel)} | {shown} |")
    return "\n".join(lines)
