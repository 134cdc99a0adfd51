import random

from ray import tune
from ray.tune.schedulers import PopulationBasedTraining


class Climb(tune.Trainable):
    def setup(self, config):
        self.value = 0.0

    def step(self):
        self.value += self.config["lr"] * self.config["inner"]["factor"]
        return {"value": self.value}

    def save_checkpoint(self, checkpoint_dir):
        return {"value": self.value}

    def load_checkpoint(self, checkpoint):
        self.value = checkpoint["value"]


pbt = PopulationBasedTraining(
    perturbation_interval=2,
    hyperparam_mutations={
        "lr": lambda: random.uniform(0.1, 1.0),
        "inner": {"factor": [1, 2, 4]},
        "layers": lambda: random.randint(1, 3),
        "decay": tune.loguniform(1e-4, 1e-2),
    },
)
tuner = tune.Tuner(
    Climb,
    run_config=tune.RunConfig(stop={"training_iteration": 6}),
    tune_config=tune.TuneConfig(metric="value", mode="max", num_samples=4, scheduler=pbt),
    param_space={"lr": 0.5, "inner": {"factor": 1, "size": 8}, "decay": tune.uniform(0, 1)},
)
tuner.fit()
