"""Numbers, sizes, durations, plurals and suggestions as text."""

import pytest

from pipeline.wording import (
    by_count,
    capitalized,
    clock,
    closest,
    counted,
    did_you_mean,
    duration,
    format_number,
    frequency,
    hide_numbers,
    is_or_are,
    listed,
    percent,
    percentages,
    rough_duration,
    size,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.966615776, "0.9666"),
        (0.1, "0.1"),
        (0.0, "0"),
        (-5e-324, "0"),
        (1234.567, "1235"),
        (20480.0, "20480"),
        (-123456.7, "-123457"),
        (0.00012345, "0.0001234"),
        (0.000012345, "1.234e-05"),
        (1e-5, "1e-05"),
        (-2.5e7, "-2.5e+07"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
    ],
)
def test_numbers_have_four_digits(value: float, text: str) -> None:
    """Numbers have four significant digits or all before the point, and an exponent only if they are far from one."""
    assert format_number(value) == text


@pytest.mark.parametrize(
    ("count", "reported"),
    [(973, "973 bytes"), (513_000, "513 kB"), (6_890_000, "6.89 MB"), (2.5e9, "2.5 GB"), (3e12, "3 TB")],
)
def test_sizes_are_formatted_in_a_suitable_unit(count, reported) -> None:
    """Sizes are formatted with three digits in a suitable unit."""
    assert size(count) == reported


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.07, "70 ms"),
        (3.21, "3.2 s"),
        (9.96, "10 s"),
        (59.7, "1 min 0 s"),
        (245, "4 min 5 s"),
        (3599.8, "1 h 0 min"),
        (7384, "2 h 3 min"),
    ],
)
def test_durations_have_at_most_two_units(seconds: float, words: str) -> None:
    """Durations have at most two units and never 60 seconds."""
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0123, "0.012 s"), (3, "3.0 s"), (45, "45 s"), (600, "10 min"), (7200, "2.0 h"), (10**6, "11.6 days")],
)
def test_a_rough_duration_has_one_unit(seconds: float, words: str) -> None:
    """A rough duration has two digits and one unit."""
    assert rough_duration(seconds) == words


@pytest.mark.parametrize(
    ("per_second", "words"),
    [(946.04, "946 per second"), (5.33, "5.3 per second"), (1 / 30, "2 per minute"), (1 / 2400, "1.5 per hour")],
)
def test_a_frequency_is_at_least_one_in_its_unit(per_second: float, words: str) -> None:
    """A frequency has the shortest unit in which it is at least one, so that slow studies do not show zero."""
    assert frequency(per_second) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0 trials"), (1, "1 trial"), (1.0, "1 trial"), (0.5, "0.5 trials"), (2000, "2,000 trials")],
)
def test_a_noun_agrees_with_its_number(number: float, words: str) -> None:
    """A noun is singular only for the number one."""
    assert counted(number, "trial") == words


def test_a_sentence_begins_with_a_capital() -> None:
    """Only the first character of a sentence is capitalised, and names within it keep their capitals."""
    assert capitalized("keras' fit: the model has a Lambda") == "Keras' fit: the model has a Lambda"
    assert capitalized("x") == "X"


def test_an_irregular_plural_can_be_given() -> None:
    """A noun with a given plural has it for every number except one."""
    assert [counted(number, "trial was", "trials were") for number in (1, 2)] == ["1 trial was", "2 trials were"]


@pytest.mark.parametrize(("items", "words"), [("", ""), ("a", "a"), ("ab", "a and b"), ("abc", "a, b and c")])
def test_items_are_joined_as_in_a_sentence(items: str, words: str) -> None:
    """Items are joined by commas, and the last one by the word and."""
    assert listed(items) == words


def test_the_closest_word_is_suggested() -> None:
    """A word with a typo gets the closest word as a suggestion, and a different word gets none."""
    assert did_you_mean("trals", ["trials", "epochs"]) == " Did you mean trials?"
    assert did_you_mean("trals", ["trials"], quoted=True) == " Did you mean 'trials'?"
    assert did_you_mean("x", ["trials"]) == ""
    assert closest("lo", ["low", "high"], cutoff=0.5) == "low"


def test_initials_stand_for_a_name_of_several_words() -> None:
    """A word gets the name as a suggestion whose initials it has, and a name the word that has its initials."""
    assert closest("lr", ["width", "Learning_Rate"]) == "Learning_Rate"
    assert closest("learning_rate", ["width", "lr"]) == "lr"
    assert closest("lr", ["learning_rate", "lr"]) == "lr"
    assert closest("w", ["width"]) is None
    assert closest("accuracy_val", ["accuracy", "val_accuracy"]) == "val_accuracy"
    assert closest("val-accuracy", ["val_loss", "val_accuracy"]) == "val_accuracy"


def test_negative_percentages_have_a_minus_sign() -> None:
    """Negative percentages have a minus sign, not a hyphen."""
    assert [percent(share) for share in (0.123, -0.82, 0.0)] == ["12%", "−82%", "0%"]


@pytest.mark.parametrize("shares", [[1 / 3] * 3, [0.125] * 8, [0.004, 0.996], [0.07, 0.28, 0.65], [0.0, 1.0]])
def test_percentages_of_a_whole_sum_to_100(shares: list[float]) -> None:
    """The percentages of a whole sum to 100, and each is its share rounded up or down."""
    found = percentages(shares)
    assert sum(found) == 100
    assert all(abs(one - 100 * share) < 1 for one, share in zip(found, shares, strict=True))


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (5.4, "0:05"), (245, "4:05"), (7384, "2:03:04")])
def test_a_clock_has_hours_only_if_there_are_any(seconds: float, text: str) -> None:
    """A clock shows minutes and seconds, and hours only if there are any."""
    assert clock(seconds) == text


@pytest.mark.parametrize(("number", "verb"), [(0, "are"), (1, "is"), (1.0, "is"), (1.5, "are"), (2, "are")])
def test_verbs_agree_with_their_number(number: float, verb: str) -> None:
    """A verb is in the singular only for the number one."""
    assert is_or_are(number) == verb
    assert by_count(number, "has", "have") == {"is": "has", "are": "have"}[verb]


@pytest.mark.parametrize(("text", "hidden"), [("lr=1.2e-05 in line 3", "lr=# in line #"), ("no number", "no number")])
def test_numbers_are_hidden_whole(text: str, hidden: str) -> None:
    """A number is hidden with its decimals and its exponent, so that errors of different configs are equal."""
    assert hide_numbers(text) == hidden
