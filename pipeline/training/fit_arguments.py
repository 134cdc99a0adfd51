"""The arguments of Keras' fit for one trial: a job's `fit`, with functions of the config called."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass

from pipeline.datasets import PY_DATASET, TF_DATA, Dataset, Split, is_endless, kind_of
from pipeline.errors import DataError, ModelError
from pipeline.space import Config
from pipeline.study import TuneJob
from pipeline.study.specification import READERS


@dataclass(frozen=True, slots=True)
class FitArguments:
    """Arguments of fit."""

    class_weight: Mapping[int, float] | None = None
    steps_per_epoch: int | None = None
    validation_steps: int | None = None
    validation_freq: int | tuple[int, ...] = 1
    shuffle: bool = True

    def validates(self, epoch: int) -> bool:
        """Whether fit validates an epoch."""
        freq = self.validation_freq
        return epoch % freq == 0 if isinstance(freq, int) else epoch in freq


def fit_arguments(job: TuneJob, config: Config) -> FitArguments:
    """The arguments of fit for a config."""
    values = {}
    for name, given in job.fit.given.items():
        argument = given(deepcopy(dict(config))) if callable(given) else given
        try:
            values[name] = READERS[name](argument)
        except ValueError as error:
            raise ModelError(
                f"fit.{name}: {given.__name__}(config) returned {argument!r:.200}, for {config}; what it returns "
                f"{str(error).partition(', or a function of')[0]}."
            ) from None
    return FitArguments(**values)


def check_fit(job: TuneJob, data: Dataset) -> None:
    """Check that data can be trained on with a job's `fit`, as far as that is possible without reading them."""
    given = job.fit.given
    for name, field in (("train", "steps_per_epoch"), ("validation", "validation_steps"), ("test", None)):
        split = data.pipelines.get(name)
        if split is None or not is_endless(split) or field in given:
            continue
        advice = "give it a __len__" if kind_of(split) == PY_DATASET else "leave out .repeat(), or add .take(BATCHES)"
        steps = f", or set the number of its batches with fit=Fit({field}=…)" if field else ""
        raise DataError(
            f"The {name} split of the data set {data.name!r}, a {kind_of(split)}, is endless: {advice}{steps}."
        )
    if "class_weight" in given:
        _check_class_weight(data)


def _check_class_weight(data: Dataset) -> None:
    train = data.train
    if isinstance(train, Split):
        targets, weighted = train.y, train.weight is not None
    elif kind_of(train) == TF_DATA and isinstance(spec := train.element_spec, tuple):
        targets, weighted = (spec[1] if len(spec) > 1 else None), len(spec) > 2
    else:
        return
    where = f"The train split of the data set {data.name!r}"
    if targets is None:
        raise DataError(f"{where} has no targets, so fit.class_weight has no classes to weight. Leave it out.")
    if weighted:
        raise DataError(
            f"{where} has weights, and Keras' fit takes either these or class_weight. Leave out fit.class_weight, or "
            "the weights."
        )
    if isinstance(targets, dict | tuple | list):
        raise DataError(
            f"{where} has several targets, and fit.class_weight needs a model with one output. Give each row a weight "
            "instead, or weight the classes in the loss."
        )
