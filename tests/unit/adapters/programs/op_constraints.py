import optuna


def objective(trial):
    x = trial.suggest_float("x", -10, 10)
    trial.set_user_attr("left", -x)
    return x**2


def constraints(trial):
    return (trial.user_attrs["left"] + 2,)


if __name__ == "__main__":
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(constraints_func=constraints))
    study.optimize(objective, n_trials=12)
    print(study.best_params)
