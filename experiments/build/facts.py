"""What a plan knows about data."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFacts:
    """What a plan has to know about data: the fingerprint of both splits together (content, never paths) and the
    counts.

    `boxes` is `gt`, or the checksum of the file of the detector's boxes. `annotations` are the checksums of the files
    of train and val, by which reports know published data; synthetic people have neither these nor a `name`, which is
    the folder's, for people to read. `gives` are those of `DATA_ASKS` that metrics find in val.
    """

    fingerprint: str
    train_people: int
    val_people: int
    boxes: str = "gt"
    annotations: tuple[str, ...] = ()
    name: str = ""
    gives: frozenset[str] = frozenset()
