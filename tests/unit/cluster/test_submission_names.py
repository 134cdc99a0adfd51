"""What a name means on a cluster."""

import pytest

from pipeline.cluster.submission_names import matching
from pipeline.errors import UsageError

KNOWN = [("mnist-1", "mnist"), ("mnist-2", "mnist"), ("digits-1", "digits"), ("digits-1-1", "digits-1")]


def found(name: str) -> list[str]:
    """The names of the submissions that a name means."""
    matches = matching(
        name, KNOWN, name_of=lambda one: one[0], study_of=lambda one: one[1], is_of_study=lambda one: one[1] == name
    )
    return [own for own, _ in matches]


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("mnist", ["mnist-1", "mnist-2"]),
        ("mnist-2", ["mnist-2"]),
        ("digits-1-1", ["digits-1-1"]),
        ("digits", ["digits-1"]),
        ("other", []),
    ],
)
def test_a_name_means_a_submission_or_a_study(name, names):
    """A name means the submission of that name, or else all of the study of that name."""
    assert found(name) == names


def test_a_submission_and_another_study_of_one_name_are_refused():
    """A name that a submission has and another study, too, is refused with a name for each."""
    with pytest.raises(UsageError, match=r"'digits-1' is a submission of the study 'digits', .* 'digits-1-1' for the"):
        found("digits-1")
