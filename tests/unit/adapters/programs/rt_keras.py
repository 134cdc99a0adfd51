import os
import tempfile

import numpy as np
from ray import tune
from ray.tune.schedulers import ASHAScheduler


def train_digits(config):
    import keras
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(config["hidden"], activation=config["activation"]),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.SGD(config["lr"], config["momentum"]), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    start = 0
    checkpoint = tune.get_checkpoint()
    if checkpoint:
        with checkpoint.as_directory() as folder:
            model.load_weights(os.path.join(folder, "model.weights.h5"))
            with open(os.path.join(folder, "epoch.txt")) as f:
                start = int(f.read()) + 1
    for epoch in range(start, config["epochs"]):
        history = model.fit(x[:1200], y[:1200], validation_data=(x[1200:], y[1200:]), verbose=0, batch_size=64)
        metrics = {
            "mean_accuracy": history.history["val_accuracy"][-1],
            "loss": history.history["loss"][-1],
            "note": "text",
        }
        with tempfile.TemporaryDirectory() as d:
            model.save_weights(os.path.join(d, "model.weights.h5"))
            with open(os.path.join(d, "epoch.txt"), "w") as f:
                f.write(str(epoch))
            tune.report(metrics, checkpoint=tune.Checkpoint.from_directory(d))


search_space = {
    "lr": tune.loguniform(1e-3, 1e-1),
    "momentum": tune.uniform(0.1, 0.9),
    "hidden": tune.randint(16, 64),
    "activation": tune.choice(["relu", "tanh"]),
    "epochs": 4,
}

if __name__ == "__main__":
    tuner = tune.Tuner(
        tune.with_resources(train_digits, {"cpu": 1}),
        param_space=search_space,
        tune_config=tune.TuneConfig(
            metric="mean_accuracy",
            mode="max",
            num_samples=3,
            scheduler=ASHAScheduler(max_t=4, grace_period=1, reduction_factor=2),
        ),
    )
    results = tuner.fit()
    print("Best", results.get_best_result().config)
