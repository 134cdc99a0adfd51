import json, os
from ray import tune


class Guess(tune.Trainable):
    def setup(self, config):
        self.x = 0
        self.a = config["a"]

    def step(self):
        self.x += 1
        return {"score": self.a * self.x}

    def save_checkpoint(self, checkpoint_dir):
        with open(os.path.join(checkpoint_dir, "x.json"), "w") as f:
            json.dump({"x": self.x}, f)

    def load_checkpoint(self, checkpoint_dir):
        with open(os.path.join(checkpoint_dir, "x.json")) as f:
            self.x = json.load(f)["x"]


tune.Tuner(
    Guess,
    param_space={"a": tune.uniform(0, 1)},
    tune_config=tune.TuneConfig(metric="score", mode="max", num_samples=4),
    run_config=tune.RunConfig(stop={"training_iteration": 6}),
).fit()
