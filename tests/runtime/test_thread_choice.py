"""The choice of threads by a simulated clock: the quicker number of them is found, and trying costs little."""

import pytest

from fastbp.kernels.runtime import threads as kernel_threads
from fastbp.kernels.runtime.threads import ThreadTuner


class Machine:
    """A simulated clock: steps that take `seconds` at each number of threads.

    Those of the first parallel chunks after others take the times of `begins`.
    """

    def __init__(self, tuner, seconds, begins=()):
        self.tuner, self.seconds, self.taken = tuner, dict(seconds), []
        self.begins, self.beginning = begins, iter(())

    def train(self, seconds, first=0.0):
        """Train for so long; the time spent at each number of threads. The first parallel step takes `first` more."""
        spent = dict.fromkeys(self.seconds, 0.0)
        while sum(spent.values()) < seconds:
            threads, n_steps = self.tuner.next(100_000)
            if threads == 1:
                self.beginning = iter(self.begins)
            step = self.seconds[threads] if threads == 1 else next(self.beginning, self.seconds[threads])
            time = n_steps * step + (first if threads > 1 and not spent[threads] else 0.0)
            self.tuner.record(threads, n_steps, time)
            spent[threads] += time
            self.taken.append((threads, n_steps, time))
        return spent

    @property
    def chosen(self):
        """The threads of the last of long chunks."""
        return next(threads for threads, n_steps, time in reversed(self.taken) if time > 0.02)


def test_little_work_has_one_thread_and_much_begins_with_all():
    assert ThreadTuner(1e5, 2).next(50)[0] == 1
    assert ThreadTuner(1e9, 2).next(50)[0] == 2
    assert ThreadTuner(1e9, 1).next(50)[0] == 1
    assert ThreadTuner(1e9, 12).next(50)[0] == 12
    assert {ThreadTuner(1e5, 2).starts_parallel, ThreadTuner(1e9, 2).starts_parallel} == {False, True}


@pytest.mark.parametrize(("serial", "parallel", "chosen"), [(1e-4, 6e-5, 2), (1e-4, 2e-4, 1), (1e-4, 9e-4, 1)])
def test_between_them_the_quicker_way_is_chosen(serial, parallel, chosen):
    machine = Machine(ThreadTuner(5e6, 2), {1: serial, 2: parallel})
    machine.train(1.0)
    assert machine.chosen == chosen


# seconds of a step at 1, 2, 4, 8, 12 threads, and which of them is found
CURVES = [
    ({1: 8e-4, 2: 4e-4, 4: 2e-4, 8: 1e-4, 12: 8e-5}, 12),
    ({1: 8e-4, 2: 4e-4, 4: 2e-4, 8: 3e-4, 12: 8e-4}, 4),
    ({1: 8e-4, 2: 9e-4, 4: 2e-3, 8: 3e-3, 12: 5e-3}, 1),
    ({1: 8e-4, 2: 6e-4, 4: 7e-4, 8: 3e-3, 12: 5e-3}, 2),
]


@pytest.mark.parametrize("flop", [5e6, 1e9], ids=["begins with one", "begins with all"])
@pytest.mark.parametrize(("curve", "chosen"), CURVES)
def test_of_many_thread_counts_the_quickest_is_found(curve, chosen, flop):
    machine = Machine(ThreadTuner(flop, 12), curve)
    machine.train(2.0)
    assert machine.chosen == chosen


def test_sixteen_threads_on_one_core_are_left_within_a_second():
    seconds = {1: 6e-3, 2: 12e-3, 4: 25e-3, 8: 50e-3, 16: 74e-3}
    machine = Machine(ThreadTuner(1e9, 16), seconds)
    machine.train(1.0)
    assert machine.chosen == 1


def test_what_the_first_parallel_step_compiles_is_not_held_against_it():
    machine = Machine(ThreadTuner(5e6, 2), {1: 1e-4, 2: 6e-5})
    machine.train(6.0, first=5.0)
    assert machine.chosen == 2


