"""Time StemNet's training step with the channels last, as models are built, against the channels first.

Run: python benchmarks/backbone_layout.py [--device cuda]
"""

import argparse
import statistics
import subprocess
import time

import torch
from torch import Tensor, nn

from distilpose.models import build_model

CASES = (
    ("teacher_stemnet", (48, 64), 24, 64),
    ("teacher_stemnet", (192, 256), 64, 4),
    ("distilpose_l", (192, 256), 48, 2),
)
LAYOUTS = {"first": torch.contiguous_format, "last": torch.channels_last}


def step_seconds(backbone: nn.Module, images: Tensor) -> float:
    """Return how long one forward and backward pass takes."""
    if images.is_cuda:
        torch.cuda.synchronize()
    start = time.perf_counter()
    backbone(images).square().mean().backward()
    if images.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start


def main() -> None:
    """Print the median and spread of both layouts, measured in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout
    print(f"torch {torch.__version__}, {options.device}, {torch.get_num_threads()} threads, commit {commit.strip()}")
    for name, size, width, batch in CASES:
        images = torch.randn(batch, 3, size[1], size[0], device=options.device)
        built = {
            layout: build_model(name, input_size=size, width=width).to(options.device).to(memory_format=memory)
            for layout, memory in LAYOUTS.items()
        }
        seconds: dict[str, list[float]] = {layout: [] for layout in LAYOUTS}
        for repeat in range(options.repeats + 3):
            for layout, model in built.items():
                taken = step_seconds(model.get_submodule("backbone"), images)
                if repeat >= 3:
                    seconds[layout].append(taken)
        for layout, values in seconds.items():
            low, middle, high = (1e3 * value for value in statistics.quantiles(values, n=4))
            print(
                f"{name} {size[0]}x{size[1]} width {width} batch {batch}, channels {layout}: "
                f"median {middle:.1f} ms, quartiles {low:.1f} to {high:.1f}"
            )


if __name__ == "__main__":
    main()
