"""Ray Tune as its Keras example writes it: a function trainable, `fit` as it comes, one report an epoch, ASHA.

The example loads the data in each trial; here it comes by `tune.with_parameters`, which is faster. `--reuse-actors`
keeps the workers from trial to trial.
"""

import sys

from ray import tune
from ray.tune.schedulers import ASHAScheduler

from tests.benchmarks.peers import problem


def train(config, data):
    import keras

    class ProgressReport(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            tune.report({"val_accuracy": float(logs["val_accuracy"]), "loss": float(logs["loss"])})

    model = problem.network(config["lr"], config["momentum"], config["width"])
    model.fit(**data, epochs=problem.EPOCHS, callbacks=[ProgressReport()])


def main() -> None:
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(train, data=problem.arrays()), {"cpu": 1}),
        param_space={
            "lr": tune.loguniform(*problem.LR),
            "momentum": tune.uniform(*problem.MOMENTUM),
            "width": tune.choice(problem.WIDTHS),
        },
        tune_config=tune.TuneConfig(
            metric="val_accuracy",
            mode="max",
            num_samples=problem.trials(),
            scheduler=ASHAScheduler(max_t=problem.EPOCHS, grace_period=1, reduction_factor=problem.FACTOR),
            reuse_actors="--reuse-actors" in sys.argv,
        ),
        run_config=tune.RunConfig(storage_path=None),
    )
    results = tuner.fit()
    epochs = sum(result.metrics["training_iteration"] for result in results if result.metrics)
    problem.tell(epochs=epochs, trials=len(results), best=results.get_best_result().metrics["val_accuracy"])


if __name__ == "__main__":
    main()
