"""What kernels run on: the host, the compiler, its cache, threads, records."""
