"""KerasTuner's tuner for estimators of scikit-learn: a trial is a cross-validation."""

from collections.abc import Iterator
from typing import Any

from pipeline.adapters.keras_tuner.tuners import Tuner


class SklearnTuner(Tuner):
    """As keras_tuner.SklearnTuner: the hypermodel builds estimators, and `score` is the mean over the folds."""

    names = ("oracle", "hypermodel", "scoring", "metrics", "cv")

    def run_trial(self, trial: Any, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Any:  # noqa: N803
        """Cross-validate an estimator."""
        from sklearn.model_selection import KFold

        self.hypermodel.build(trial.hyperparameters)
        self.built()
        splitter = self.arguments.get("cv") or KFold(5, shuffle=True, random_state=1)
        return list(self._folds(trial, splitter.split(X, y, groups), (X, y, sample_weight)))

    def _folds(self, trial: Any, folds: Any, data: tuple[Any, Any, Any]) -> Iterator[dict[str, float]]:
        from sklearn.pipeline import Pipeline

        scoring, metrics = self.arguments.get("scoring"), self.arguments.get("metrics") or []
        for rows, other in folds:
            estimator = self.hypermodel.build(trial.hyperparameters)
            (x, y, weight), (x_other, y_other, weight_other) = _part(data, rows), _part(data, other)
            # The steps of a pipeline take no weights.
            estimator.fit(x, y, **({} if isinstance(estimator, Pipeline) else weight))
            score = scoring(estimator, x_other, y_other, **weight_other) if scoring else None
            found = {"score": estimator.score(x_other, y_other, **weight_other) if score is None else score}
            for metric in metrics if isinstance(metrics, list | tuple) else [metrics]:
                found[metric.__name__] = metric(y_other, estimator.predict(x_other), **weight_other)
            yield {name: float(value) for name, value in found.items()}


def _part(data: tuple[Any, Any, Any], rows: Any) -> tuple[Any, Any, dict[str, Any]]:
    """Some rows of the inputs and the targets, and their weights as an argument."""
    x, y, weight = (each.iloc[rows] if hasattr(each, "iloc") else each if each is None else each[rows] for each in data)
    return x, y, {} if weight is None else {"sample_weight": weight}
