"""Imports run one way: reports -> experiments.runs.store -> nothing of ours; experiments -> distilpose; never back."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = ("distilpose", "experiments", "reports")

# The rooms of the engine, each with those it may import; the command line and the Python side are the roof over all.
ROOMS = {
    "machine": "",
    "sweep": "",
    "runs": "sweep",
    "track": "runs",
    "build": "machine sweep runs",
    "plan": "sweep runs build",
    "search": "sweep runs build plan",
    "train": "sweep runs build plan search track",
    "launch": "machine sweep runs plan train",
    "trained": "sweep runs build",
    "terminal": "machine runs plan launch",
    "api": "machine runs launch trained cli",
    "cli": "machine sweep runs track build plan search train launch trained terminal",
}
# The rooms of the reports, in the order in which numbers are made and shown; results, write and watch are the roof.
REPORT_ROOMS = {
    "statistics": "",
    "read": "",
    "formats": "statistics",
    "paper": "formats",
    "numbers": "statistics read",
    "sections": "statistics read formats paper numbers",
    "results": "statistics read numbers sections",
    "write": "read formats numbers sections",
    "compare": "statistics read formats numbers sections",
    "together": "numbers",
    "watch": "read formats numbers sections",
}
HOUSES = {"experiments": ROOMS, "reports": REPORT_ROOMS}
# These rooms know of the science how files are written, and what parts, losses and versions of code there are.
WITHOUT_SCIENCE = ("machine", "runs", "track", "launch")
FOR_ALL = (
    "distilpose.whole_files",
    "distilpose.parts",
    "distilpose.losses",
    "distilpose.evaluation.metrics",
    "distilpose.versions",
)
TORCH_FREE = (
    "distilpose.parts",
    "distilpose.losses.table",
    "distilpose.losses.use",
    "distilpose.evaluation.metrics",
    "distilpose.versions",
)
MMPOSE = ("mmpose", "mmengine", "mmcv", "xtcocotools", "mmdet")
# What the reports may read of the engine: what is on disk.
ON_DISK = (
    "experiments.runs.store",
    "experiments.runs.journal",
    "experiments.runs.atomic",
    "experiments.runs.run_files",
    "experiments.runs.saved_plan",
)


def modules() -> dict[str, Path]:
    """Every module of ours by dotted name."""
    files = [file for package in OURS for file in (ROOT / package).rglob("*.py")]
    return {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


def imports(file: Path) -> set[str]:
    """All modules named by import statements of `file`, those inside functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import; write the full name so that layers can be read"
            assert node.module is not None
            found.update({node.module} | {f"{node.module}.{alias.name}" for alias in node.names})
    return found


def names_of(package: str, imported: set[str]) -> list[str]:
    return sorted(name for name in imported if name == package or name.startswith(f"{package}."))


MODULES = modules()


def room_imports(house: str, room: str) -> set[str]:
    """All that the modules of a room import."""
    own = names_of(f"{house}.{room}", set(MODULES))
    return {name for module in own for name in imports(MODULES[module])}


REPORTS = [name for name in MODULES if name.startswith("reports")]


def test_every_package_is_seen() -> None:
    assert {name.partition(".")[0] for name in MODULES} == set(OURS)


@pytest.mark.parametrize("module", [m for m in MODULES if m.startswith("distilpose.")])
def test_the_science_knows_nothing_of_the_engine(module: str) -> None:
    imported = imports(MODULES[module])
    reads_yaml = ("distilpose.data.library", "distilpose.integrations.mmpose_checkpoints")  # files of others, in YAML
    yaml = () if module in reads_yaml else ("ruamel",)
    for package in ("experiments", "reports", "wandb", "optuna", "pydantic", *yaml):
        assert names_of(package, imported) == []


def test_mmpose_is_imported_by_its_integration_alone() -> None:
    # The plug-in imports mmpose at once; only mmpose's own configurations name it.
    of_mmpose = (*MMPOSE, "distilpose.integrations.mmpose_plugin")
    for module in MODULES:
        if not module.startswith("distilpose.integrations.mmpose"):
            imported = imports(MODULES[module])
            assert [name for package in of_mmpose for name in names_of(package, imported)] == [], module


