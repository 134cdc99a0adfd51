"""What a name on a command line means on a cluster: a submission or RayJob of that name, or those of a study."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from pipeline.errors import UsageError

_T = TypeVar("_T")


def matching(
    name: str,
    known: Sequence[_T],
    *,
    name_of: Callable[[_T], str],
    study_of: Callable[[_T], str],
    is_of_study: Callable[[_T], bool],
) -> list[_T]:
    """The submission of a name, or else all of the study of that name.

    Submissions are called STUDY-NUMBER, so that the study `mnist-1` may be called as a submission of the study `mnist`.
    """
    own = [each for each in known if name_of(each) == name]
    of_study = [each for each in known if is_of_study(each)]
    if own and of_study and not is_of_study(own[0]):
        raise UsageError(
            f"{name!r} is both a submission of the study {study_of(own[0])!r} and another study. Name the study "
            f"{study_of(own[0])!r} for the first, {name_of(of_study[-1])!r} for the second."
        )
    return own or of_study


def running_or_newest(found: Sequence[_T], *, has_ended: Callable[[_T], bool]) -> Sequence[_T]:
    """The submissions of a study that have not ended; the newest if all have."""
    return [each for each in found if not has_ended(each)] or found[-1:]


def only(
    name: str, found: Sequence[_T], *, name_of: Callable[[_T], str], storage_of: Callable[[_T], str | None], what: str
) -> _T:
    """The newest of the submissions that a name means, which must be of one study."""
    if len({storage_of(each) for each in found}) > 1:
        running = " and ".join(f"{name_of(each)} in {storage_of(each) or 'an unknown storage'}" for each in found)
        raise UsageError(
            f"The study {name!r} runs as several {what}: {running}. Name one of them, or its storage with --storage."
        )
    return found[-1]
