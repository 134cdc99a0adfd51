from ray import tune
from ray.tune import report, TuneConfig, Tuner
import numpy as np


def cost(config, data=None):
    w = np.zeros(3)
    while True:
        w -= config["lr"] * (w - data)
        report({"loss": float(((w - data) ** 2).sum()), "done_": 1, "inner": {"size": config["inner"]["size"]}})


space = {
    "lr": tune.quniform(0.1, 0.9, 0.1),
    "unused": tune.qrandint(2, 10, 2),
    "n": tune.randn(0, 1),
    "inner": {"size": tune.sample_from(lambda _: 2 ** np.random.randint(2, 9))},
    "rate": tune.sample_from(lambda: 10 ** np.random.uniform(-4, -1)),
}
tuner = Tuner(
    tune.with_parameters(cost, data=np.array([1.0, 2.0, 3.0])),
    param_space=space,
    tune_config=TuneConfig(metric="loss", mode="min", num_samples=4),
    run_config=tune.RunConfig(stop={"training_iteration": 5}),
)
tuner.fit()
