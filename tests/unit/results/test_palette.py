"""The colours of pictures and pages."""

from pipeline.results.palette import DAY, NIGHT, VARIABLES


def test_a_dark_page_has_a_value_for_each_variable() -> None:
    """The dark palette has the variables of the light one, and each of its colours once."""
    assert DAY.keys() == NIGHT.keys() == set(VARIABLES.values())
    assert len(set(NIGHT.values())) == len(NIGHT)
