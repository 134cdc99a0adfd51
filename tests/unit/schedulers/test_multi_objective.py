"""Successive halving by several objectives."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given, strategies as st

from pipeline.schedulers import MOASHA, ObjectiveValues, PromotingMOASHA, SchedulerContext
from pipeline.schedulers.multi_objective import MultiObjectiveRung

_TWO = (("score", "max"), ("parameters", "min"))


def _context(trials: int = 8) -> SchedulerContext:
    return SchedulerContext({}, "max", 4, trials, 0, _TWO)


def _values(score: float, parameters: float, violation: float = 0.0) -> ObjectiveValues:
    return ObjectiveValues((-score, parameters), violation)


def test_the_front_is_promoted_and_spread() -> None:
    scheduler = PromotingMOASHA(grace_period=1, reduction_factor=2).build(_context(4))
    for number, (score, size) in enumerate([(0.5, 10), (0.7, 100), (0.69, 120), (0.9, 1000)]):
        scheduler.add(f"{number:04d}", {})
        scheduler.start(f"{number:04d}")
        assert scheduler.on_result(f"{number:04d}", 1, score, _values(score, size)).action == "pause"
    waiting = [f"{number:04d}" for number in range(4)]
    chosen = scheduler.choose(waiting)
    assert chosen is not None
    assert (chosen.trial_id, chosen.rung, chosen.cutoff) == ("0003", 1, None)
    scheduler.start("0003")
    waiting.remove("0003")
    assert scheduler.choose(waiting).trial_id == "0000"


def test_the_share_that_continues_is_rounded_up_and_ordered() -> None:
    scheduler = MOASHA(reduction_factor=2).build(_context())
    points = [(0.9, 2), (0.8, 1), (0.5, 4), (0.1, 9), (0.7, 5)]
    decisions = [scheduler.on_result(str(n), 1, score, _values(score, size)) for n, (score, size) in enumerate(points)]
    assert [one.action for one in decisions] == ["continue", "stop", "stop", "stop", "continue"]
    assert "is number 3 of 5, on front 2, at rung 1" in decisions[-1].reason


_POINTS = st.integers(1, 4).flatmap(
    lambda values: st.lists(
        st.tuples(st.tuples(*[st.integers(0, 7)] * values), st.sampled_from([0, 0, 0, 1, 2])), min_size=1, max_size=40
    )
)


"""Points of one to four values, each with its violation."""


def _numbers(losses: np.ndarray, violations: np.ndarray) -> list[int]:

    def dominates(i: int, j: int) -> bool:
        if violations[i] or violations[j]:
            return bool(violations[i] < violations[j])
        return bool((losses[i] <= losses[j]).all() and (losses[i] < losses[j]).any())

    numbers, left, front = [0] * len(losses), set(range(len(losses))), 0
    while left:
        free = {j for j in left if not any(dominates(i, j) for i in left)}
        for j in free:
            numbers[j] = front
        left, front = left - free, front + 1
    return numbers


def _net(losses: np.ndarray, members: list[int]) -> list[int]:
    ranks = np.array([[len({v for v in column if v < value}) for value in column] for column in losses[members].T])
    ranks = ranks / np.maximum(ranks.max(axis=1, keepdims=True), 1)
    order = [min(range(len(members)), key=lambda i: losses[members[i], 0])]
    while len(order) < len(members):
        rest = [i for i in range(len(members)) if i not in order]
        order.append(max(rest, key=lambda i: min(np.sqrt(((ranks[:, i] - ranks[:, j]) ** 2).sum()) for j in order)))
    return [members[i] for i in order]


def _plain(points: Sequence[tuple[Sequence[int], int]], factor: float) -> tuple[list[int], list[int]]:
    losses, violations = (np.array(each, np.float64) for each in zip(*points, strict=True))
    numbers, order = _numbers(losses, violations), list[int]()
    for front in range(max(numbers) + 1):
        members = [place for place, number in enumerate(numbers) if number == front]
        order += _net(losses, members) if len(order) < int(len(points) / factor) + 1 else members
    return numbers, order


def _rung(factor: float, values: int) -> MultiObjectiveRung:
    return MultiObjectiveRung(1, "min", factor, [(f"m{number}", "min") for number in range(values)])


@given(points=_POINTS, factor=st.sampled_from([1.01, 2.0, 3.5]), promoted=st.sets(st.integers(0, 39)))
def test_the_order_is_that_of_the_definition_after_each_new_point(
    points: list[tuple[tuple[int, ...], int]], factor: float, promoted: set[int]
) -> None:
    rung = _rung(factor, len(points[0][0]))
    for number, (losses, violation) in enumerate(points):
        rung.report(str(number), 0.0, ObjectiveValues(losses, violation))
        _, order = _plain(points[: number + 1], factor)
        assert rung.ranking == [str(each) for each in order]
        assert [rung.rank(str(each)) for each in order] == list(range(number + 1))
        if number in promoted:
            rung.promote(str(number))
        open_ones = [str(each) for each in order[: number // 2] if str(each) not in rung.promoted]
        assert list(rung.held(number // 2)) == open_ones
    again = _rung(factor, len(points[0][0]))
    again.restore(rung.state())
    assert (again.ranking, list(again.held(9))) == (rung.ranking, list(rung.held(9)))
