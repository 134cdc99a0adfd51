"""Where hyperparameters are drawn from."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from pipeline.space import DOMAINS, Choice, Grid, IntUniform, LogUniform, Normal, QUniform, Space, Switch, Uniform

_SPACE: TypeAdapter[Any] = TypeAdapter(Space)
_LARGEST = 1e300

_reals = st.floats(-_LARGEST, _LARGEST)
_wholes = st.integers(-(2**63), 2**63 - 1)
_scalars = st.one_of(st.booleans(), _wholes, _reals, st.text(st.characters(codec="utf-8"), max_size=5))
_listed = st.lists(_scalars, min_size=1, max_size=5)
_anything = st.one_of(
    st.builds(Uniform, _reals, _reals),
    st.builds(LogUniform, _reals, _reals),
    st.builds(IntUniform, _wholes, _wholes, st.booleans()),
    st.builds(QUniform, _reals, _reals, _reals),
    st.builds(Normal, _reals, _reals),
    st.builds(Choice, _listed),
    st.builds(Grid, _listed),
)
_anything = st.one_of(
    _anything, st.builds(Switch, st.dictionaries(st.text("ab-", max_size=3), st.just({"p": 1}), max_size=3))
)
_valid = _anything.filter(lambda domain: domain.fault() is None)
_seeds = st.integers(0, 2**32)


@given(domain=_valid, seed=_seeds)
@example(Uniform(0, 5e-324), 0)
@example(Uniform(1.0, math.nextafter(1.0, 2)), 3)
@example(Uniform(-_LARGEST, _LARGEST), 0)
@example(LogUniform(5e-324, _LARGEST), 0)
@example(LogUniform(10.0, math.nextafter(10.0, 11)), 0)
@example(LogUniform(5.0, math.nextafter(5.0, 6)), 0)
@example(IntUniform(-(2**63), 2**63 - 1), 0)
@example(IntUniform(1, 2**63 - 1, log=True), 0)
@example(QUniform(0.1, 0.3, 0.1), 0)
@example(QUniform(1e9, 1e9 + 1, 1e-4), 0)
@example(QUniform(-_LARGEST, _LARGEST, 1e299), 0)
@example(QUniform(0.123456789012345, 0.123456789012346, 1e-15), 0)
def test_draws_lie_within(domain: Any, seed: int) -> None:
    """Whatever the bounds, a drawn value is contained, is a plain Python value, and comes again from the same seed."""
    value = domain.draw(np.random.default_rng(seed))
    assert domain.contains(value)
    assert type(value) in (bool, int, float, str)
    assert value == domain.draw(np.random.default_rng(seed))


@given(domain=_valid, seed=_seeds, factor=st.sampled_from([0.8, 1.2]), times=st.integers(1, 5))
@example(IntUniform(-5, 5), 0, 0.8, 5)
@example(Normal(_LARGEST, 1.0), 0, 1.2, 5)
@example(LogUniform(5e-324, 1e-323), 0, 0.8, 2)
def test_perturbed_values_lie_within(domain: Any, seed: int, factor: float, times: int) -> None:
    """However often a value is multiplied, it stays one that could have been drawn, of the same type."""
    rng = np.random.default_rng(seed)
    value = domain.draw(rng)
    for _ in range(times):
        moved = domain.perturb(value, factor, rng)
        assert domain.contains(moved)
        value = moved
    assert type(value) in (bool, int, float, str)


@given(domain=_valid, unit=st.floats(0, 1), seed=_seeds)
@example(Uniform(0, 5e-324), 1.0, 0)
@example(LogUniform(5e-324, _LARGEST), 0.5, 0)
@example(IntUniform(-(2**63), 2**63 - 1), 1.0, 0)
@example(IntUniform(1, 2**63 - 1, log=True), 1.0, 0)
@example(QUniform(0.1, 0.3, 0.1), 1.0, 0)
@example(Normal(0, 1), 0.0, 0)
def test_every_place_has_a_value_and_every_value_a_place(domain: Any, unit: float, seed: int) -> None:
    """A place from 0 to 1 stands for a value that can be drawn, and a drawn value lies at a place."""
    value = domain.at(unit)
    assert domain.contains(value)
    assert type(value) in (bool, int, float, str)
    assert 0 <= domain.unit(domain.draw(np.random.default_rng(seed))) <= 1


@pytest.mark.parametrize(
    "domain",
    [
        Uniform(-2, 3),
        LogUniform(1e-4, 10),
        IntUniform(1, 9),
        IntUniform(1, 1000, log=True),
        QUniform(0, 1, 0.1),
        Normal(5, 2),
        Choice([1, "a", 2.5]),
        Grid([3, 1, 2]),
        Switch({"a": {}, "b": {}}),
    ],
)
def test_places_follow_the_draws(domain: Any) -> None:
    """A value's place gives the value back, and drawn values lie evenly between 0 and 1."""
    drawn = [domain.draw(np.random.default_rng(seed)) for seed in range(400)]
    for value in drawn:
        back = domain.at(domain.unit(value))
        assert back == (pytest.approx(value) if isinstance(value, float) else value)
    assert np.mean([domain.unit(value) for value in drawn]) == pytest.approx(0.5, abs=0.05)