def test_threads_are_judged_by_how_they_go_on_and_not_by_how_they_begin():
    # as it was measured: of a step of 85 µs, 145 on one thread, and of one of 0.5 ms, 0.85 on one thread
    settling = [2.17e-4, 1.67e-4, 1.83e-4, 1.61e-4, 1.19e-4]
    cases = (1.45e-4, 8.5e-5, settling), (8.5e-4, 5e-4, [0.036, 0.016]), (1e-4, 6e-5, [1.5e-4] * 6)
    for serial, parallel, begins in cases:
        machine = Machine(ThreadTuner(5e6, 2), {1: serial, 2: parallel}, begins)
        machine.train(1.0)
        assert machine.chosen == 2


def test_trying_costs_little_where_threads_do_not_pay():
    assert Machine(ThreadTuner(5e6, 2), {1: 1e-4, 2: 1e-3}).train(1.0)[2] < 0.05
    assert Machine(ThreadTuner(5e6, 2), {1: 1e-4, 2: 1e-3}).train(20.0)[2] < 0.2


def test_the_choice_is_made_again_as_the_machine_changes():
    machine = Machine(ThreadTuner(5e6, 2), {1: 1e-4, 2: 6e-5})
    machine.train(1.0)
    assert machine.chosen == 2
    machine.seconds[2] = 1.05e-4  # a little slower than one thread: found when both are tried again
    machine.train(4.0)
    assert machine.chosen == 1


def test_threads_that_have_become_slower_than_one_are_left_at_once():
    machine = Machine(ThreadTuner(5e6, 2), {1: 1e-4, 2: 6e-5})
    machine.train(1.0)
    machine.seconds[2] = 3e-4
    machine.train(1.0)
    assert machine.chosen == 1


def test_a_chunk_grows_to_a_tenth_of_a_second_and_shrinks_again():
    machine, sizes = Machine(ThreadTuner(1e5, 2), {1: 1e-4}), []
    for seconds in (1e-4,) * 6 + (0.02,) * 3 + (10.0,) * 2:
        machine.seconds[1] = seconds
        machine.train(1e-9)
        sizes.append(machine.taken[-1][1])
    assert sizes == [1, 8, 64, 512, 1000, 1000, 1000, 5, 5, 5, 1]


def test_short_fits_never_wait_for_the_parallel_kernel():
    assert Machine(ThreadTuner(5e6, 2), {1: 1e-3, 2: 1e-3}).train(0.2)[2] == 0.0


def test_threads_that_another_python_thread_has_are_not_asked_for_all_the_time():
    tuner, steps = ThreadTuner(5e6, 2, ready=True), []
    while sum(steps) < 200_000:  # 20 seconds
        steps.append(tuner.next(100_000)[1])
        tuner.record(1, steps[-1], steps[-1] * 1e-4)  # one, whatever was asked for
    assert len(steps) < 400


def test_where_threads_need_no_compiling_they_are_tried_sooner():
    machine = Machine(ThreadTuner(5e6, 2, ready=True), {1: 1e-4, 2: 6e-5})
    assert machine.train(0.06)[2] > 0.03


def test_many_short_fits_wait_together_before_threads_are_tried(monkeypatch):
    monkeypatch.setattr(kernel_threads, "_waited", [0.0])
    spent = [Machine(ThreadTuner(5e6, 2, "short"), {1: 1e-4, 2: 6e-5}).train(0.04)[2] for _ in range(12)]
    assert spent[:4] == [0.0] * 4
    assert min(spent[8:]) > 0.02


def test_the_next_trainer_of_the_same_work_begins_with_what_was_found():
    first = Machine(ThreadTuner(5e6, 2, "work"), {1: 1e-4, 2: 6e-5})
    first.train(1.0)
    assert ThreadTuner(5e6, 2, "work").next(50)[0] == 2
    others = (2, "other work"), (1, "work"), (2,), (4, "work")
    assert {ThreadTuner(5e6, *other).next(50)[0] for other in others} == {1}
    again = Machine(ThreadTuner(5e6, 2, "work"), {1: 1e-4, 2: 3e-4})  # the machine has changed: found at once
    again.train(0.2)
    assert again.chosen == 1
    assert ThreadTuner(5e6, 2, "work").next(50)[0] == 1


def test_what_was_found_is_kept_for_so_much_work_and_no_more():
    for work in range(1100):
        Machine(ThreadTuner(1e9, 2, ("many", work)), {1: 2e-2, 2: 1e-2}).train(0.2)
    assert len(kernel_threads._found) <= 1000
