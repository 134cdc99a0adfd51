"""The observations that a searcher learns from."""

from dataclasses import replace

import pytest

from pipeline.searchers import SEARCHERS, Observation
from pipeline.searchers.history import MAX_OBSERVATIONS, History
from pipeline.space import Uniform

_SPACE = {"x": Uniform(0, 1), "y": Uniform(0, 1)}


def _known(number: int, loss: float, epoch: int = 1) -> Observation:
    config = {"x": number % 97 / 97, "y": number % 89 / 89}
    return Observation(config, "known", loss, ((epoch, loss),), f"{number:04d}", ended=True)


def test_few_observations_are_all_learned_from() -> None:
    """If there are few observations, a searcher learns from all of them, in the order of the trials."""
    tried = [_known(number, -number) for number in range(MAX_OBSERVATIONS)]
    assert History(tried).chosen(best=10, newest=10) == tried


def test_of_many_the_best_the_newest_and_the_running_ones_are_chosen() -> None:
    """Of many trials the best, the newest and the running ones are chosen, with others from the whole study."""
    tried = [
        replace(_known(number, 1 + abs(number - 700) / 1000, epoch=4 if number in (20, 30) else 1), ended=False)
        for number in range(2000)
    ]
    tried[5] = Observation({"x": 0.5, "y": 0.5}, "open", trial_id="0005")
    chosen = History(tried).chosen(best=5, newest=50)
    numbers = [int(one.trial_id) for one in chosen]
    assert numbers == sorted(numbers)
    assert {5, 20, 30, 700, *range(1950, 2000)} <= set(numbers)
    assert MAX_OBSERVATIONS - 60 <= len(numbers) <= MAX_OBSERVATIONS
    assert 350 < sum(number < 1000 for number in numbers) < 650


def test_trials_that_ended_by_themselves_are_chosen_by_their_loss() -> None:
    """Of many trials that ended by themselves at different epochs, the best are those of the least loss."""
    tried = [_known(number, 1 + abs(number - 777) / 1000, epoch=1 + number * 7 % 50) for number in range(2000)]
    chosen = {int(one.trial_id) for one in History(tried).chosen(best=9, most=9)}
    assert chosen == set(range(773, 782))


def test_only_the_content_counts() -> None:
    """A history that was updated step by step chooses the same observations as one that was made at the end."""
    tried = [_known(number, abs(number - 300) / 1000) for number in range(1500)]
    kept = History()
    for number, one in enumerate(tried):
        kept.append(Observation(one.config, "open", trial_id=one.trial_id))
        if number >= 3:
            kept.replace(number - 3, tried[number - 3])
    for number in range(1497, 1500):
        kept.replace(number, tried[number])
    for most in (10, 100, 2000):
        assert kept.chosen(best=3, newest=3, most=most) == History(tried).chosen(best=3, newest=3, most=most)


def _running(number: int) -> Observation:
    return Observation({"x": number % 31 / 31, "y": number % 29 / 29}, "open", trial_id=f"{number:04d}")


@pytest.mark.parametrize("searcher", ["tpe", "gp", "cma", "curves"])
def test_a_draw_uses_a_part_of_a_long_study(searcher: str) -> None:
    """A draw after 3000 trials reads only a limited number of observations."""

    class Counted(History):
        """Counts the observations that are read."""

        read = 0

        def chosen(self, **choice: int) -> list[Observation]:
            found = super().chosen(**choice)
            Counted.read += len(found)
            return found

        def __getitem__(self, index: int | slice) -> Observation | list[Observation]:
            found = super().__getitem__(index)
            Counted.read += len(found) if isinstance(found, list) else 1
            return found

        def __iter__(self):
            raise AssertionError("all observations are read")

    tried = Counted(
        _known(number, (number % 97 / 97 - 0.3) ** 2 + (number % 89 / 89 - 0.6) ** 2) for number in range(3000)
    )
    SEARCHERS[searcher]().suggest(_SPACE, seed=0, index=3000, observations=tried, epochs=1)
    assert 0 < Counted.read <= 2 * MAX_OBSERVATIONS


def test_running_trials_are_all_chosen_even_if_they_are_more_than_that() -> None:
    """All running trials are chosen, even if they are more than a searcher otherwise learns from, and not alone."""
    tried = [_known(number, 1.0) for number in range(100)]
    tried += [_running(number) for number in range(100, 1300)]
    assert History(tried).chosen() == tried
    tried = [_known(number, 1.0 + number % 10) for number in range(4000)]
    tried += [_running(number) for number in range(4000, 5200)]
    chosen = History(tried).chosen()
    assert chosen[-1200:] == tried[4000:]
    assert len(chosen) == 1200 + MAX_OBSERVATIONS // 4
    assert {one.loss for one in chosen[:-1200]} == {1.0 + loss for loss in range(10)}


@pytest.mark.parametrize("searcher", ["tpe", "cma", "motpe", "nsga2"])
def test_a_study_of_very_many_workers_learns(searcher: str) -> None:
    """Where more than 1,000 trials run, draws still come closer to the good configs than random ones."""
    tried = [_known(number, (number % 97 / 97 - 0.1) ** 2 + (number % 89 / 89 - 0.1) ** 2) for number in range(1500)]
    tried += [_running(number) for number in range(1500, 2600)]

    def distance(name: str) -> float:
        drawn = [
            SEARCHERS[name]().suggest(_SPACE, seed=0, index=index, observations=History(tried), epochs=1).config
            for index in range(2600, 2608)
        ]
        return sum(config["x"] + config["y"] for config in drawn)

    assert distance(searcher) < distance("random")