@given(domain=_valid)
def test_domains_survive_json(domain: Any) -> None:
    """A space written as JSON and read back is equal, down to the types of its values."""
    space = _SPACE.validate_python({"p": domain})
    read = _SPACE.validate_json(_SPACE.dump_json(space))
    assert repr(read) == repr(space)
    assert read == space


@given(value=_scalars)
def test_constants_survive_json(value: Any) -> None:
    """A fixed value stays what it is: 1 is not 1.0, and neither is True."""
    space = _SPACE.validate_python({"p": value})
    read = _SPACE.validate_json(_SPACE.dump_json(space))
    assert repr(read) == repr({"p": value})


@given(domain=_anything)
def test_a_faulty_domain_is_refused_with_its_fault(domain: Any) -> None:
    """Building a domain never raises; what its fault says is what a space is refused with."""
    fault = domain.fault()
    if fault is None:
        _SPACE.validate_python({"p": domain})
        return
    with pytest.raises(ValidationError) as refused:
        _SPACE.validate_python({"p": domain})
    assert fault in str(refused.value)


@pytest.mark.parametrize(
    ("domain", "fault"),
    [
        (Uniform(1, 1), "low must be below high"),
        (Uniform(0, 1e301), "low and high must be at most 1e+300 in size"),
        (LogUniform(0, 1), "low must be above 0"),
        (LogUniform(2, 1), "low must be below high"),
        (IntUniform(3, 3), "low must be below high"),
        (IntUniform(0, 3, log=True), "low must be at least 1 where log is set"),
        (IntUniform(0, 2**63), "low and high must fit in 64 bits"),
        (QUniform(0, 1, 0), "q must be above 0"),
        (QUniform(1, 0, 0.1), "low must be below high"),
        (QUniform(0.1, 0.9, 1), "a multiple of q must lie between low and high"),
        (QUniform(0, 1e300, 1e-300), "q must be larger for such a range"),
        (Normal(0, 0), "std must be above 0"),
        (Normal(1e301, 1), "mean and std must be at most 1e+300 in size"),
        (Choice([]), "values must not be empty"),
        (Choice([1, 2, 1]), "values must differ from each other"),
        (Choice([1, True]), "values must differ from each other"),
        (Choice([1, 1.0]), "values must differ from each other"),
        (Grid([1, "1"]), "values must differ from each other"),
        (Switch({}), "branches must not be empty"),
        (
            Switch({"ok": {}, "kind": {}, "a.b": {}}),
            "branches must be called by letters, digits, '_' and '-', at most 63, and not 'kind' or 'branches'; "
            "not so 'kind', 'a.b'",
        ),
    ],
)
def test_faults_are_told_in_words(domain: Any, fault: str) -> None:
    """Each kind of mistake has its own sentence."""
    assert domain.fault() == fault


