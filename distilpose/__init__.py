"""The science of pose distillation: models, losses, data, training, evaluation, pictures. Knows nothing of sweeps."""
