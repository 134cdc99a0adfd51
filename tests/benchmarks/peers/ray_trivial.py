"""Ray Tune alone over trials that cost nothing: a class trainable, workers reused; `--no-loggers` writes no results."""

import json
import os
import sys

from ray import tune

from tests.benchmarks.jobs.bench_trivial import EPOCHS, JOB
from tests.benchmarks.peers.problem import trials


class Trivial(tune.Trainable):
    def setup(self, config):
        self.x = config["x"]

    def step(self):
        return {"value": self.x * self.iteration, "done": self.iteration + 1 >= EPOCHS}

    def reset_config(self, new_config):
        self.x = new_config["x"]
        return True

    def save_checkpoint(self, checkpoint_dir):
        return {}

    def load_checkpoint(self, checkpoint):
        pass


class Seen(tune.Callback):
    """When each result arrived."""

    times: list[float] = []  # noqa: RUF012

    def on_trial_result(self, iteration, trials, trial, result, **info):
        import time

        self.times.append(time.time())


def main() -> None:
    if "--no-loggers" in sys.argv:
        os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    domain = JOB.space["x"]
    seen = Seen()
    tune.Tuner(
        tune.with_resources(Trivial, {"cpu": 1}),
        param_space={"x": tune.uniform(domain.low, domain.high)},
        tune_config=tune.TuneConfig(metric="value", mode="max", num_samples=trials(), reuse_actors=True),
        run_config=tune.RunConfig(
            callbacks=[seen], checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False), verbose=0
        ),
    ).fit()
    print("\n" + json.dumps({"epochs": len(seen.times), "first": seen.times[0], "last": seen.times[-1]}))


if __name__ == "__main__":
    main()
