import numpy as np
from ray import tune


def train(config):
    for step in range(2):
        tune.report({"loss": config["a"] / (step + 1), "double": config["b"], "next": config["inner"]["c"]})


tuner = tune.Tuner(
    train,
    param_space={
        "inner": {"c": tune.sample_from(lambda spec: spec.config["b"] + 1)},
        "a": tune.uniform(0, 10),
        "b": tune.sample_from(lambda spec: spec.config.a * 2),
        "size": tune.sample_from(lambda _: 2 ** np.random.randint(2, 9)),
        "rate": tune.sample_from(lambda _: 10 ** np.random.uniform(-4, -1)),
    },
    tune_config=tune.TuneConfig(metric="loss", mode="min", num_samples=3),
)
tuner.fit()
