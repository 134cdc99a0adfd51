"""Draws by a process over config and epoch."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.searchers import CurveSearch, Observation, RandomSearch
from pipeline.searchers.earlier_studies import EarlierStudy
from pipeline.searchers.history import History
from pipeline.space import Choice, IntUniform, Switch, Uniform, draw, fits
from tests.unit.searchers.known_optima import CUBE, SQUARE, SWITCHED, beats_chance, branin, sphere, switched

SPACE = {"x": Uniform(0, 1), "y": Uniform(0, 1), "s": Switch({"a": {}, "b": {"n": IntUniform(1, 4)}})}
EPOCHS = 32


def _observed(count, loss, space=SPACE):
    """A study after halving: all trials reach epoch 2, some epoch 7, few their end, and the last one is running."""
    found = []
    for number in range(count):
        config = draw(space, np.random.default_rng(number), number)
        reached = [2, 7, EPOCHS][: 3 if number % 4 == 0 else 2 if number % 2 == 0 else 1]
        curve = tuple((epoch, loss(config, epoch)) for epoch in reached)
        state = "open" if number == count - 1 else "failed" if number % 11 == 10 else "known"
        best = min(value for _, value in curve) if state == "known" else None
        found.append(Observation(config, state, best, curve, f"{number:04d}"))
    return found


def _suggested(observations, index=40, space=SPACE, seed=0):
    return CurveSearch().suggest(space, seed=seed, index=index, observations=observations, epochs=EPOCHS)


def _bowl(config, epoch):
    return (config["x"] - 0.3) ** 2 + (config["y"] - 0.6) ** 2 + (config["s"] == "a") + 2 / epoch


def test_a_draw_depends_only_on_its_arguments():
    """A draw depends only on its arguments, whatever was cached by other draws."""
    observations = _observed(30, _bowl)
    first = _suggested(observations)
    # Fitted parameters are kept for a few sets of observations: these take their place.
    for count in (8, 10, 15, 20, 25):
        _suggested(_observed(count, lambda config, epoch: config["x"] + epoch), index=count)
    assert _suggested(iter(observations)) == first
    assert _suggested(observations, seed=1) != first


def test_observations_that_were_drawn_from_before_give_the_draws_of_new_ones():
    """What is kept of an observation changes no draw, and an observation with a further value keeps nothing of it."""
    used = _observed(30, _bowl)
    _suggested(used, index=30)
    further = [
        replace(one, curve=(*one.curve, (EPOCHS, 0.01 * number))) if number % 4 else one
        for number, one in enumerate(used)
    ]
    assert any(one.derived for one in used)
    assert not further[1].derived
    for again, index in ((used, 40), (further, 41)):
        new = [Observation(one.config, one.state, one.loss, one.curve, one.trial_id, one.ended) for one in again]
        assert _suggested(again, index=index) == _suggested(new, index=index)


def test_a_config_is_judged_by_its_last_epoch():
    """If curves cross, configs are drawn that are better at the last epoch, not those ahead early."""

    def crossing(config, epoch):
        return {2: 2 + config["x"], 7: 1.8}.get(epoch, 1.2 - config["x"])

    drawn = [_suggested(_observed(40, crossing), index=index).config["x"] for index in (40, 41, 42)]
    assert min(drawn) > 0.6


def test_the_first_and_every_fourth_are_random():
    """The first and every fourth config are those of random search, and have that as their reason."""
    observations = _observed(30, _bowl)
    for index, known, why in (
        (2, 4, "Drawn at random: fewer than 6 trials have a value."),
        (43, 30, "Drawn at random, like every fourth"),
    ):
        found = _suggested(observations[:known], index=index)
        assert found.config == RandomSearch().draw(SPACE, seed=0, index=index)
        assert found.reason.startswith(why)


def test_a_draw_has_its_expected_improvement():
    """A draw's reason has the expected improvement as a loss, the epoch, and the trial that it comes from."""
    reason = _suggested(_observed(30, _bowl)).reason
    assert reason.startswith("Expected improvement 0.0")
    assert " at epoch 32 near trial 00" in reason


def test_running_trials_are_predicted_and_not_drawn_again():
    """Several workers that ask in succession get distinct configs, because running trials are predicted."""
    observations = _observed(30, _bowl)
    drawn = []
    for index in (40, 41, 42, 44):
        config = _suggested(observations, index=index).config
        observations.append(Observation(config, "open"))
        drawn.append((config["x"], config["y"]))
    apart = [np.hypot(a - c, b - d) for k, (a, b) in enumerate(drawn) for c, d in drawn[:k]]
    assert min(apart) > 0.01


