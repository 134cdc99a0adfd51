from ray import tune
from ray.tune.search import ConcurrencyLimiter
from ray.tune.search.optuna import OptunaSearch


def train(config):
    tune.report({"loss": config["x"] ** 2, "size": abs(config["x"] - 1)})


search = OptunaSearch(
    metric=["loss", "size"], mode=["min", "max"], points_to_evaluate=[{"x": 0.5, "kind": "b", "other": 1}, {"x": 9}]
)
tuner = tune.Tuner(
    train,
    tune_config=tune.TuneConfig(search_alg=ConcurrencyLimiter(search, max_concurrent=2), num_samples=3),
    param_space={"x": tune.uniform(0, 1), "kind": tune.choice(["a", "b"])},
)
tuner.fit()
