import optuna


def objective(trial):
    a = trial.suggest_categorical("a", ["x", "y"])
    b = trial.suggest_categorical("b", ["x", "y"])
    if a == "y" and b == "y":
        return trial.suggest_float("both", 0, 1)
    return 0.5


optuna.create_study().optimize(objective, n_trials=3)
