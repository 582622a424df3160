"""The version of every piece of code that can change a run's result: part of the id of each run that uses it.

Raise a version where a change of its files changes results: runs of the earlier code keep their ids and stay. A test
holds the files' syntax against the versions.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from distilpose.losses.table import LOSSES
from distilpose.models.spec import RESNETS, ModelSpec
from distilpose.parts.code import code_digest

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A version, and the files below this folder, as glob patterns, that it is of."""

    version: int
    files: tuple[str, ...]

    @property
    def paths(self) -> Iterator[Path]:
        """The files, by name."""
        for pattern in self.files:
            yield from sorted(HERE.glob(pattern))


TRAINING = Code(
    version=1,
    files=(
        "training/cohort.py",
        "training/member.py",
        "training/optimizers.py",
        "training/schedule.py",
        "training/batch_norm.py",
        "losses/criteria.py",
        "losses/use.py",
        "models/frozen.py",
        "models/init.py",
        "models/warm_start.py",
        "models/precision.py",
    ),
)
DATA = Code(
    version=1,
    files=(
        "data/augmentation.py",
        "data/stream.py",
        "data/transforms.py",
        "data/codecs.py",
        "data/normalise.py",
        "data/coco.py",
    ),
)
EVALUATION = Code(version=1, files=("evaluation/[a-c]*.py", "evaluation/[e-r]*.py", "evaluation/decode.py"))
CIRCULATION = Code(version=1, files=("losses/circulation.py",))
BACKBONES = {
    "stemnet": Code(version=1, files=("models/stemnet.py",)),
    "hrnet": Code(version=1, files=("models/hrnet.py",)),
    **{name: Code(version=1, files=("models/resnet.py",)) for name in RESNETS},
    "timm": Code(version=1, files=("models/timm_backbone.py",)),
    "image": Code(version=1, files=()),
    "mmpose": Code(version=1, files=("integrations/mmpose_student.py",)),
}
TOKENS = Code(version=1, files=("models/encoder.py", "models/positions.py", "models/token_models.py"))
HEADS = Code(version=1, files=("heads/*.py", "models/post_norm.py"))
LOSS_CODE = {name: Code(version=loss.version, files=(f"losses/{loss.file.name}",)) for name, loss in LOSSES.items()}

ALL = {
    "training": TRAINING,
    "data": DATA,
    "evaluation": EVALUATION,
    "circulation": CIRCULATION,
    "tokens": TOKENS,
    "heads": HEADS,
    **{f"backbone {name}": code for name, code in BACKBONES.items()},
    **{f"loss {name}": code for name, code in LOSS_CODE.items()},
}
"""Every piece, by the name that messages use."""


def code_of_model(spec: ModelSpec) -> list[str]:
    """The pieces of ours that a model is made of; a user's own code has its digest."""
    pieces = [f"backbone {spec.backbone}", *(["tokens"] if spec.has_tokens else []), "heads"]
    return [piece for piece in pieces if piece in ALL]  # a backbone that is just being written has no version yet


@cache
def source_digest(name: str) -> str:
    """The digest of a piece's syntax as it stands: comments and docstrings do not count."""
    return code_digest(ALL[name].paths)
