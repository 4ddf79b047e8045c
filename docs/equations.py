"""The site's table of equations: as a loop, as it runs, which test."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]

LOOPS = "fastbp/kernels/loops.py"
# system, equation, how its line of the loops begins, (file, how the line begins) as it runs, (test file, test)
ROWS = (
    (
        "a, b, c",
        "z_i = Σ_j w_ij a_j + b_i",
        "def forward(",
        ("fastbp/kernels/tiles/gemm.py", "def gemm_tile("),
        ("tests/kernels/test_loops.py", "test_tiles_give_the_bits_of_the_loops"),
    ),
    (
        "a, b, c",
        "a_i = σ(z_i), any σ of the table",
        None,
        ("fastbp/kernels/formulas.py", "def activation_address("),
        ("tests/tables/test_activations.py", ""),
    ),
    (
        "a",
        "Z = W X + b, samples as columns; A = g(Z), then a sigmoid",
        None,
        ("fastbp/kernels/forward_layers.py", "def forward_samples("),
        ("tests/training/test_network.py", "test_two_layers_with_samples_as_columns_equal_the_matrix_form"),
    ),
    (
        "a, b",
        "C = −1/m Σ (y ln a + (1 − y) ln(1 − a))",
        None,
        ("fastbp/losses.py", "def sigmoid_cross_entropy("),
        ("tests/tables/test_losses.py", ""),
    ),
    (
        "c",
        "C = ½‖a − t‖², mean over the samples",
        None,
        ("fastbp/losses.py", "def quadratic("),
        ("tests/training/test_network.py", "test_3_4_2_network_with_quadratic_cost_equals_the_chain_rule_by_hand"),
    ),
    (
        "b",
        "δ^L = ∂C/∂a ⊙ σ'(z^L), the general form",
        None,
        ("fastbp/kernels/formulas.py", "def loss_address("),
        ("tests/training/test_network.py", "test_general_and_special_form_of_the_output_delta_agree"),
    ),
    (
        "b",
        "δ^L = a − y, the special form",
        None,
        ("fastbp/losses.py", "def sigmoid_cross_entropy_delta("),
        ("tests/training/test_network.py", "test_general_and_special_form_of_the_output_delta_agree"),
    ),
    (
        "a, b, c",
        "δ_j = Σ_i w_ij δ_i σ'(z_j)",
        "def backward(",
        ("fastbp/kernels/backward_layers.py", "def backward_layer("),
        ("tests/training/test_gradcheck.py", "test_every_gradient_agrees_with_finite_differences"),
    ),
    (
        "a, b, c",
        "∂C/∂w_ij = Σ_s δ_si a_sj",
        "def gradient(",
        ("fastbp/kernels/gradient_layers.py", "def tile_sums("),
        ("tests/training/test_gradcheck.py", "test_every_gradient_agrees_with_finite_differences"),
    ),
    (
        "a, b, c",
        "∂C/∂b_i = Σ_s δ_si",
        "db_i +=",
        ("fastbp/kernels/gradient_layers.py", "def gradient_biases("),
        ("tests/training/test_gradcheck.py", "test_every_gradient_agrees_with_finite_differences"),
    ),
    (
        "a, b, c",
        "w_ij ← w_ij − α ∂C/∂w_ij",
        None,
        ("fastbp/kernels/gradient_layers.py", "def gradient_tile("),
        ("tests/training/test_network.py", "test_minibatches_with_a_ragged_last_one_equal_the_naive_loops"),
    ),
)


def place(file: str, text: str) -> str:
    """The file and the number of its line that begins with `text`."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    number = next(k for k, line in enumerate(lines, 1) if line.strip().startswith(text))
    return f"`{file.removeprefix('fastbp/kernels/')}`, line {number}"


def table() -> str:
    """The rows in Markdown; files of the kernels without their folder."""
    lines = ["| system | equation | as a loop | as it runs | test |", "|---|---|---|---|---|"]
    for system, equation, loop, kernel, (file, test) in ROWS:
        shown = f"{place(file, f'def {test}(')}" if test else f"`{file}`"
        as_a_loop = place(LOOPS, loop) if loop else ""
        lines.append(f"| {system} | {equation} | {as_a_loop} | {place(*kernel)} | {shown} |")
    return "\n".join(lines)
