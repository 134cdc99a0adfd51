from ray import tune
from ray.tune.schedulers.pb2 import PB2


class Bench(tune.Trainable):
    def setup(self, config, offset=0):
        self.lr, self.acc, self.offset = config["lr"], 0.0, offset

    def step(self):
        self.acc += self.lr * (1 - self.acc)
        return {"acc": self.acc + self.offset}

    def save_checkpoint(self, checkpoint_dir):
        return {"acc": self.acc}

    def load_checkpoint(self, checkpoint):
        self.acc = checkpoint["acc"]


pb2 = PB2(metric="acc", mode="max", perturbation_interval=2, hyperparam_bounds={"lr": [0.001, 0.5]})
tuner = tune.Tuner(
    tune.with_parameters(Bench, offset=10),
    run_config=tune.RunConfig(stop=lambda trial_id, result: result["training_iteration"] >= 6),
    tune_config=tune.TuneConfig(scheduler=pb2, num_samples=3),
    param_space={"lr": tune.uniform(0.001, 0.5)},
)
tuner.fit()
