"""What the source of a function says about how often it reports."""

from typing import Any

import numpy as np
import pytest

from pipeline.adapters.loop_length import YIELDS, called_once, first_parameter, known_values, reports_of, steps_of

EPOCHS = 7
steps = 3


def constant(tune: Any) -> None:
    """A constant of the module."""
    for _ in range(2, EPOCHS + 1):
        tune.report({})


def of_config(config: Any, report: Any) -> None:
    """A parameter."""
    start = 0
    for _ in range(0, config["epochs"]):
        report(start)


def unknown(tune: Any) -> None:
    """A length that only shows when it runs."""
    for _ in range(len(tune.anything())):
        tune.report({})


def without(tune: Any) -> None:
    """No loop."""
    tune.report({})


def of_a_local(tune: Any, config: Any) -> None:
    """A local name, with a start that a checkpoint may change."""
    start, last = 0, None
    first = 1
    if tune.get_checkpoint():
        first = tune.anything()
    epochs = config["epochs"]
    for _ in range(first, epochs + 1):
        tune.report(start, last)


def of_a_state(tune: Any, state: Any) -> None:
    """A start that depends on a state."""
    for _ in range(state or 0, EPOCHS):
        tune.report({})


def of_a_checkpoint(tune: Any, checkpoint: Any) -> None:
    """A local name that depends on a checkpoint."""
    start = checkpoint["at"] + 1 if checkpoint else 0
    for _ in range(start, EPOCHS):
        tune.report({})


def of_another_start(tune: Any, config: Any) -> None:
    """A start that a config decides."""
    for _ in range(3 if config["warm"] else config["start"], EPOCHS):
        tune.report({})


def of_a_condition(tune: Any, config: Any) -> None:
    """A start that a condition of a config decides."""
    for _ in range(1 if config["one_based"] else 0, EPOCHS):
        tune.report({})


def of_a_config(tune: Any, config: Any) -> None:
    """A start that a config may give."""
    for _ in range(config["first"] or 0, EPOCHS):
        tune.report({})


def nested(tune: Any) -> None:
    """A loop within a loop."""
    for _ in range(3):
        for _ in range(EPOCHS):
            tune.report({})


def by_a_helper(tune: Any) -> None:
    """A helper that is called in a loop."""
    for _ in range(2):
        constant(tune)


def by_callbacks(callbacks: Any) -> None:
    """Each of the callbacks, once in an epoch."""
    for _ in range(3):
        for callback in callbacks:
            callback.report()


def in_batches(tune: Any, batches: Any) -> None:
    """A loop of unknown length within a loop."""
    for _ in range(3):
        for _ in batches:
            tune.report({})


def in_a_callback(tune: Any) -> Any:
    """A function within the function."""
    for _ in range(3):

        def end_of_epoch() -> None:
            tune.report({})

    return end_of_epoch


def with_a_bar(tune: Any, tqdm: Any) -> None:
    """A loop that shows its progress."""
    for _, _ in enumerate(tqdm.tqdm(range(EPOCHS), desc="epochs")):
        tune.report({})


def with_a_short_bar(tune: Any, trange: Any) -> None:
    """A loop that shows its progress, in the short form."""
    for _ in trange(1, EPOCHS, desc="epochs"):
        tune.report({})


def with_a_default(config: Any, report: Any) -> None:
    """A parameter with a default."""
    for _ in range(config.get("epochs", 9)):
        report()


def without_a_parameter(config: Any, report: Any) -> None:
    """A default, and a parameter that may be there."""
    for _ in range(config.get("others", 9)):
        report()


in_a_lambda = lambda tune: of_config({}, tune.report)  # noqa: E731
two_lambdas = (lambda tune: constant(tune)), (lambda tune: without(tune))


@pytest.mark.parametrize(
    ("function", "count"),
    [
        (constant, 6),
        (of_config, 4),
        (of_a_local, 4),
        (of_a_state, 7),
        (of_a_checkpoint, 7),
        (of_another_start, None),
        (of_a_condition, None),
        (of_a_config, None),
        (nested, 21),
        (by_a_helper, 12),
        (by_callbacks, 3),
        (in_batches, None),
        (in_a_callback, None),
        (in_a_lambda, 4),
        (with_a_bar, 7),
        (with_a_short_bar, 6),
        (with_a_default, 4),
        (without_a_parameter, None),
        (two_lambdas[0], None),
        (unknown, None),
        (without, None),
        (print, None),
    ],
)
def test_the_length_of_the_loop_around_a_report(function: Any, count: int | None) -> None:
    """The length of the loop around a report follows from constants and known parameters, or is None."""
    values = dict.fromkeys(('config["epochs"]', 'config.get("epochs")'), 4)
    assert reports_of(function, "report", values) == count


