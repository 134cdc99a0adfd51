"""The threads that libraries use for matrices."""

import numpy as np
from threadpoolctl import threadpool_info

from pipeline.machine.matrix_threads import one_thread


def test_libraries_for_matrices_use_one_thread_within_the_context() -> None:
    """Within the context every library for matrices has one thread, and afterwards as many as before, each time."""
    np.eye(2) @ np.eye(2)
    with one_thread():
        pass
    before = threadpool_info()
    for _ in range(2):
        with one_thread():
            assert {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"} == {1}
        assert threadpool_info() == before
