import optuna


def objective(trial):
    x = trial.suggest_float("x", -10, 10)
    y = trial.suggest_int("y", 0, 10, step=2)
    return (x - 2) ** 2 + y


if __name__ == "__main__":
    study = optuna.create_study(study_name="quad", storage="sqlite:///quad.db", load_if_exists=True)
    study.optimize(objective, n_trials=6)
    print(study.best_params)