@pytest.mark.parametrize("tried", [3, 6])
def test_a_small_space_is_not_tried_twice_before_it_is_tried_once(tried):
    """In a space of six configs all are drawn once before one is repeated."""
    space = {"a": Choice([1, 2, 3]), "b": Choice([True, False])}
    configs = [{"a": a, "b": b} for a in (1, 2, 3) for b in (True, False)]
    observations = [
        Observation(configs[number % tried], "known", float(number % tried), ((EPOCHS, float(number % tried)),))
        for number in range(12)
    ]
    found = _suggested(observations, index=12, space=space).config
    assert (found in configs[:tried]) == (tried == 6)


def test_the_last_config_of_a_small_space_is_drawn_for_its_expected_improvement():
    """In a small space of lists and numbers, the last untried config is drawn for its expected improvement."""
    space = {"a": Choice([None, [8], [16, 8], {"units": 8}]), "n": IntUniform(1, 3)}
    configs = [{"a": a, "n": n} for a in (None, [8], [16, 8], {"units": 8}) for n in (1, 2, 3)]
    observations = [
        Observation(config, "known", float(number), ((EPOCHS, float(number)),))
        for number, config in enumerate(configs[:-1])
    ]
    found = _suggested(observations, index=12, space=space)
    assert found.config == configs[-1]
    assert found.reason.startswith("Expected improvement")


def test_a_study_of_thousands_is_drawn_from():
    """The config drawn after 2001 trials fits the space."""
    assert fits(SPACE, _suggested(_observed(2001, _bowl), index=2001).config)


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e99, 1e300])
def test_the_scale_of_losses_does_not_matter(scale):
    """A config that fits the space is drawn, whatever the scale of the losses."""
    assert fits(SPACE, _suggested(_observed(30, lambda config, epoch: scale * _bowl(config, epoch))).config)


@pytest.mark.parametrize(
    ("space", "loss", "trials"), [(SQUARE, branin, 30), (CUBE, sphere, 40), (SWITCHED, switched, 30)]
)
def test_it_beats_chance(space, loss, trials):
    """The searcher by curves finds a better config than random search in the same number of trials."""
    assert beats_chance("curves", space, loss, trials)


def _near(config):
    return abs(config["x"] - 0.3) + abs(config["y"] - 0.6) + (config["s"] == "a")


def _drawn_after(earlier, own, index):
    return _suggested(History(own, [EarlierStudy("other", earlier)]), index=index)


def test_the_first_draw_is_what_an_earlier_study_recommends():
    """Before it has its own value, a study draws where an earlier one was best, with that as the reason."""
    earlier = _observed(40, _bowl)
    found = _drawn_after(earlier, [], 0)
    assert _near(found.config) < 0.5
    assert found.reason == "Best according to earlier studies, near a trial of other."
    assert _drawn_after(earlier, [], 1).config == RandomSearch().draw(SPACE, seed=0, index=1)


def test_a_study_of_the_same_function_counts_and_one_that_misleads_does_not():
    """An earlier study with the same function counts, and one with the opposite function has no effect."""

    def opposite(config, epoch):
        return -_bowl(config, epoch)

    own = _observed(24, _bowl)
    studies = [EarlierStudy("same", _observed(41, _bowl)), EarlierStudy("opposite", _observed(41, opposite))]
    same, other = CurveSearch().factors(SPACE, own, studies, EPOCHS)
    assert same > 0.5
    assert other == 0
    assert _drawn_after(studies[1].observations, own, 40) == _suggested(own, index=40)


def test_draws_with_earlier_studies_depend_only_on_their_arguments():
    """Draws that learn from earlier studies are repeated exactly, whatever was cached in between."""
    earlier, own = _observed(30, _bowl), _observed(12, _bowl)
    first = _drawn_after(earlier, own, 12)
    for count in range(2, 40):
        _suggested(_observed(count, lambda config, epoch: config["x"] + epoch), index=48)
    assert _drawn_after(earlier, own, 12) == first


def test_mean_losses_are_predicted_after_the_first_draws():
    """A mean loss is predicted once there are enough different losses, and the better branch has a smaller one."""
    means = [np.column_stack([*[np.linspace(0, 1, 9)] * 2, np.full(9, s), np.full(9, 0.5)]) for s in (0.75, 0.25)]
    units = [np.stack(means)]
    observed = _observed(30, _bowl)
    found = CurveSearch().predicted(SPACE, History(observed), EPOCHS, units)
    assert found[0][2] < found[1][1]
    assert all(low <= median <= high for median, low, high in found)
    few = [one for one in observed if one.state == "known"][:5]
    same = [replace(one, loss=1.0, curve=((EPOCHS, 1.0),)) for one in few * 2]
    assert [CurveSearch().predicted(SPACE, History(those), EPOCHS, units) for those in (few, same)] == [[], []]