@pytest.mark.parametrize(
    "value",
    [
        Uniform(True, 2),  # type: ignore[arg-type]
        Uniform("0", 1),  # type: ignore[arg-type]
        Uniform(0, math.inf),
        Normal(math.nan, 1),
        IntUniform(0.0, 5),  # type: ignore[arg-type]
        IntUniform(False, 5),
        IntUniform(0, 5, log=1),  # type: ignore[arg-type]
        Choice("ab"),  # type: ignore[arg-type]
        Choice([None]),  # type: ignore[list-item]
        Choice([[1]]),  # type: ignore[list-item]
        Choice([math.nan]),
        Grid([2**63]),
        {"kind": "uniform", "low": 0},
        {"kind": "uniform", "low": 0, "high": 1, "q": 1},
        {"kind": "other"},
        {},
        None,
        [1, 2],
        b"x",
        math.inf,
        2**63,
        "\ud800",
    ],
)
def test_other_values_are_refused(value: object) -> None:
    """Nothing is silently turned into something else: no text into numbers, no truth into 1."""
    with pytest.raises(ValidationError):
        _SPACE.validate_python({"p": value})


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (Uniform(np.float32(0.5), np.int64(2)), Uniform(0.5, 2.0)),
        (IntUniform(np.int8(1), np.uint64(5)), IntUniform(1, 5)),
        (Choice(np.array([1, 2])), Choice((1, 2))),
        (Grid([np.float64(0.5), "a"]), Grid((0.5, "a"))),
    ],
)
def test_numpy_values_are_read_as_plain_ones(value: object, read: object) -> None:
    """NumPy's scalars and arrays are taken for the Python values they stand for."""
    space = _SPACE.validate_python({"p": value})
    assert repr(space) == repr({"p": read})


@pytest.mark.parametrize("name", ["lr", "a", "x_1", "a" * 63])
def test_names_of_parameters(name: str) -> None:
    """Lower-case names that need no quotes are taken."""
    assert _SPACE.validate_python({name: 1}) == {name: 1}


@pytest.mark.parametrize("name", ["", "LR", "1a", "a-b", "a.b", "a b", "ö", "a" * 64, "a\n", "_a", 'a"', "../x"])
def test_names_that_would_need_quotes_are_refused(name: str) -> None:
    """Any other name is refused."""
    with pytest.raises(ValidationError):
        _SPACE.validate_python({name: 1})


@given(low=st.integers(-50, 50), steps=st.integers(1, 40), q=st.sampled_from([0.1, 0.25, 0.3, 1e-7, 3.0]), seed=_seeds)
def test_multiples_are_written_as_a_person_would(low: int, steps: int, q: float, seed: int) -> None:
    """A multiple of 0.1 is 0.3, not 0.30000000000000004, and both ends are reached."""
    shown = repr(q)
    first, last = (float(f"{k * q:.12g}") for k in (low, low + steps))
    domain = QUniform(first, last, q)
    value = domain.draw(np.random.default_rng(seed))
    assert value == float(f"{round(value / q) * q:.12g}"), shown
    assert domain.contains(first)
    assert domain.contains(last)
    assert not domain.contains(first + q / 3)


def test_every_value_is_drawn() -> None:
    """Both ends of a whole range, all multiples and all listed values come up."""
    rng = np.random.default_rng(0)
    for domain, values in (
        (IntUniform(1, 4), {1, 2, 3, 4}),
        (IntUniform(1, 4, log=True), {1, 2, 3, 4}),
        (QUniform(0, 0.3, 0.1), {0.0, 0.1, 0.2, 0.3}),
        (Choice(["a", "b", "c"]), {"a", "b", "c"}),
        (Grid([True, False]), {True, False}),
    ):
        assert {domain.draw(rng) for _ in range(200)} == values


def test_log_uniform_favours_no_magnitude() -> None:
    """Half of the draws from [0.01, 100) lie below 1."""
    rng = np.random.default_rng(0)
    low = sum(LogUniform(0.01, 100).draw(rng) < 1 for _ in range(2000))
    assert 900 < low < 1100


def test_whole_numbers_move() -> None:
    """A small whole number moves by one where multiplying would not change it, and neighbours are taken in a list."""
    rng = np.random.default_rng(0)
    assert IntUniform(0, 10).perturb(1, 1.2, rng) == 2
    assert IntUniform(0, 10).perturb(1, 0.8, rng) == 0
    assert IntUniform(0, 10).perturb(10, 1.2, rng) == 10
    assert QUniform(0, 1, 0.1).perturb(0.1, 1.2, rng) == 0.2
    assert Choice(["a", "b", "c"]).perturb("b", 1.2, rng) == "c"
    assert Choice(["a", "b", "c"]).perturb("a", 0.8, rng) == "a"


def test_every_domain_is_known_by_its_kind() -> None:
    """The kind that JSON names is the class's own."""
    for kind, domain in DOMAINS.items():
        assert domain.__dataclass_fields__["kind"].default == kind
