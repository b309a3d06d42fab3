"""One thread for BLAS, and the number before it afterwards."""

from __future__ import annotations

import threading

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from detectors.blas import one_blas_thread


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_one_thread_inside_and_the_number_before_it_afterwards() -> None:
    with threadpool_limits(2, user_api="blas"):
        assert blas_threads() == {2}
        with one_blas_thread():
            assert blas_threads() == {1}
            with one_blas_thread():
                assert blas_threads() == {1}
            assert blas_threads() == {1}
        assert blas_threads() == {2}


def test_an_error_inside_gives_the_threads_back() -> None:
    with threadpool_limits(2, user_api="blas"):
        with pytest.raises(ZeroDivisionError), one_blas_thread():
            raise ZeroDivisionError
        assert blas_threads() == {2}


def test_threads_that_overlap_leave_the_number_before_the_first() -> None:
    """The second enters while the first is inside, and leaves after it."""
    second_inside, first_outside = threading.Event(), threading.Event()
    seen = []

    def second() -> None:
        with one_blas_thread():
            seen.append(blas_threads())
            second_inside.set()
            assert first_outside.wait(20)

    with threadpool_limits(2, user_api="blas"):
        other = threading.Thread(target=second)
        with one_blas_thread():
            other.start()
            assert second_inside.wait(20)
        first_outside.set()
        other.join(20)
        assert seen == [{1}]
        assert blas_threads() == {2}
