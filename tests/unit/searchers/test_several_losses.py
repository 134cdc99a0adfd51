"""Losses of all objectives that can be compared."""

from pipeline.searchers import Observation
from pipeline.searchers.one_rung import losses_at_one_rung, ranked
from pipeline.space import Uniform

_SPACE = {"x": Uniform(0, 1)}


def _tried(x: float, *milestone_values: tuple[int, tuple[float, float], float], state: str = "known") -> Observation:
    curve = tuple((epoch, losses[0]) for epoch, losses, _ in milestone_values)
    last = milestone_values[-1]
    return Observation(
        {"x": x},
        state,
        last[1][0] if state == "known" else None,
        curve,
        losses=last[1],
        milestone_values=milestone_values,  # type: ignore[arg-type]
    )


def test_the_highest_rung_with_enough_trials_is_compared() -> None:
    early = [_tried(0.1 * number, (1, (number, 0.0), 0.0)) for number in range(3)]
    late = [_tried(0.1 * number, (1, (9.0, 9.0), 0.0), (4, (number, 1.0), 0.5)) for number in range(4)]
    found = losses_at_one_rung(_SPACE, [*early, *late])
    assert [(one.losses, one.violation) for one in found] == [((number, 1.0), 0.5) for number in range(4)]


def test_a_trial_of_a_later_bracket_counts_with_its_first_milestone() -> None:
    done = [_tried(0.1 * number, (1, (5.0, 5.0), 0.0), (4, (1.0, 1.0), 0.0)) for number in range(4)]
    later = [_tried(0.5, (9, (2.0, 3.0), 0.7), state=state) for state in ("open", "known")]
    found = losses_at_one_rung(_SPACE, [*done, *later])
    assert [(one.state, one.losses, one.violation) for one in found[4:]] == [("known", (2.0, 3.0), 0.7)] * 2


def test_ranks_depend_on_no_unit() -> None:
    tried = [Observation({"x": 0.1}, "known", 1.0, losses=losses) for losses in [(1.0, 1e6), (5.0, 10.0), (5.0, 1e9)]]
    failed = Observation({"x": 0.1}, "failed")
    found = ranked([*tried, failed])
    assert [one.losses for one in found] == [(0.0, 0.5), (1.0, 0.0), (1.0, 1.0), ()]
    assert ranked([failed]) == [failed]
