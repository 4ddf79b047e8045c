"""Ranks as threads of one process: a communicator with what fastbp takes of one of mpi4py."""

import copy
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

# Seconds until a rank that waits for others gives up: a hang is a failure, not a hang.
PATIENCE = 20.0


class AbortedError(Exception):
    """Another rank has ended the job."""


class Board:
    """What the ranks of one job write on, and the barrier between writing and reading."""

    def __init__(self, size):
        self.messages, self.barrier, self.aborted_by = [None] * size, threading.Barrier(size), []


class ThreadComm:
    """A communicator of threads."""

    def __init__(self, rank, size, board):
        self.rank, self.size, self._board = rank, size, board

    def _exchange(self, name, sent, read):
        """Leave a message, and read those of all ranks, which called the same."""
        board = self._board
        board.messages[self.rank] = name, sent
        try:
            board.barrier.wait(PATIENCE)
            assert {each for each, _ in board.messages} == {name}, "ranks are in different calls"
            result = read([message for _, message in board.messages])
            board.barrier.wait(PATIENCE)
        except threading.BrokenBarrierError:
            raise AbortedError from None
        return result

    def Alltoallv(self, send, receive):
        (sent, (counts, places)), (received, (to_counts, to_places)) = send, receive

        def read(messages):
            for r, (array, counts, places) in enumerate(messages):
                assert counts[self.rank] == to_counts[r]
                if to_counts[r]:
                    begin, to = places[self.rank], to_places[r]
                    received[to : to + to_counts[r]] = array[begin : begin + to_counts[r]]

        self._exchange("Alltoallv", (sent.copy(), counts, places), read)

    def Allgather(self, send, receive):
        parts = receive.reshape(self.size, -1)

        def read(messages):
            for r, message in enumerate(messages):
                parts[r] = message

        self._exchange("Allgather", np.array(parts[self.rank] if send is None else send), read)

    def allgather(self, thing):
        return self._exchange("allgather", copy.deepcopy(thing), copy.deepcopy)

    def bcast(self, thing, root=0):
        return self._exchange("bcast", copy.deepcopy(thing), lambda messages: copy.deepcopy(messages[root]))

    def Abort(self, code):
        self._board.aborted_by.append((self.rank, code))
        self._board.barrier.abort()


def on_ranks(size, work, board=None):
    """Return what `work(comm)` returned on each rank, or the exception that it ended with."""
    board = Board(size) if board is None else board

    def outcome(rank):
        try:
            return work(ThreadComm(rank, size, board))
        except BaseException as error:  # noqa: BLE001 - handed to the test
            return error

    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(outcome, range(size)))


def results_of(size, work):
    """Return what `work(comm)` returned on each rank, where none of them failed."""
    results = on_ranks(size, work)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results
