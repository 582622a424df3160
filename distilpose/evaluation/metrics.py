"""Every metric of ours by its name in tables, what a metric may ask for, and a metric as a sweep names it. No torch."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from distilpose.parts.own import OwnPart, find_own, tuples
from distilpose.parts.signature import Option, PartError, Signature, read_signature

DATA_ASKS = {
    "head_sizes": "people with head_size",
    "crowding": "pictures with crowdIndex",
    "categories": "people of several categories",
    "parts": "a skeleton with parts",
}
"""What only some data have, in words: a metric that asks for it is measured on these alone."""
PEOPLE_ASKS = (
    "keypoints", "scores", "true_keypoints", "visible", "boxes", "areas", "head_sizes", "image_sizes", "image_ids",
)  # fmt: skip
"""A row for each annotated person, predicted in the annotated box: none are there for a detector's boxes."""
ASKS = (*PEOPLE_ASKS, "skeleton", "results", "truth", "evaluator", "crowding", "categories", "parts")
"""The names by which a metric asks (see `distilpose.evaluation.measure`); a parameter of any other is an option."""

Faults = list[tuple[tuple[str, ...], str]]
"""What is wrong: the path of names below the metric, and the rule with the value got."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltIn:
    """A metric of ours: the file in this folder and the function, the options that its name stands for.

    Of a function that returns several values, `value` names the one. `is_recorded`: every evaluation has it, asked for
    or not, where the data have what it asks for. `is_share`: from 0 to 1, shown in per cent.
    """

    source: str
    options: Mapping[str, Any] = field(default_factory=dict)
    value: str | None = None
    is_recorded: bool = True
    is_share: bool = True
    higher_is_better: bool = True

    @property
    def signature(self) -> Signature:
        """What it asks for and its options."""
        file, _, name = self.source.partition(":")
        return read_signature(Path(__file__).with_name(file), name, ASKS)

    @property
    def options_left(self) -> tuple[Option, ...]:
        """The options that its name leaves open."""
        return tuple(option for option in self.signature.options if option.name not in self.options)


AP_METRICS = ("AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL")
METRICS = {
    **{name: BuiltIn(source="average_precision.py:average_precision", value=name) for name in AP_METRICS},
    "PCK@0.2": BuiltIn(source="pck.py:pck", options={"threshold": 0.2}),
    "PCK@0.1": BuiltIn(source="pck.py:pck", options={"threshold": 0.1}),
    "PCK@0.2-torso": BuiltIn(source="pck.py:pck", options={"threshold": 0.2, "by": "torso"}),
    "PCK@0.1-torso": BuiltIn(source="pck.py:pck", options={"threshold": 0.1, "by": "torso"}),
    "PCK": BuiltIn(source="pck.py:pck", is_recorded=False),
    "PCKh@0.5": BuiltIn(source="pckh.py:pckh", options={"threshold": 0.5}),
    "PCKh@0.1": BuiltIn(source="pckh.py:pckh", options={"threshold": 0.1}),
    **{f"AP-{level}": BuiltIn(source="crowding.py:by_crowding", value=level) for level in ("easy", "medium", "hard")},
    "AP-categories": BuiltIn(source="categories.py:over_categories"),
    "AP-parts": BuiltIn(source="parts.py:by_part", is_recorded=False),
    "AUC": BuiltIn(source="pixels.py:auc", is_recorded=False),
    "EPE": BuiltIn(source="pixels.py:epe", is_recorded=False, is_share=False, higher_is_better=False),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricUse:
    """A metric in use, by its name in `METRICS` or, for a user's `own`, as the sweep writes it.

    `options` are those that are not at their default. `version`, where given, stands for the code of a user's own in
    the ids of runs whose best weights it chooses.
    """

    name: str
    options: tuple[tuple[str, Any], ...] = ()
    own: OwnPart | None = None
    version: int | None = None

    @property
    def title(self) -> str:
        """Its name in tables and results: for a user's own, its function's; options follow in brackets."""
        name = self.name if self.own is None else self.own.name
        return name + (f"({', '.join(f'{option}={value}' for option, value in self.options)})" if self.options else "")

    @property
    def asks(self) -> tuple[str, ...]:
        """What its function takes."""
        return METRICS[self.name].signature.asks if self.own is None else self.own.asks

    @property
    def higher_is_better(self) -> bool:
        """Whether more is better."""
        return METRICS[self.name].higher_is_better if self.own is None else self.own.higher_is_better

    @property
    def points(self) -> float:
        """What a value is multiplied by to be shown: 100 for shares of ours, as papers print them."""
        return 100.0 if self.own is None and METRICS[self.name].is_share else 1.0

    @property
    def code(self) -> str:
        """What stands for the code of a user's own; nothing for ours."""
        return "" if self.own is None else self.own.code if self.version is None else f"version {self.version}"

    def plain(self) -> str | dict[str, Any]:
        """The metric as JSON values, as `read_metric` takes it."""
        if self.own is None and not self.options:
            return self.name
        own = None if self.own is None else asdict(self.own)
        options = {name: list(value) if isinstance(value, tuple) else value for name, value in self.options}
        rest = {"own": own, "version": self.version}
        return {"name": self.name, **options, **{name: value for name, value in rest.items() if value is not None}}

    def identity(self) -> str | dict[str, Any]:
        """What an id holds of it beside its code."""
        return self.name if self.own is None and not self.options else {"name": self._where, **dict(self.options)}

    @property
    def _where(self) -> str:
        return self.name if self.own is None else self.own.title


