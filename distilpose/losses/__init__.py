"""One distillation idea a file: a pure function, and a thin module that holds its coefficient."""

from distilpose.losses.circulation import CirculationWeights, circulation_loss
from distilpose.losses.confidence import ConfidenceLoss, confidence_loss
from distilpose.losses.heatmap import HeatmapLoss, heatmap_loss
from distilpose.losses.regression import RegressionLoss, regression_loss
from distilpose.losses.simulated_heatmap import SimulatedHeatmapLoss, simulated_heatmap_loss
from distilpose.losses.tokens import TokenLoss, token_loss
from distilpose.losses.total import LossWeights, student_loss

__all__ = [
    "CirculationWeights",
    "ConfidenceLoss",
    "HeatmapLoss",
    "LossWeights",
    "RegressionLoss",
    "SimulatedHeatmapLoss",
    "TokenLoss",
    "circulation_loss",
    "confidence_loss",
    "heatmap_loss",
    "regression_loss",
    "simulated_heatmap_loss",
    "student_loss",
    "token_loss",
]
