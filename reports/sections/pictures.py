"""What runs drew of people, every row's pictures beside the others'."""

from reports.formats.gallery import Gallery, Picture
from reports.formats.page import Section
from reports.numbers.sweep import SweepNumbers

KINDS = {
    "skeleton": (
        "Predicted skeletons",
        "Joints as each row's model predicts them; certainty where the model gives one.",
    ),
    "heatmaps": ("Heatmaps", "What a simulated heatmap looks like beside the teacher's."),
    "attention": ("Attention", "Where the keypoint tokens look in the picture."),
}


def pictures(numbers: SweepNumbers) -> Section | None:
    """The newest pictures by kind, of the first finished seed of each row that has any, or of any seed."""
    kinds: dict[str, list[Picture]] = {}
    for row in numbers.drawn_rows:
        read = ((run, numbers.reader.details(run).pictures) for run in row.drawn_runs)
        run, found = next(((run, found) for run, found in read if found), (None, ()))
        for one in found:
            assert run is not None
            picture = Picture(row=row.name, seed=run.seed, epoch=one.epoch, path=one.path, caption=one.caption)
            kinds.setdefault(one.kind, []).append(picture)
    if not kinds:
        return None
    galleries = []
    for kind, of_kind in kinds.items():
        title, caption = KINDS.get(kind, (kind, ""))
        galleries.append(Gallery(name=kind, title=title, caption=caption, pictures=tuple(of_kind)))
    text = ("The same validation images for every row. Select a picture to see it large.",)
    return Section(key="pictures", title="Pictures", short="Pictures", text=text, blocks=tuple(galleries))
