"""Samples a second on one thread: pictures kept on disk, decoded anew, and mmpose's own training pipeline."""

import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path

import torch

from benchmarks.measure import Figure, Settings, Work, in_turns, ratios
from distilpose.data.augmentation import Augmentation
from distilpose.data.coco import PoseData, load_pose_data
from distilpose.data.picture_store import PictureStore, store_size
from distilpose.data.stream import PeopleStream
from distilpose.synthetic.dataset import SyntheticSpec, write_synthetic

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "coco_mini"
"""Some pictures of COCO beside the checkout; where there are none, people are drawn instead."""
INPUT_SIZE, BATCH = (192, 256), 43


def figures(settings: Settings) -> Iterator[Figure]:
    """Every comparison in turn; where mmpose is not installed, all but the one with it."""
    with tempfile.TemporaryDirectory() as name, _one_thread():
        folder = Path(name)
        spec = SyntheticSpec(train=12 if settings.quick else 96, val=1)
        drawn = load_pose_data(write_synthetic(spec, folder / "people"), "train")
        people = load_pose_data(REAL, "train2017") if REAL.is_dir() else drawn
        yield from _kept(people, folder, settings)
        yield _filling(people, folder, settings)
        if people is not drawn:
            yield _filling(drawn, folder, settings)


def _kept(people: PoseData, folder: Path, settings: Settings) -> Iterator[Figure]:
    """What a filled store is worth."""
    with closing(PictureStore(people, folder / "kept")) as store:
        _epochs(_stream(people, cache=store))
    passes = 1 if settings.quick else 8
    samples = {"disk": passes * len(people.people), "anew": len(people.people)}
    with closing(PictureStore(people, folder / "kept")) as store:
        disk, anew = _stream(people, cache=store), _stream(people)
        ways: dict[str, Work] = {
            "disk": lambda: _epochs(disk, passes),
            "anew": lambda: _epochs(anew),
        }
        if find_spec("mmpose"):
            from benchmarks.mmpose_samples import MMPoseBatches

            theirs = MMPoseBatches(people, INPUT_SIZE, BATCH)
            ways["mmpose"], samples["mmpose"] = theirs.epoch, len(theirs.dataset)
        timed = in_turns(ways, settings.rounds, settings.device)
    seconds = {name: [one / samples[name] for one in values] for name, values in timed.items()}
    ours = _rate("ours", seconds["disk"])
    if "mmpose" in seconds:
        yield Figure(
            what="crops of pictures kept on disk",
            against="mmpose's training pipeline and normalisation, without targets",
            ratios=ratios(seconds["mmpose"], seconds["disk"]),
            aim=5.0,
            note=f"{ours}, {_rate('mmpose', seconds['mmpose'])}; one thread each",
        )
    without = "" if "mmpose" in seconds else "; mmpose is not installed, and not compared"
    yield Figure(
        what="crops of pictures kept on disk",
        against="crops of pictures decoded anew",
        ratios=ratios(seconds["anew"], seconds["disk"]),
        note=f"{ours}, {_rate('anew', seconds['anew'])}; one thread each{without}",
    )


def _filling(people: PoseData, folder: Path, settings: Settings) -> Figure:
    """What it costs to fill a store."""
    stores = [folder / f"{people.fingerprint}-{number}" for number in range(settings.rounds + 1)]
    empty = iter(stores)

    def fill() -> None:
        with closing(PictureStore(people, next(empty))) as store:
            _epochs(_stream(people, cache=store))

    anew = _stream(people)
    seconds = in_turns({"anew": lambda: _epochs(anew), "fill": fill}, settings.rounds)
    shown, size = {person.image for person in people.people}, store_size(people, stores[0])
    return Figure(
        what="the epoch that fills the disk",
        against="an epoch that decodes anew",
        ratios=ratios(seconds["anew"], seconds["fill"]),
        aim=1.0,
        note=f"{len(people.people)} people in {len(shown)} pictures, {size.whole / 1e6:.1f} MB in "
        f"{statistics.median(seconds['fill']):.2f} s; one thread, and one that writes",
    )


def _stream(people: PoseData, **options: object) -> PeopleStream:
    return PeopleStream(
        people,
        input_size=INPUT_SIZE,
        augmentation=Augmentation(),
        seed=0,
        batch_size=BATCH,
        drop_last=False,
        **options,  # type: ignore[arg-type]
    )


def _epochs(stream: PeopleStream, count: int = 1) -> None:
    for epoch in range(count):
        for _ in stream.epoch(epoch):
            pass


def _rate(name: str, seconds: Sequence[float]) -> str:
    return f"{name} {1 / statistics.median(seconds):,.0f} samples/s"


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
