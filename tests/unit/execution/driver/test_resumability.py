"""What keeps a study from being resumed."""

from pipeline import Objective, TuneJob, Uniform
from pipeline.execution.driver.resumability import unloadable_functions, unsaved_state
from tests.unit.execution.recorded_curves import steps


def _job(function: object, **fields: object) -> TuneJob:
    return TuneJob(
        name="s", function=function, space={"x": Uniform(0, 1)}, objectives=[Objective("score", "max")], **fields
    )


def test_a_function_of_a_file_can_be_resumed_and_a_nested_one_cannot() -> None:
    """A function of a file can be resumed, and a nested function is named because it is in no file."""

    def nested(config):
        yield {"score": config["x"]}

    assert unloadable_functions(_job(steps)) is None
    assert "nested is not defined in a file" in str(unloadable_functions(_job(nested)))


def test_a_class_of_ray_tune_prevents_a_resume() -> None:
    """A study with a class of Ray Tune cannot be resumed, because only the state of tunepipe's own is saved."""
    scheduler = {"kind": "ray.tune.schedulers.MedianStoppingRule"}
    assert unsaved_state(_job(steps)) is None
    assert unsaved_state(_job(steps, scheduler=scheduler)) == f"the state of {scheduler['kind']} cannot be saved"
