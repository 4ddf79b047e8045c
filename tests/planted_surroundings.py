"""Faults to plant in what other threads, children, ranks and files of other kinds meet: fields of `planted.Mutant`."""

_MOMENT, _NAMES = "tests/training/test_one_moment.py", "tests/io/test_names.py"
_SURROUNDINGS = "tests/runtime/test_surroundings.py"
_ALONE = "tests/distributed/test_alone_in_callbacks.py -k 'reference'"

#: (file, tests, (name, old, new), ...)
AROUND = [
    ("base/sources.py", _MOMENT + " -k 'trainer_that_another and reference'",
     ("nobody is let in", "    if session.gate.locked():", "    if False:")),
    ("base/trainer.py", _MOMENT + " -k 'histor'",
     ("history and count at two moments", "with self.network._turns.lock:  # at", "if True:  # at"),
     ("one history for all fits", "            history.append(logs)", "            self.history.append(logs)")),
    ("base/trainer_state.py", _MOMENT,
     ("views of what is trained", "_named(network._copied())", "_named(network._read())"),
     ("copies of several moments", "if any(thread.is_alive() for thread in", "if False and any(thread for thread in")),
    ("base/network_state.py", _MOMENT + " -k 'reads_of'",
     ("a network of two moments", "        with self._turns.one_moment():\n            return",
      "        if True:\n            return")),
    ("base/turns.py", _SURROUNDINGS + " -k 'no_lock_that'",
     ("the gate of the parent's thread", "            self.gate = threading.Lock()  # a", "            # a"),
     ("the generator of the parent's thread", "        if lock.acquire(timeout=_PATIENCE):", "        if False:")),
    ("base/rows.py", "tests/training/test_memory_traps.py -k 'rows_that or fall_short'",
     ("rows that are not counted", "if isinstance(found[0], int) and", "if False and")),
    ("distributed/communicator.py", "tests/distributed/test_differences.py",
     ("any size and rank", "if not isinstance(value, int) or", "if False and")),
    ("base/telling.py", "tests/training/test_users_code.py -k reference",
     ("one end alone", "call_each(methods(begun, ", "call_each(methods(begun[:1], ")),
    ("base/telling.py", _ALONE,
     ("parameters of one rank", "    if may_change:\n", "    if False:\n")),
    ("distributed/ranks.py", _ALONE,
     ("ranks in different calls", "        if not message:\n", "        if True:\n"),
     ("a rank that goes on alone", "        if self._lost is not None:", "        if False:"),
     ("a call anywhere", "        if around and not around[-1].tells:", "        if False:")),
    ("base/trainer.py", "tests/distributed/test_differences.py",
     ("other validation data", "own | facts_of(validation)", "own")),
    ("checks.py", "tests/training/test_long_texts.py -k 'Network or History'",
     ("an error out of repr", "    except Exception:  # noqa: BLE001 - it is", "    except ValueError:  # it is"),
     ("texts without end", "    return text if len(text) <= length else ", "    return text if text else ")),
    ("canonical.py", "tests/training/test_arguments.py -k 'itself'",
     ("lists in themselves", "    if _is_nested(rng, _SEED_DEPTH):", "    if False:")),
    ("paths.py", _NAMES,
     ("names of other kinds", "    if kind is not _ENDINGS[own]:", "    if False:")),
    ("io/arrays.py", _NAMES,
     ("pickles for .npz", 'if opened.read(2) != b"PK":', "if False:"),
     ("half an .npz", "whole_files.write_whole(path, [file.getbuffer()])",
      "open(path, 'wb').write(file.getbuffer())")),
]
