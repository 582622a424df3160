"""How many images a second a module takes here, one at a time: a model's passes, or whole tests (`WholeTest`)."""

import statistics
import time
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Images per second of single forward passes: the median, and the quartiles as its spread."""

    fps: float
    low: float
    high: float
    passes: int
    device: str
    threads: int


@torch.inference_mode()
def measure_speed(
    model: nn.Module, input_size: tuple[int, int], *, device: torch.device, passes: int = 30, warm_up: int = 5
) -> Speed:
    """Return the speed of `model` in eval mode on `device`, for one image of `input_size` (width, height) at a time.

    The model is moved there and stays; its mode is put back.
    """
    width, height = input_size
    images = torch.randn(1, 3, height, width, device=device, generator=torch.Generator(device).manual_seed(0))
    was_training = model.training
    model.to(device).eval()
    rates = []
    for index in range(warm_up + passes):
        start = time.perf_counter()
        model(images)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if index >= warm_up:
            rates.append(1 / (time.perf_counter() - start))
    model.train(was_training)
    low, median, high = statistics.quantiles(rates, n=4) if len(rates) > 1 else rates * 3
    return Speed(fps=median, low=low, high=high, passes=passes, device=str(device), threads=torch.get_num_threads())