def test_the_length_of_the_loop_around_a_yield() -> None:
    """A function that yields what it reports has as many reports as the loop around the yield."""

    def yielding(config: Any) -> Any:
        for number in range(config["epochs"]):
            yield {"number": number}

    assert reports_of(yielding, YIELDS, {'config["epochs"]': 5}) == 5
    assert reports_of(yielding, "report", {}) is None


def inner() -> Any:
    """What another function yields."""
    for number in range(3):
        yield number + 1


def test_a_yield_of_another_function_does_not_count() -> None:
    """A yield counts in its own function only."""

    def yielding() -> Any:
        for _ in range(2):
            yield sum(inner())

    assert reports_of(yielding, YIELDS, {}) == 2


def of_arguments(cfg: Any, last: int, first: int = 0) -> Any:
    """As many steps as its arguments say."""
    for number in range(first, last + cfg["more"]):
        yield number + 0


def of_a_changed_argument(last: int) -> Any:
    """As many steps as an argument says that is changed before."""
    last += 1
    for number in range(last):
        yield number + 0


def test_the_steps_of_a_generator_that_another_one_yields_from_count() -> None:
    """A function yields what a generator of its module yields, whose length follows from its arguments."""

    def delegating(config: Any) -> Any:
        for _ in range(2):
            yield 1
        yield from inner()
        yield from of_arguments(config, 3)
        yield from of_arguments(config["inner"], first=1, last=3)

    def unknown_steps(config: Any, batches: Any) -> Any:
        yield from inner()
        yield from batches

    def changed(config: Any) -> Any:
        yield from of_a_changed_argument(3)

    config = {"more": 4, "inner": {"more": 1}}
    assert reports_of(delegating, YIELDS, dict(known_values(config, "config"))) == 2 + 3 + 7 + 3
    assert [reports_of(each, YIELDS, {}) for each in (unknown_steps, changed)] == [None, None]


def test_the_steps_of_a_generator_follow_from_its_arguments() -> None:
    """The length of a generator that has not begun follows from its source, its arguments and variables around it."""
    config, epochs = {"more": 2}, 5

    def within() -> Any:
        for number in range(config["more"] + epochs):
            yield number + 0

    def continued(config: Any, state: Any) -> Any:
        for number in range(state or 0, 4):
            yield number + 0

    generators = [
        of_arguments(config, 3), within(), continued(config, None), continued(config, 3), of_a_changed_argument(3),
        (number for number in (1, 2, 3)),
    ]  # fmt: skip
    assert [steps_of(each, config) for each in generators] == [5, 7, 4, 4, None, None]
    assert [len(list(each)) for each in generators] == [5, 7, 4, 1, 4, 3]
    assert steps_of(generators[0], config) is None
    assert steps_of(of_arguments({"more": np.array([1, 2])}, 3), config) is None


def test_a_call_outside_of_loops_is_made_once() -> None:
    """A single call outside of loops is made once; two calls, one in a loop and none are not."""

    def once(model: Any) -> Any:
        return model.fit()

    def twice(model: Any) -> Any:
        model.fit()
        return model.fit()

    def in_a_loop(model: Any) -> None:
        for _ in range(2):
            model.fit()

    assert [called_once(each, "fit") for each in (once, twice, in_a_loop, without, print)] == [True] + [False] * 4


def test_whole_numbers_of_a_config_are_known_by_their_expressions() -> None:
    """The whole numbers of a config, even in dicts, are known by the expressions that read them from the parameter."""
    assert first_parameter(lambda c: c) == "c"
    assert first_parameter(dict.fromkeys) == "iterable"
    assert dict(known_values({"a": 1, "b": 0.5, "c": {"d": 2}}, "c"))['c["c"]["d"]'] == 2
    assert set(dict(known_values({"a": 1, "b": 0.5}, "c"))) == {'c["a"]', 'c.get("a")'}


def test_a_name_that_is_set_several_times_is_no_length_of_a_generator() -> None:
    """The end of a loop around a `yield` is known only if its name is set once; its start may be set again."""

    def ends(config: Any) -> Any:
        epochs = 2
        if config["long"]:
            epochs = config["epochs"]
        for step in range(epochs):
            yield {"at": step}

    def starts(config: Any, state: Any) -> Any:
        start = 0
        if state is not None:
            start = state["step"]
        for step in range(start, 4):
            yield {"at": step}

    assert reports_of(ends, YIELDS, {'config["epochs"]': 5}) is None
    assert reports_of(starts, YIELDS, {}) == 4


def test_a_parameter_or_local_name_hides_a_global_one() -> None:
    """A global is not the length of a loop whose function has a parameter or a variable of that name."""

    def of_parameter(config: Any, steps: int) -> Any:
        for step in range(steps):
            yield {"at": step}

    def of_variable(config: Any) -> Any:
        with config.opened() as steps:
            for step in range(steps):
                yield {"at": step}

    assert reports_of(of_parameter, YIELDS, {}) is None
    assert reports_of(of_variable, YIELDS, {}) is None
