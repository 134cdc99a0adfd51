"""The choice that configs without a model share."""

from pipeline.execution.preflight.common_choice import common_choice


def test_the_choice_that_all_failures_share_is_named() -> None:
    """The choice that only failed configs share is named, and a rate that differs is not."""
    failed = [{"kind": "b", "size": 1, "rate": 0.1}, {"kind": "b", "size": 2, "rate": 0.2}]
    built = [{"kind": "a", "size": 1, "rate": 0.3}]
    assert common_choice(failed, built) == ("kind", "b")


def test_no_choice_is_named_where_two_may_be_the_cause() -> None:
    """No choice is named if two choices may be the cause or if all configs failed."""
    assert common_choice([{"kind": "b", "size": 2}], [{"kind": "a", "size": 1}]) is None
    assert common_choice([{"kind": "b"}], []) is None