def read_metric(value: object, folder: Path) -> tuple[MetricUse | None, Faults]:
    """The metric that a sweep names, and everything that is wrong with it; `folder` is that of the sweep's file."""
    if isinstance(value, MetricUse):
        return value, []
    written = dict(value) if isinstance(value, Mapping) else {"name": value}
    name, own, version = (written.pop(key, None) for key in ("name", "own", "version"))
    if not isinstance(name, str):
        return None, [((), f"must be the name of a metric, got {name!r:.80}")]
    part: OwnPart | None = None
    if isinstance(own, Mapping):  # from a recipe that was read before
        kept: Any = version
        return MetricUse(name=name, options=_items(written), own=OwnPart.from_json(own), version=kept), []
    faults: Faults = []
    if version is not None and (isinstance(version, bool) or not isinstance(version, int) or name in METRICS):
        faults.append((("version",), f"must be a whole number, of a metric of your own, got {version!r:.80}"))
    try:
        signature, part = _signature(name, folder)
    except PartError as error:
        return None, [*faults, ((), str(error))]
    faults += [((option,), rule) for option, rule in signature.faults(written).items()]
    if name in METRICS and (fixed := sorted(METRICS[name].options.keys() & written.keys())):
        faults.append(((fixed[0],), f"is part of the name {name!r}; take {name.partition('@')[0]} with options"))
    if faults:
        return None, faults
    defaults = signature.defaults()
    chosen = {option: item for option, item in signature.complete(written).items() if item != defaults[option]}
    assert version is None or isinstance(version, int)
    return MetricUse(name=name, options=_items(chosen), own=part, version=version), []


def metric_of(value: object, folder: Path | None = None) -> MetricUse:
    """The metric of a name or a mapping as in YAML. Raises ValueError, naming the option, where something is wrong."""
    use, faults = read_metric(value, folder or Path.cwd())
    if use is None:
        path, rule = faults[0]
        raise ValueError(f"{'.'.join(('metric', *path))}: {rule}")
    return use


def _signature(name: str, folder: Path) -> tuple[Signature, OwnPart | None]:
    if name in METRICS:
        return METRICS[name].signature, None
    place = find_own(name, folder, "metric", METRICS)
    signature = read_signature(place.file, place.name, ASKS)
    if signature.is_module:
        raise PartError(f"{signature.where}: {signature.name}: a metric is a function, got a class")
    if not isinstance(signature.higher_is_better, bool):
        rule = f"say which is better: `{signature.name}.higher_is_better = True`, or False, below the function"
        raise PartError(f"{signature.where}: {signature.name}: {rule}")
    return signature, OwnPart.of(place, signature)


def _items(options: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple((name, tuples(value)) for name, value in options.items())


def is_share(title: str) -> bool:
    """Whether the values of this title, or of a part of it, are shares of ours, to be shown in per cent."""
    name = title.partition("(")[0]
    metric = METRICS.get(name) or METRICS.get(name.rpartition(".")[0])
    return metric is not None and metric.is_share


def shown(title: str, value: float) -> str:
    """Return a metric's value for people: shares of ours in per cent, a user's own as it is."""
    return f"{100 * value:.1f}" if is_share(title) else f"{value:.4g}"


def lacking(use: MetricUse, given: Collection[str]) -> str:
    """What a metric asks of data beyond what is `given` of `DATA_ASKS`, in words; nothing where it can be measured."""
    return " and ".join(DATA_ASKS[ask] for ask in use.asks if ask in DATA_ASKS and ask not in given)


AP = metric_of("AP")
RECORDED = tuple(metric_of(name) for name, metric in METRICS.items() if metric.is_recorded)
"""What every evaluation measures."""
