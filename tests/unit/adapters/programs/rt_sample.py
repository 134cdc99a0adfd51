import numpy as np
from ray import tune


def train(config):
    for step in range(2):
        tune.report({"loss": config["a"] / (step + 1), "inner": {"size": config["inner"]["size"]}})


tuner = tune.Tuner(
    train,
    param_space={
        "a": tune.uniform(0, 10),
        "inner": {"size": tune.sample_from(lambda _: 2 ** np.random.randint(2, 9))},
        "rate": tune.sample_from(lambda: 10 ** np.random.uniform(-4, -1)),
    },
    tune_config=tune.TuneConfig(metric="loss", mode="min", num_samples=3),
)
tuner.fit()
