import optuna


def objective(trial):
    a = trial.suggest_int("a", 1, 10)
    b = trial.suggest_int("b", 1, a + 1)
    return a - b


study = optuna.create_study()
study.optimize(objective, n_trials=5)
