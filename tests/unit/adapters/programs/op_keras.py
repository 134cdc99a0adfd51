"""Optuna example that optimizes a neural network with Keras."""

import keras
import optuna
from sklearn.datasets import load_digits

EPOCHS = 3


def create_model(trial):
    model = keras.Sequential([keras.Input((64,))])
    model.add(
        keras.layers.Dense(
            trial.suggest_int("units", 16, 64, log=True),
            activation=trial.suggest_categorical("activation", ["relu", "tanh"]),
        )
    )
    model.add(keras.layers.Dropout(trial.suggest_float("dropout", 0.0, 0.5, step=0.1)))
    model.add(keras.layers.Dense(10, activation="softmax"))
    return model


def objective(trial):
    keras.backend.clear_session()
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype("float32")
    model = create_model(trial)
    lr = trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
    model.compile(
        loss="sparse_categorical_crossentropy",
        optimizer=keras.optimizers.RMSprop(learning_rate=lr),
        metrics=["accuracy"],
    )
    for epoch in range(EPOCHS):
        model.fit(x[:1400], y[:1400], batch_size=128, epochs=1, verbose=False)
        score = model.evaluate(x[1400:], y[1400:], verbose=0)
        trial.set_user_attr("val_loss", score[0])
        trial.report(score[1], epoch)
        if trial.should_prune():
            raise optuna.exceptions.TrialPruned()
    return score[1]


if __name__ == "__main__":
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=1))
    study.optimize(objective, n_trials=4, timeout=600)
