"""The functions that the JSON of a job names."""

from typing import Any

from hypothesis import given, strategies as st

from pipeline.study.named_functions import FUNCTION_FIELDS, named_functions

FUNCTION = {"function": "job:f", "sha256": "0"}


def test_functions_are_found_by_the_path_of_their_field() -> None:
    """Functions are found by the path of their field, those of fit included, and data set names are not."""
    fields = {"model": FUNCTION, "data": "digits", "fit": {"class_weight": FUNCTION, "steps_per_epoch": 3}, "seed": 1}
    assert named_functions(fields) == {"model": FUNCTION, "fit.class_weight": FUNCTION}


_anything = st.recursive(
    st.none() | st.text(max_size=3) | st.integers(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["function", "x"]), inner, max_size=2),
    max_leaves=4,
)


@given(fields=st.dictionaries(st.sampled_from([*FUNCTION_FIELDS, "fit", "other"]), _anything))
def test_only_names_are_found_in_any_json(fields: dict[str, Any]) -> None:
    """Any JSON is searched for names of functions before it is validated, and only names are returned."""
    for path, value in named_functions(fields).items():
        assert path.split(".")[0] in (*FUNCTION_FIELDS, "fit")
        assert isinstance(value["function"], str)
