"""What a name means on a cluster."""

import pytest

from pipeline.cluster.submission_names import matching, only, running_or_newest
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
    with pytest.raises(
        UsageError, match=r"'digits-1' is both a submission of the study 'digits' and .* 'digits-1-1' for the"
    ):
        found("digits-1")


def test_running_submissions_count_more_than_ended_ones():
    """Of the submissions of a study, those that run are meant, or the newest if all have ended."""
    assert running_or_newest([1, 2, 3], has_ended=lambda one: one == 3) == [1, 2]
    assert running_or_newest([1, 2, 3], has_ended=lambda _: True) == [3]
    assert running_or_newest([], has_ended=lambda _: True) == []


def test_one_of_several_storages_must_be_named():
    """Of submissions in one storage the newest is meant; those in several are refused with their storages."""

    def chosen(*found):
        return only("s", found, name_of=lambda one: one[0], storage_of=lambda one: one[1], what="jobs")

    assert chosen(("s-1", "/a"), ("s-2", "/a")) == ("s-2", "/a")
    with pytest.raises(UsageError, match=r"'s' runs as several jobs: s-1 in /a and s-2 in an unknown storage\. Name"):
        chosen(("s-1", "/a"), ("s-2", None))
