"""What ranks measure beside training, and communicators that are none; ranks are threads."""

import pytest
from communicators import Board, ThreadComm, on_ranks
from networks import make_data
from test_faults import N, assert_all_raise, make_trainer


@pytest.mark.parametrize(("arguments", "words"), [
    (lambda X, Y: {"validation_data": (X, Y)}, ["validation_data", "None on rank 0", "23 samples on rank 1"]),
    (lambda X, Y: {"validation_data": (X[:9], Y[:9])}, ["validation_data", "9 samples on rank 1"]),
    (lambda X, Y: {"validation_data": [(X, Y)]}, ["validation_data", "batches on rank 1"]),
    (lambda X, Y: {"validation_data": (X, Y), "metrics": ["top_2"]}, ["metrics", "('top_2',) on rank 1"]),
], ids=["one rank", "fewer", "batches", "metrics"])
def test_what_ranks_measure_beside_must_be_the_same(implementation, arguments, words, request):
    def work(comm):
        trainer = make_trainer(implementation, comm)
        X, Y = make_data(trainer.network, N)
        plain = {} if "one rank" in request.node.name else {"validation_data": (X, Y)}
        trainer.fit(X, Y, **(arguments(X, Y) if comm.rank == 1 else plain))

    assert_all_raise(on_ranks(2, work), ValueError, "must be the same on all ranks", *words)


@pytest.mark.parametrize(("name", "value"), [
    ("size", 0), ("size", -1), ("size", "2"), ("size", None), ("rank", 1), ("rank", -1), ("rank", None),
])
def test_a_communicator_without_a_place_for_its_rank_is_refused(implementation, name, value):
    comm = ThreadComm(0, 1, Board(1))
    setattr(comm, name, value)
    with pytest.raises(TypeError, match=rf"comm.{name} is {value!r}, expected an integer"):
        make_trainer(implementation, comm)
