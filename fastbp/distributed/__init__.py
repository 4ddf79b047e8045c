"""One training on several processes: what a trainer asks of them, through a communicator such as those of mpi4py.

MPI itself is never imported: any object with the methods in `fastbp.distributed.communicator.METHODS` will do.
"""
