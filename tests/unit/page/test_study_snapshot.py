"""Values derived from a snapshot of a study are computed once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.page.study_snapshot import StudySnapshot
from pipeline.results import Results


@pytest.fixture
def snapshot(asha_results: Results) -> StudySnapshot:
    """A snapshot."""
    return StudySnapshot(asha_results, "mark")


def test_threads_that_ask_in_parallel_share_one_computation(snapshot: StudySnapshot) -> None:
    """A second thread that asks for a value waits for the first one's result instead of computing it, too."""
    begun, may_end, computed = threading.Event(), threading.Event(), []

    def compute(results: Results) -> int:
        begun.set()
        may_end.wait()
        computed.append(results)
        return len(results.trials)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(snapshot.derived, "count", compute)
        begun.wait()
        second = pool.submit(snapshot.derived, "count", compute)
        may_end.set()
        assert first.result() == second.result() == len(snapshot.results.trials)
    assert len(computed) == 1


def test_an_error_is_not_kept(snapshot: StudySnapshot) -> None:
    """A computation that has failed is tried again."""
    answers = iter([ZeroDivisionError, 1])

    def compute(_results: Results) -> object:
        if (answer := next(answers)) is ZeroDivisionError:
            raise ZeroDivisionError
        return answer

    with pytest.raises(ZeroDivisionError):
        snapshot.derived("answer", compute)
    assert snapshot.derived("answer", compute) == 1


def test_a_result_that_is_often_asked_for_is_kept(snapshot: StudySnapshot) -> None:
    """If there are too many results of a snapshot, the least recently requested ones are removed."""
    snapshot.derived("often", lambda _: "first")
    for number in range(500):
        snapshot.derived(number, lambda _: None)
        assert snapshot.derived("often", lambda _: "again") == "first"
    assert snapshot.derived(0, lambda _: "again") == "again"
