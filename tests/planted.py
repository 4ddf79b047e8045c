"""Faults to plant: each with the tests that must catch it. `tests/mutants.py` plants them, one at a time.

Tests of formulas as NumPy computes them compile nothing; a fault in a kernel costs a compilation, so its tests are few.
"""

import shlex
from typing import NamedTuple

import planted_cases
from planted_compat import FACES
from planted_surroundings import AROUND
from reliability import TESTS_OF


class Mutant(NamedTuple):
    """A fault: in `file` of the package, `new` stands for `old`, which is there once; `tests` what pytest is given.

    `case` is the number of what it does in docs/reliability.md, where the tests are those of that case.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    case: int = 0


def _group(file, tests, *rows):
    """Mutants of one file and the same tests: (name, old, new), or (name, old, new, other tests or a case)."""
    return [_mutant(name, file, old, new, (other or [tests])[0]) for name, old, new, *other in rows]


def _mutant(name, file, old, new, tests, words=""):
    """A fault whose tests are arguments of pytest, or those of a case of docs/reliability.md, all or with `words`."""
    if isinstance(tests, str):
        return Mutant(name, file, old, new, tuple(shlex.split(tests)))
    return Mutant(name, file, old, new, (*TESTS_OF[tests], *(["-k", words] if words else [])), tests)


_NETWORK, _RULES = "tests/training/test_network.py", "tests/training/test_regularization.py"
_KERNELS, _TRAINER = "tests/kernels/test_kernels.py", "tests/training/test_trainer.py"
_NUMBERS, _SAVING, _DAMAGE = "tests/training/test_numbers.py", "tests/io/test_saving.py", "tests/io/test_damage.py"
_CHECKPOINT, _CACHE = "tests/io/test_checkpoint.py", "tests/runtime/test_cache.py"
_PLACES, _SURROUNDINGS = "tests/runtime/test_cache_places.py", "tests/runtime/test_surroundings.py"

FORMULAS = [
    *_group(
        "losses.py", "tests/tables/test_losses.py",
        ("half of a square", "return 0.5 * d * d", "return d * d"),
        ("sign in a slope", "- y / np.maximum(a, TINY)\n\n\ndef sigmoid", "+ y / np.maximum(a, TINY)\n\n\ndef sigmoid"),
        ("overflow of exp", "np.maximum(z, 0.0) - z * y + np.log1p(np.exp(-np.abs(z)))", "np.log1p(np.exp(z)) - z * y"),
        ("maximum not subtracted", "shifted = z - np.max(z, axis=-1, keepdims=True)", "shifted = z"),
        ("targets that sum to 1", "return softmax(z) * np.sum(y, axis=-1, keepdims=True) - y", "return softmax(z) - y"),
        ("where huber bends", "near = np.minimum(d, 1.0)", "near = np.minimum(d, 2.0)"),
        ("hinge beyond its margin", "return -t * np.maximum(np.sign(1.0 - t * a), 0.0)", "return -t"),
        ("slope of poisson", "return 1.0 - y / np.maximum(a, TINY)", "return 1.0 - y"),
    ),
    *_group(
        "activations.py", "tests/tables/test_activations.py",
        ("slope of tanh", "return 1.0 - a * a", "return 1.0 - a"),
        ("slope of relu at 0", "return np.sign(a)\n", "return np.sign(a + 1e-30)\n"),
        ("gelu without its half", "return z * (0.5 + 0.5 * erf(SQRT_HALF * z))", "return z * (0.5 + 0.5 * erf(z))"),
        ("slope of silu", "return s + a * (1.0 - s)", "return s + a"),
        ("exp of large numbers", "return e / np.sum(e, axis=-1, keepdims=True)", "return e / np.sum(e)"),
    ),
]
OPTIMIZERS = [
    *_group(
        "update_rules.py", "tests/tables/test_optimizers.py",
        ("nesterov looks back", "return w - rate * (g + momentum * mu), (mu,)", "return w - rate * mu, (mu,)"),
        ("rmsprop without decay", "nu = state[0] + share * (g * g - state[0])", "nu = state[0] + share * g * g"),
        ("adagrad of g", "nu = state[0] + g * g\n", "nu = state[0] + np.abs(g)\n"),
        ("amsgrad forgets", "largest = np.maximum(largest, nu)", "largest = nu"),
        ("adamw without decay", "return w - decay * w - rate * mu", "return w - rate * mu"),
    ),
    *_group(
        "moments.py", "tests/tables/test_optimizers.py",
        ("no correction of ν", "correction2**-0.5", "1.0"),
        ("correction one step late", "1.0 - self.beta1 ** (step + 1.0), 1.0 - self",
         "1.0 - self.beta1 ** (step + 2.0), 1.0 - self"),
        ("decay without the rate", "return self._corrected(step, rate, rate * self.weight_decay)",
         "return self._corrected(step, rate, self.weight_decay)"),
        ("a step of 0 / 0", "return max(eps, _LEAST_EPS)", "return eps", _RULES + " -k there_alone"),
    ),
    *_group(
        "optimizers.py", "tests/tables/test_optimizers.py",
        ("decay taken for plain", "return self.momentum == 0.0 and self.weight_decay == 0.0",
         "return self.momentum == 0.0"),
    ),
    *_group(
        "schedules.py", "tests/tables/test_schedules.py",
        ("steps without stairs", "check_step(step) // self.every",
         "check_step(step) / self.every + 0.01"),
        ("any number of updates", "        check_step(step)\n        return self.value", "        return self.value"),
        ("warm-up one step late", "min((step + 1) / self.steps, 1.0)", "min(step / self.steps, 1.0)"),
    ),
]
TRAINING = [
    *_group(
        "base/trainer.py", _TRAINER + " -k 'reference'",
        ("last update not looked at", "if not is_finite(parameters):", "if False:",
         "tests/training/test_extremes.py -k 'reference'"),
    ),
    *_group(
        "base/trainer.py", "tests/training/test_users_code.py -k reference",
        ("the history of a fit within", "vars(self).update(history=history)  # not", "history = self.history  # not"),
        ("all is the learning rate's fault", "told_error = self._explained(error, feed, steps)", "told_error = error"),
    ),
    *_group(
        "history.py", "tests/training/test_users_code.py -k reference",
        ("uneven columns", "if len(set(lengths.values())) > 1:", "if False:"),
    ),
    *_group(
        "recorders.py", "tests/training/test_users_code.py -k reference",
        ("columns by place", "(logs.get(name, math.nan) for name in self._columns[1:])", "logs.values()"),
    ),
    *_group(
        "base/feeds.py", "tests/training/test_trainer.py -k reference",
        ("data are checked once", "        if not given:\n", "        if False:\n",
         "tests/training/test_users_code.py -k 'spoilt and reference'"),
        ("never shuffles", "        if not trainer.shuffle:\n            return np",
         "        if True:\n            return np"),
        ("the user's own arrays", "data = X.view(), Y.view(), None", "data = X, Y, None",
         "tests/training/test_current.py"),
    ),
    *_group(
        "base/trainer_state.py", "tests/training/test_current.py",
        ("state of another rule", "self.optimizer.formula() is not value.formula()", "False"),
        ("other numbers of a rule begin anew", 'begins_anew = name == "optimizer" and',
         'begins_anew = name == "optimizer" or'),
        ("a rule without a check", "            check_rule(self.optimizer)\n", "",
         "tests/training/test_users_code.py -k 'does_not_go and reference'"),
        ("what is needed is deleted", "if name in _SETTERS or name ==", "if False and name ==",
         "tests/training/test_users_code.py -k 'deleted and reference'"),
        ("another network", 'if name == "network" and "network" in vars(self):', "if False:"),
        ("any count of threads",
         '"threads": lambda value: None if value is None else check_count("threads", value, 1, MANY),',
         '"threads": lambda value: value,'),
        ("any optimizer", '    "optimizer": get_optimizer,\n', ""),
        ("steps are not checked", 'self._steps[0] = check_count("steps", count, 0, MANY)', "self._steps[0] = count"),
        ("a rate of the trainer's", 'if "optimizer" in vars(self) and name in', "if False and name in"),
        ("no word on stop_training", 'if name == "stop_training":', "if False:"),
        ("states that can be written", "            state.flags.writeable = False\n", "            pass\n"),
        ("states of any shape", "if len(arrays) != count or any(array.shape != parameters.shape for array in arrays):",
         "if False:"),
    ),
    *_group(
        "base/network_state.py", "tests/training/test_current.py",
        ("sizes that change", "derived or (name in _FIXED and name in vars(self))", "derived"),
        ("what follows from sizes changes", "derived or (name in _FIXED and name in vars(self))",
         "name in _FIXED and name in vars(self)"),
    ),
    *_group(
        "base/parameters.py", "tests/training/test_current.py",
        ("the array itself is shown", "= np.asarray(memoryview(flat))", "= flat"),
    ),
    *_group(
        "base/sources.py", "tests/training/test_sources.py -k 'an_iterable'",
        ("in a session while a batch is made", "self.at_hand = isinstance(batches, (list, tuple))",
         "self.at_hand = True"),
        ("settings of the epoch's begin", "yield within(opened(), ", "yield within(session, ",
         "tests/training/test_users_code.py -k 'generator and reference'"),
    ),
    *_group(
        "estimators/undo.py", "tests/estimators/test_failed_calls.py",
        ("attributes of a fit that failed", "        vars(mlp).clear()\n        vars(mlp).update(before)\n", ""),
        ("parameters of a fit that failed", "network.parameters[:] = parameters", "pass"),
    ),
    *_group(
        "best.py", "tests/training/test_callback_states.py -k 'reference'",
        ("broken parameters are best", " and are_finite(trainer)", ""),
        ("a tie is better", "self._sign * value < least - self._min_delta",
         "self._sign * value <= least - self._min_delta",
         "tests/training/test_callbacks.py tests/training/test_parameters.py -k 'reference'"),
    ),
    *_group(
        "metrics.py", "tests/training/test_parameters.py",
        ("errors cancel", "return float(np.mean(np.abs(y - a)))", "return float(np.mean(y - a))"),
    ),
]
FILES = [
    *_group(
        "kernels/runtime/whole_files.py", _SAVING,
        ("not on the disk before its name", "        if durable:\n            _sync(descriptor)\n", ""),
        ("temporary file left",
         "            with suppress(OSError):\n                name.unlink()\n        raise\n    finally:",
         "            pass\n        raise\n    finally:", 71),
        ("permissions of a new file", "        _keep_owner_and_mode(descriptor, target)\n", "", 80),
        ("nothing is swept", "    sweep(target.parent)\n", ""),
        ("one write is enough", "        while rest:\n            rest =", "        if rest:\n            rest ="),
    ),
    *_group(
        "io/safetensors.py", _CHECKPOINT,
        ("any number of bytes", "if offsets[1] - offsets[0] != size:", "if False:"),
        ("gaps and overlaps", "        if begin != end:", "        if False:", 74),
        ("checksum not looked at", "        if CHECKSUM in self.metadata:", "        if False:", 72),
        ("byte order of the machine", 'array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)',
         'array.astype(array.dtype.newbyteorder(">"), order="C", copy=False)'),
    ),
    *_group(
        "io/reader.py", _CHECKPOINT,
        ("any format is known", 'require(version <= VERSION, f"', 'require(True, f"', 79),
        ("a lost checksum", "require(version < 2 or CHECKSUM in metadata,", "require(True,", _DAMAGE),
    ),
    *_group(
        "io/strict_json.py", _CHECKPOINT + " " + _DAMAGE,
        ("a name twice", 'require(len(set(names)) == len(names), "', 'require(True, "'),
        ("any depth", 'require(level <= depth, "', 'require(True, "', 76),
    ),
    *_group(
        "io/generators.py", _DAMAGE,
        ("any state of a generator", "type(number) is int and low <= number <= high for", "type(number) is int for"),
    ),
]
CACHE = [
    *_group(
        "kernels/runtime/cache.py", _CACHE + " -k 'damage or swapped'",
        ("any content", "if _digest(file.name, data[_DIGEST:]) != data[:_DIGEST]:", "if False:", 60),
        ("content without a name", 'f"{build_key()} {name}\\0"', 'f"{build_key()}\\0"', 64),
        ("others may write", " and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)", "", _PLACES),
        ("one build for all CPUs", "        *host.build_facts(),\n", "", 69),
        ("code that prints, for all", '"DEBUG_JIT", "DEBUG_NRT", ', "", _CACHE + " -k 'into_code'"),
        ("the user's errors are damage", "if type(error).__module__.partition(\".\")[0] not in _OF_FILES:", "if False:",
         _CACHE + " -k 'signal_handler'"),
        ("formulas not in the key", '"regularization.py", "update_rules.py")', '"regularization.py")', 62),
        ("one build for each count of threads", "*(f\"{name} {getattr(",
         "str(numba.config.NUMBA_NUM_THREADS), *(f\"{name} {getattr(", 65),
        ("an error of the disk", "        except OSError as error:\n            _warn(f\"compiled kernel could",
         "        except KeyError as error:\n            _warn(f\"compiled kernel could", 59),
    ),
    *_group(
        "kernels/runtime/cache.py", _PLACES,
        ("a file in the way", "        except OSError as error:\n            reasons",
         "        except PermissionError as error:\n            reasons"),
        ("a directory of others", "            if not _trusted(path.stat(), _user()):", "            if False:"),
        ("a file of others", "if not _trusted(status, _user(), 0):", "if not _trusted(status, status.st_uid):"),
        ("root's files are not read", "if not _trusted(status, _user(), 0):", "if not _trusted(status, _user()):"),
        ("directories by the umask", "folder.mkdir(mode=0o700, exist_ok=True)", "folder.mkdir(exist_ok=True)"),
        ("read where one may write", "        for place in places():",
         "        for place in filter(None, [directory()]):"),
    ),
    *_group(
        "kernels/runtime/jit.py", _CACHE + " -k 'bounds'",
        ("bounds checked in kernels", "_set(DISABLE_JIT=0, BOUNDSCHECK=0)", "_set(DISABLE_JIT=0)"),
    ),
    *_group(
        "kernels/runtime/jit.py", _SURROUNDINGS,
        ("a fork while a kernel is compiled", "    _compiler_lock().acquire(timeout=_FORK_WAITS)", "    return",
         _SURROUNDINGS + " -k 'another_thread_compiles'"),
    ),
    *_group(
        "compiled/inference.py", _SURROUNDINGS + " -k 'another_thread_trains'",
        ("a fork while a network is trained", "    for bound in _bounds:\n        bound.renew()\n", "    return\n"),
        ("records that outlive their plan", "self._layers = workspace_of(network, training=False)",
         "self._layers = __import__('types').SimpleNamespace(place=workspace_of(network, training=False).place)",
         "tests/training/test_reentrance.py -k 'a_hundred_others'"),
        ("workspaces of the call around", "return work(self.another())", "return work(self)",
         "tests/training/test_reentrance.py -k 'loss-loss'"),
        ("the parameters of the epoch's begin", "if self.session is not None and self.is_mine():", "if False:",
         "tests/training/test_reentrance.py -k 'a_schedule'"),
    ),
    *_group(
        "kernels/runtime/threads.py", _SURROUNDINGS + " -k 'missing'",
        ("no threads, no training", "except ValueError as error:  # the one", "except KeyError as error:  # the one"),
    ),
    *_group(
        "conversion.py", _SURROUNDINGS + " -k 'no_setting and (seterr or warnings)'",
        ("NumPy's errors are the user's", "    if flat.size <= DOT_LIMIT:",
         "    np.float32(1e38) * np.float32(10.0)\n    if flat.size <= DOT_LIMIT:"),
    ),
    *_group(
        "kernels/runtime/threads.py", "tests/runtime/test_thread_choice.py",
        ("threads are judged by how they begin", "median(paces[_SETTLING:] or paces[-1:])", "median(paces)"),
        ("threads that wake are slow for ever", "min([*paces, *self._pace.values()], default=0.0)",
         "paces[-1] if paces else 0.0"),
        ("what was found is forgotten", "        if self._key in _found:", "        if False:"),
        ("threads are asked for all the time", "        if level != self._asked:", "        if False:"),
    ),
    *_group(
        "kernels/runtime/threads.py", "tests/runtime/test_threads.py -k 'whoever'",
        ("count of threads kept", "                numba.set_num_threads(self.before)\n", "                pass\n"),
        ("two inside", "if not self.lock.acquire(blocking=False) or",
         "if not self.lock.acquire(timeout=0.01) and False or", 47),
    ),
]
KERNELS = [
    *_group(
        "kernels/formulas.py", _NUMBERS + " -k 'logits_of'",
        ("maximum not subtracted in rows", "e = np.where(first_lanes(v, n - i), np.exp(load(a, o + i) - top), 0.0)",
         "e = np.where(first_lanes(v, n - i), np.exp(load(a, o + i)), 0.0)"),
        ("maximum not subtracted in columns", "x = np.exp(load(z, i) - top)",
         "x = np.exp(load(z, i))"),
        ("a norm of what fills up vectors", "if ends and n % lanes > 0:", "if ends and n % lanes > lanes:",
         _RULES + " -k there_alone"),
    ),
    *_group(
        "compiled/workspace.py", "tests/runtime/test_guard_pages.py -k 'after and 32'",
        ("a buffer one number short", "aligned(self.n_row * used, self.dtype)",
         "aligned(self.n_row * used - 1, self.dtype)", 66),
    ),
    *_group(
        "kernels/output.py", _NETWORK,
        ("weights of samples", "ws.weight[s] = v * ws.sample_weight[row]", "ws.weight[s] = v",
         _NETWORK + " -k 'fastbp-float64 and copies or copies and float64'"),
        ("the last of equals", "first = i if x[o + i] > x[o + first] else first",
         "first = i if x[o + i] >= x[o + first] else first", _NUMBERS + " -k 'first_counts'"),
    ),
    *_group(
        "kernels/epoch.py", _KERNELS + " -k 'awkward'",
        ("mean of the update", "v = -hyper[0] / m", "v = -hyper[0] / (m + 1)"),
        ("the gradient of the call before", "if diverged and updates(ws):", "if diverged:",
         _NUMBERS + " -k 'infinite_and'"),
        ("no barrier after the updates",
         "            wait(ws.arrivals, t, threads, phase + 2, np.int64(0))\n            phase =",
         "            phase =", 45),
        ("steps not counted", "ws.steps[0] = first + k + 1", "ws.steps[0] = first + 1", _TRAINER + " -k 'step'"),
    ),
    *_group(
        "kernels/backward_layers.py", _RULES + " -k 'dropout'",
        ("no slope where neurons drop", "below.activation | ws.drop_threshold\n", "below.activation\n"),
    ),
    *_group(
        "kernels/gradient_layers.py", _KERNELS + " -k 'awkward'",
        ("the last samples of a bias", "for s in range(m // 4 * 4, m):", "for s in range(m, m):"),
        ("offsets of 32 bits", "rank1(t, columns, index[s] * ldx,",
         "rank1(t, columns, np.int64(np.int32(index[s] * ldx)),",
         "tests/runtime/test_resources.py -k 'beyond'"),
        ("the last pass alone", "np.int64(NEW if s0 == 0 else CONTINUED)", "np.int64(NEW)",
         _KERNELS + " -k 'several_passes'"),
        ("backward's panels are old", "            if ws.epilogue == OPTIMIZER and layer.w_t >= 0:\n",
         "            if False:\n",
         _KERNELS + " -k 'awkward or both_copies'"),
    ),
    *_group(
        "kernels/tiles/gemm.py", "tests/kernels/test_loops.py",
        ("slopes left out", "        t = tile_mul(t, load_tile(z, t))\n", "        t = tile_mul(t, t)\n"),
    ),
    *_group(
        "kernels/tiles/packing.py", _KERNELS + " -k 'panels_hold'",
        ("the last inputs", "for j in range(whole, n_in):", "for j in range(whole + 1, n_in):"),
        ("only the last word", "bits |= p[k] ^ q[k]", "bits = p[k] ^ q[k]",
         "tests/training/test_current.py -k 'in_place'"),
    ),
    *_group(
        "kernels/norms.py", _RULES + " -k 'norm'",
        ("max-norm without a square", "np.where(square > most * most,", "np.where(square > most,"),
        ("a norm without biases", "for start in range(layer.weights, layer.biases + rows, NORM_PART):",
         "for start in range(layer.weights, layer.biases, NORM_PART):"),
        ("a norm without what is beside a whole part", "min(start + NORM_PART, layer.biases + rows), lanes)",
         "min(start + NORM_PART, layer.biases), lanes)"),
    ),
    *_group(
        "kernels/dropout.py", _RULES + " -k 'dropout'",
        ("neurons drop together", "hash32(key + np.uint32(np.uint32(i) * GOLDEN))", "hash32(key)"),
    ),
    *_group(
        "kernels/forward_layers.py", _RULES + " -k 'dropout'",
        ("outputs drop, too", "if ws.drop_threshold != 0 and l < len(layers) - 1:", "if ws.drop_threshold != 0:"),
    ),
    *_group(
        "kernels/inference.py", "tests/training/test_checks.py -k 'outputs_are_refused'",
        ("the last inputs not looked at", "        if whole < n:\n", "        if False:\n"),
    ),
    *_group(
        "kernels/small_batch.py", _KERNELS + " -k 'few'",
        ("few rows without biases", "z[s * ldz + i] = sums[i * width + s] + b[i]",
         "z[s * ldz + i] = sums[i * width + s]"),
    ),
]
CASES = [_mutant(name, file, old, new, case, *words) for case, name, file, old, new, *words in planted_cases.ROWS]
COMPAT = [mutant for file, tests, *rows in FACES for mutant in _group(file, tests, *rows)]
SURROUNDINGS = [mutant for file, tests, *rows in AROUND for mutant in _group(file, tests, *rows)]
GROUPS = {"cases": CASES, "formulas": FORMULAS, "optimizers": OPTIMIZERS, "training": TRAINING, "files": FILES,
          "cache": CACHE, "kernels": KERNELS, "compat": COMPAT, "surroundings": SURROUNDINGS}
MUTANTS = [mutant for group in GROUPS.values() for mutant in group]