@pytest.mark.parametrize(
    ("home", "packages"), [("onnx", ("onnx", "onnxruntime", "onnxscript")), ("faster_coco_eval", ("faster_coco_eval",))]
)
def test_an_optional_package_is_imported_by_its_integration_alone_inside_functions(
    home: str, packages: tuple[str, ...]
) -> None:
    for module, file in MODULES.items():
        if module == f"distilpose.integrations.{home}":
            tops = [node for node in ast.parse(file.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
            named = {alias.name for node in tops if isinstance(node, ast.Import) for alias in node.names}
            imported = named | {node.module or "" for node in tops if isinstance(node, ast.ImportFrom)}
        else:
            imported = imports(file)
        assert [name for package in packages for name in names_of(package, imported)] == [], module


@pytest.mark.parametrize("module", ["distilpose.integrations.mmpose", "distilpose.integrations.mmpose_stand_ins"])
def test_mmpose_is_imported_inside_functions_alone(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text())
    tops = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    named = {alias.name for node in tops if isinstance(node, ast.Import) for alias in node.names}
    named |= {node.module or "" for node in tops if isinstance(node, ast.ImportFrom)}
    assert [name for package in MMPOSE for name in names_of(package, named)] == []


def test_ray_is_imported_by_its_launcher_alone_and_late() -> None:
    for module, file in MODULES.items():
        tops = [node for node in ast.parse(file.read_text()).body if isinstance(node, ast.Import)]
        assert "ray" not in {alias.name for node in tops for alias in node.names}, module
        if module != "experiments.launch.ray":
            assert names_of("ray", imports(file)) == [], module


@pytest.mark.parametrize(("house", "room"), [(house, room) for house, rooms in HOUSES.items() for room in rooms])
def test_a_room_imports_only_rooms_that_it_may(house: str, room: str) -> None:
    rooms = {name.split(".")[1] for name in names_of(house, room_imports(house, room)) if name.count(".")}
    assert rooms - {room} <= set(HOUSES[house][room].split())


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_of_the_engine_knows_what_it_may_of_science_and_reports(room: str) -> None:
    imported = room_imports("experiments", room)
    if room in WITHOUT_SCIENCE:
        assert [name for name in names_of("distilpose", imported) if not name.startswith(FOR_ALL)] == []
    if room not in ("cli", "api"):
        assert names_of("reports", imported) == []


@pytest.mark.parametrize("house", HOUSES)
def test_every_module_of_a_house_is_in_a_room_and_no_rooms_import_each_other(house: str) -> None:
    rooms = HOUSES[house]
    assert {name.split(".")[1] for name in MODULES if name.startswith(f"{house}.")} == set(rooms)
    assert list(TopologicalSorter({room: may.split() for room, may in rooms.items()}).static_order())


@pytest.mark.parametrize("package", ["wandb", "tensorboard", "mlflow", "trackio"])
def test_a_service_is_imported_by_its_tracker_alone_and_late(package: str) -> None:
    for module, file in MODULES.items():
        tops = [node for node in ast.parse(file.read_text()).body if isinstance(node, ast.Import)]
        assert package not in {alias.name for node in tops for alias in node.names}, module
        if not module.startswith(f"experiments.track.{package}"):
            assert names_of(package, imports(file)) == [], module


@pytest.mark.parametrize("module", [m for m in MODULES if m.startswith("reports")])
def test_reports_read_only_what_is_on_disk(module: str) -> None:
    imported = imports(MODULES[module])
    assert names_of("distilpose", imported) == []
    assert all(name.startswith(ON_DISK) for name in names_of("experiments", imported))


@pytest.mark.parametrize("module", [m for m in MODULES if m.startswith(TORCH_FREE)])
def test_what_is_known_of_parts_is_known_without_torch(module: str) -> None:
    assert names_of("torch", imports(MODULES[module])) == []


def test_no_module_of_reports_imports_itself_through_others() -> None:
    """Imports for type checkers alone count too."""
    reports = {module: names_of("reports", imports(file)) for module, file in MODULES.items() if module in REPORTS}
    graph = {module: {name for name in named if name in reports} - {module} for module, named in reports.items()}
    assert list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize(
    "module", ["distilpose.whole_files", "experiments.runs.store", "experiments.runs.journal", "experiments.runs.lease"]
)
def test_the_store_imports_no_torch(module: str) -> None:
    assert names_of("torch", imports(MODULES[module])) == []
