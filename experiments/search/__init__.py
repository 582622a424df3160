"""Loss weights searched with Optuna: a study is rebuilt from the store's finished trials."""
