"""Crops a second of the training stream, with pictures kept in memory and read anew, on one thread.

    python benchmarks/people_stream.py [DATA SPLIT]

Without arguments it draws 512 synthetic people into a temporary directory.
"""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from distilpose.data.coco import PoseData, load_pose_data
from distilpose.data.stream import PeopleStream
from distilpose.data.synthetic import SyntheticSpec, write_synthetic
from distilpose.data.transforms import Augmentation

REPEATS = 7


def measure(data: PoseData, stream: PeopleStream) -> str:
    """Median, least and most samples a second over the repeats, after one warm-up epoch."""
    rates = []
    for epoch in range(REPEATS + 1):
        begin = time.perf_counter()
        people = sum(len(batch.index) for batch in stream.epoch(epoch))
        rates.append(people / (time.perf_counter() - begin))
    warm = rates[1:]
    return f"{statistics.median(warm):8.0f}  ({min(warm):.0f} to {max(warm):.0f})"


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as directory:
        if len(sys.argv) == 3:
            data = load_pose_data(sys.argv[1], sys.argv[2])
        else:
            data = load_pose_data(write_synthetic(SyntheticSpec(train=512, val=1), Path(directory) / "people"), "train")
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
        print(f"{len(data.people)} people, one thread of {platform.machine()}, commit {commit}, {REPEATS} repeats")
        print("input    cache  augmentation   samples/s median (least to most)")
        for size in ((48, 64), (192, 256)):
            for cache in ("ram", "none"):
                for augmentation in (Augmentation(), None):
                    stream = PeopleStream(
                        data, input_size=size, augmentation=augmentation, seed=0, batch_size=64, cache=cache
                    )
                    kind = "published" if augmentation else "none"
                    print(f"{size[0]}x{size[1]:<5} {cache:<6} {kind:<12}  {measure(data, stream)}", flush=True)


if __name__ == "__main__":
    main()
