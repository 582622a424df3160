"""A short lease of a card: what was never run on one, in turn, as far as the time of a call goes.

    python benchmarks/on_a_gpu.py --pack .gpu --data data/lspet [--results OUT]      # where packages can be fetched
    python3 benchmarks/on_a_gpu.py --kit .gpu/first --out OUT [--budget 540]         # on the bare machine, repeatedly

Each part is skipped where the rest of the budget does not suffice, and writes its results as it ends: OUT/results.json
and OUT/summary.md. What is done is not done again on the same machine. The last part trains until the budget ends, and
goes on from its checkpoints in the next call. `--small` tries all of it on a CPU. See docs/gpu.md.
"""

import argparse
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import traceback
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MEBI = 2**20
# The runtime packages, and what these need, that PyTorch's usual company does not bring.
WHEELS = (
    "annotated-types", "lightning-fabric", "pycocotools", "pydantic", "pydantic-core", "ruamel-yaml",
    "typing-extensions", "typing-inspection",
)  # fmt: skip
PLATFORMS = [f"manylinux_2_{glibc}_x86_64" for glibc in (28, 27, 17)] + ["manylinux2014_x86_64"]
CARRIED = 64 * MEBI  # of the checkout and what travels with it, a call
HOME, PIECES = 14 * MEBI, 3  # of a file of runs that comes back, and how many there may be
GRACE = 45.0  # seconds for checkpoints when the time is up, and for packing what goes home
SWEEP = "losses"


@dataclass(kw_only=True)
class Call:
    """What one call works with; `left` are the seconds of its budget."""

    kit: Path
    out: Path
    work: Path
    deadline: float
    small: bool

    @property
    def left(self) -> float:
        """Seconds until the budget ends."""
        return self.deadline - time.monotonic()

    @property
    def device(self) -> str:
        """Where models run."""
        return "cpu" if self.small else "cuda"

    @property
    def profile(self) -> str:
        """Which size of the table is trained."""
        return "lspet" if self.small else "lspet-gpu"

    @property
    def sweep(self) -> list[str]:
        """The sweep as every command names it."""
        place = ["--data", str(self.work / "data"), "--runs", str(self.work / "runs")]
        return [SWEEP, "--profile", self.profile, *place]

    def run(self, *command: str, seconds: float | None = None, ask_first: bool = False) -> tuple[int, str]:
        """The exit code and standard output of a Python command, ended when the time is up; its log goes to OUT.

        With `ask_first` it is asked to end (SIGINT) and has `GRACE` to do so.
        """
        path = f"{ROOT}{os.pathsep}{self.work / 'site'}"
        more = {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "WANDB_MODE": "disabled"}
        if self.small:
            more["DISTILPOSE_GPU_TESTS"] = "cpu"
        said = self.work / "stdout"
        with said.open("wb") as output, (self.out / "log.txt").open("ab") as errors:
            process = subprocess.Popen(
                [sys.executable, *command], cwd=ROOT, stdout=output, stderr=errors, env={**os.environ, **more},
                start_new_session=True,
            )  # fmt: skip
            try:
                process.wait(max(1.0, self.left - GRACE if seconds is None else seconds))
            except subprocess.TimeoutExpired:
                if ask_first:
                    process.send_signal(signal.SIGINT)
                try:
                    process.wait(GRACE if ask_first else 0.1)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        return process.returncode, said.read_text(encoding="utf-8", errors="replace")

    def json(self, *command: str) -> dict[str, Any]:
        """What a Python command prints as JSON. Raises RuntimeError where it fails."""
        code, said = self.run(*command)
        begin = said.find("{")
        if code or begin < 0:
            raise RuntimeError(f"{' '.join(command[:4])}: exit code {code}; see log.txt")
        found: dict[str, Any] = json.loads(said[begin:])
        return found


def facts(call: Call) -> dict[str, Any]:
    """The machine and the rates that it reaches."""
    say = "import json; from experiments.runs.provenance import provenance; print(json.dumps(provenance()))"
    found = call.json("-c", say)
    smi = shutil.which("nvidia-smi")
    if smi is not None:
        query = ["--query-gpu=name,driver_version,memory.total,memory.used,clocks.sm,power.limit", "--format=csv"]
        found["nvidia_smi"] = subprocess.run([smi, *query], capture_output=True, text=True, check=False).stdout
    quick = ["--quick"] if call.small else []
    found["ceilings"] = call.json("-m", "benchmarks.card", "ceilings", "--device", call.device, *quick)
    return found


def tests(call: Call) -> dict[str, Any]:
    """The tests marked gpu."""
    report = call.work / "tests.xml"
    # Warnings of other packages' plug-ins are no failures here.
    chosen = ["-k", "loss or bf16_learns or out_of_memory"] if call.small else []
    workers = str(min(6, os.cpu_count() or 1))
    code, said = call.run(
        "-m", "pytest", "tests/gpu", "-n", workers, "-p", "no:benchmark", "-o", "filterwarnings=default",
        f"--junitxml={report}", *chosen,
    )  # fmt: skip
    with (call.out / "log.txt").open("a") as log:
        log.write(said)
    if not report.exists():
        raise RuntimeError(f"pytest: exit code {code}; see log.txt")
    cases = list(ElementTree.parse(report).iter("testcase"))
    broken = {case.get("name", ""): part.get("message", "") for case in cases for part in case if _is_fault(part.tag)}
    skipped = sum(part.tag == "skipped" for case in cases for part in case)
    short = {name: message[:600] for name, message in broken.items()}
    return {"code": code, "tests": len(cases), "skipped": skipped, "failed": short}


def _is_fault(tag: str) -> bool:
    return tag in ("failure", "error")


def bench(call: Call, name: str = "table") -> dict[str, Any]:
    """One of `distilpose bench`."""
    quick = ["--quick", "--rounds", "1"] if call.small else ["--rounds", "3"]
    command = ["-m", "experiments.cli.main", "bench", name, "--device", call.device, "--json", *quick]
    return call.json(*command)[name]  # type: ignore[no-any-return]


def trace(call: Call) -> dict[str, Any]:
    """Where a step's time goes, at the papers' size and at a small one, which launches bind."""
    command = ["-m", "benchmarks.card", "trace", "--device", call.device]
    small = call.json(*command, "--quick")
    return {"small": small} if call.small else {"papers": call.json(*command), "small": small}


def plan(call: Call) -> dict[str, Any]:
    """What `plan` expects before anything is measured."""
    found = call.json("-m", "experiments.cli.main", "plan", *call.sweep, "--json")
    cost = {run_id: {"steps": one["steps"], "seconds": one["seconds"]} for run_id, one in found["cost"]["runs"].items()}
    cohorts = {one["cohort_id"]: one["run_ids"] for one in found["cohorts"]}
    return {"cohorts": cohorts, "cost": cost, "memory": found["memory"]}


def train(call: Call) -> dict[str, Any]:
    """A slice of the table, seed by seed, so that a whole cohort ends first; then what of the plan came true."""
    command = ["-m", "experiments.cli.main", "launch", *call.sweep, "--track", "none", "--device", call.device]
    code, seed = 0, -1
    for seed in range(3):
        if call.left < 2 * GRACE:
            break
        seconds = call.left - 2 * GRACE
        code, _ = call.run(*command, "--jobs", "1", "--seeds", str(seed), seconds=seconds, ask_first=True)
        if code:
            break
    runs = [run for run in sorted((call.work / "runs").iterdir()) if (run / "run.json").exists()]
    known = {run.name: _measured(run) for run in runs}
    return {"code": code, "seed": seed, "runs": known, "against_plan": _against_plan(call, known)}


def _measured(run: Path) -> dict[str, Any]:
    """A run's state, its speed and its peak memory, from its journal."""
    events = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines() if line.startswith("{")]
    begun = max((i for i, event in enumerate(events) if event["event"] == "start"), default=0)
    trained = [one for one in events[begun:] if one["event"] == "metrics"]
    steps = trained[-1]["step"] - trained[0]["step"] if trained else 0
    row = json.loads((run / "run.json").read_text())["row"]
    return {
        "row": row or "teacher",
        "finished": (run / "result.json").exists(),
        "step": max((event.get("step", 0) for event in events), default=0),
        "seconds_a_step": (trained[-1]["t"] - trained[0]["t"]) / steps if steps else None,
        "memory_bytes": max((event.get("memory_bytes") or 0 for event in events), default=0) or None,
    }


def _against_plan(call: Call, known: dict[str, Any]) -> list[dict[str, Any]]:
    """By cohort, the hours and the memory planned and measured: a process's, validations included."""
    expected = _results(call).get("plan", {}).get("found")
    found = []
    for cohort_id, run_ids in (expected or {"cohorts": {}})["cohorts"].items():
        speeds = [known[one]["seconds_a_step"] for one in run_ids if one in known and known[one]["seconds_a_step"]]
        if len(speeds) < len(run_ids):
            continue
        costs = [expected["cost"][one] for one in run_ids]
        need = expected["memory"].get(cohort_id)
        found.append(
            {
                "cohort": cohort_id,
                "runs": len(run_ids),
                "hours_planned": sum(one["seconds"] for one in costs) / 3600,
                "hours_measured": max(speeds) * costs[0]["steps"] / 3600,
                "bytes_planned": need and need["bytes"],
                "bytes_measured": max(known[one]["memory_bytes"] or 0 for one in run_ids),
            }
        )
    return found


@dataclass(frozen=True, kw_only=True)
class Part:
    """Something to do; `needs` are the seconds without which it is not begun."""

    do: Callable[[Call], dict[str, Any]]
    needs: float
    again: bool = False


PARTS = {
    "facts": Part(do=facts, needs=30),
    "plan": Part(do=plan, needs=40),
    "table": Part(do=bench, needs=150),
    "trace": Part(do=trace, needs=90),
    "tests": Part(do=tests, needs=180),
    "compiled": Part(do=lambda call: bench(call, "compiled"), needs=200),
    "train": Part(do=train, needs=150, again=True),
    "step": Part(do=lambda call: bench(call, "step"), needs=240),
    "cohort": Part(do=lambda call: bench(call, "cohort"), needs=240),
}


def _results(call: Call) -> dict[str, Any]:
    file = call.work / "results.json"
    return json.loads(file.read_text()) if file.exists() else {}


def work(call: Call, wanted: Sequence[str]) -> None:
    """Do the parts in turn."""
    for name in wanted:
        part, done = PARTS[name], _results(call)
        if name in done and done[name]["ok"] and not part.again:
            continue
        if call.left < part.needs + GRACE:
            print(f"{name}: skipped, {call.left:.0f} s are left and it takes {part.needs:.0f}", flush=True)
            continue
        began = time.monotonic()
        try:
            entry: dict[str, Any] = {"ok": True, "found": part.do(call)}
        except Exception:  # the other parts are still worth their time
            entry = {"ok": False, "error": traceback.format_exc()[-2000:]}
        entry |= {"seconds": round(time.monotonic() - began, 1), "small": call.small}
        write(call, {**_results(call), name: entry})
        print(f"{name}: {'done' if entry['ok'] else 'failed'} in {entry['seconds']} s", flush=True)


def write(call: Call, results: dict[str, Any]) -> None:
    """Keep the results for the next call, and send them home."""
    for folder in (call.work, call.out):
        (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (call.out / "summary.md").write_text(summary(results))


def summary(results: dict[str, Any]) -> str:
    """The results for people, in Markdown."""
    lines = ["# On a card", ""]
    for name, entry in results.items():
        lines += [f"## {name}: {'done' if entry['ok'] else 'FAILED'}, {entry['seconds']} s", ""]
        lines += _lines(name, entry["found"]) if entry["ok"] else ["```", entry["error"].strip(), "```"]
        lines.append("")
    return "\n".join(lines)


def _lines(name: str, found: dict[str, Any]) -> Iterator[str]:
    if name == "facts":
        yield f"- {found['gpu'] or found['cpu']}; Python {found['python']}, torch {found['packages']['torch']}"
        yield f"- reached here: {found['ceilings']}"
    elif name == "tests":
        failed, skipped = len(found["failed"]), found["skipped"]
        yield f"- {found['tests']} tests, {failed} failed, {skipped} skipped; exit code {found['code']}"
        yield from (f"- FAILED {test}: {message.splitlines()[:1]}" for test, message in found["failed"].items())
    elif name == "trace":
        for size, step in found.items():
            idle = step.get("idle", "unknown")
            yield f"- {size}: {step['seconds_a_step']:.4g} s a step of {step['people']} people; idle {idle}"
            yield from (f"- {one['share']:.1%} {one['name']} ({one['times_a_step']:.0f} a step)" for one in step["top"])
    elif name == "train":
        for run in found["runs"].values():
            yield f"- {run['row']}: step {run['step']}{', finished' if run['finished'] else ''}"
        for one in found["against_plan"]:
            hours = f"{one['hours_measured']:.3g} h measured, {one['hours_planned']:.3g} h planned"
            memory = (
                f"{one['bytes_measured'] / 1e9:.3g} GB measured, {(one['bytes_planned'] or 0) / 1e9:.3g} GB planned"
            )
            yield f"- cohort of {one['runs']}: {hours}; {memory}"
    elif "figures" in found:
        for one in found["figures"]:
            middle = sorted(one["ratios"])[len(one["ratios"]) // 2]
            yield f"- {middle:.3g} {one['what']}, against {one['against']} (aim {one['aim']}); {one['note']}"
    else:
        yield f"- {len(found.get('cost', {}))} runs in {len(found.get('cohorts', {}))} cohorts"


def set_up(call: Call) -> None:
    """The packages, the data and the runs of an earlier lease, once on a machine."""
    call.work.mkdir(parents=True, exist_ok=True)
    call.out.mkdir(parents=True, exist_ok=True)
    (call.work / "runs").mkdir(exist_ok=True)
    site = call.work / "site"
    wheels = sorted(str(file) for file in call.kit.glob("wheels/*.whl"))
    if wheels and not site.exists():
        plain = ["--no-index", "--no-deps", "--no-compile", "--no-cache-dir", "--target", str(site)]
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", *plain, *wheels], check=True)
    people = call.kit / "data.tar.xz"
    if people.exists() and not (call.work / "data").exists():
        with tarfile.open(people) as archive:
            archive.extractall(call.work, filter="data")
    pieces = b"".join(file.read_bytes() for file in sorted(call.kit.glob("store-*.part")))
    if pieces and not any((call.work / "runs").glob("*/run.json")):
        with tarfile.open(fileobj=io.BytesIO(pieces)) as archive:
            archive.extractall(call.work, filter="data")
    earlier = call.kit / "results.json"
    if earlier.exists():
        write(call, {**json.loads(earlier.read_text()), **_results(call)})


def send_home(call: Call) -> None:
    """Pack what another lease needs to go on, most valuable first, cut into files that may travel."""
    room, left_out = PIECES * HOME - tarfile.RECORDSIZE, 0
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for file in _by_value(call.work / "runs"):
            size = file.stat().st_size + 2 * tarfile.BLOCKSIZE
            if size > room:
                left_out += size
                continue
            room -= size
            archive.add(file, arcname=str(file.relative_to(call.work)))
    packed = whole.getvalue()
    for number, begin in enumerate(range(0, len(packed), HOME)):
        (call.out / f"store-{number}.part").write_bytes(packed[begin : begin + HOME])
    print(f"runs: {len(packed) / MEBI:.1f} MiB travel, {left_out / MEBI:.1f} MiB of finished ones do not", flush=True)


def _by_value(runs: Path) -> Iterator[Path]:
    """Files of finished runs: the teachers' weights before all, and no other weights; pictures last."""
    ended = [file.parent for file in runs.glob("*/result.json")]
    teachers = [run for run in ended if json.loads((run / "run.json").read_text())["role"] == "teacher"]
    yield from (run / "checkpoints" / "weights.safetensors" for run in teachers)
    yield from (
        file for folder in ("sweeps", "provenance", "parts") for file in (runs / folder).rglob("*") if file.is_file()
    )
    for wanted in (False, True):
        for run in ended:
            files = (file for file in run.rglob("*") if file.is_file() and not file.is_symlink())
            kept = (file for file in files if "checkpoints" not in file.parts and file.name != "lease")
            yield from (file for file in kept if ("pictures" in file.parts) == wanted)


def pack(target: Path, data: Path, results: Path | None) -> None:
    """Fill TARGET/first with packages and data, and TARGET/then with the runs that an earlier lease sent home."""
    first, then = target / "first", target / "then"
    if not (data / "annotations" / "test.json").exists():
        how = f"make one with `distilpose data split {data} FOLDER --of val --into test --share 0.6`"
        raise SystemExit(f"--data {data}: must have a split test, which {SWEEP} is measured on; {how}")
    shutil.rmtree(target, ignore_errors=True)
    (first / "wheels").mkdir(parents=True)
    locked = _locked()
    platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]
    tags = ["--python-version", "3.12", "--implementation", "cp", "--only-binary=:all:", "--no-deps"]
    names = [f"{name}=={locked[name]}" for name in WHEELS]
    pip = [sys.executable, "-m", "pip"] if _has_pip() else ["uvx", "pip"]
    subprocess.run([*pip, "download", "-q", *tags, *platforms, "-d", str(first / "wheels"), *names], check=True)
    pack_people(data, first / "data.tar.xz")
    if results is not None:
        then.mkdir()
        for file in (*results.glob("store-*.part"), results / "results.json"):
            shutil.copy(file, then)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    checkout = sum((ROOT / name).stat().st_size for name in listed.split("\0") if name and (ROOT / name).exists())
    for folder in (first, then):
        size = checkout + sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        if folder.exists():
            print(f"{folder}: {size / MEBI:.1f} MiB with the checkout, of {CARRIED / MEBI:.0f}", flush=True)
            if size > CARRIED:
                raise SystemExit(f"{folder}: too large to travel; leave something out")


def pack_people(data: Path, target: Path) -> None:
    """Write the annotations of every split with the pictures that they name: splits may share a folder of these."""
    with tarfile.open(target, "w:xz", preset=3, dereference=True) as archive:
        for file in sorted((data / "annotations").glob("*.json")):
            archive.add(file, arcname=f"data/annotations/{file.name}")
            for image in json.loads(file.read_text())["images"]:
                name = f"images/{file.stem}/{image['file_name']}"
                archive.add(data / name, arcname=f"data/{name}")


def _has_pip() -> bool:
    return subprocess.run([sys.executable, "-m", "pip", "-V"], capture_output=True, check=False).returncode == 0


def _locked() -> dict[str, str]:
    """The version of every package in uv.lock."""
    import tomllib

    return {one["name"]: one["version"] for one in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}


def main() -> None:
    """Pack, or do what there is time for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pack", type=Path, metavar="DIR")
    parser.add_argument("--data", type=Path, help="for --pack: lspet with its split test")
    parser.add_argument("--results", type=Path, help="for --pack: what came back from an earlier lease")
    parser.add_argument("--kit", type=Path, help="what was packed")
    parser.add_argument("--out", type=Path, help="where results go")
    parser.add_argument(
        "--work", type=Path, default=Path(tempfile.gettempdir()) / "distilpose-gpu", help="what stays on the machine"
    )
    parser.add_argument("--budget", type=float, default=540, metavar="SECONDS")
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {','.join(PARTS)}")
    parser.add_argument("--small", action="store_true", help="small sizes on the CPU, to see that it works")
    asked = parser.parse_args()
    if asked.pack is not None:
        if asked.data is None:
            parser.error("--pack needs --data")
        pack(asked.pack, asked.data, asked.results)
        return
    if asked.kit is None or asked.out is None:
        parser.error("give --pack, or --kit and --out")
    deadline = time.monotonic() + asked.budget
    unknown = [name for name in asked.only.split(",") if name not in PARTS]
    if unknown:
        parser.error(f"--only: must be of {', '.join(PARTS)}, got {unknown[0]}")
    call = Call(kit=asked.kit.resolve(), out=asked.out.resolve(), work=asked.work, deadline=deadline, small=asked.small)
    set_up(call)
    work(call, asked.only.split(","))
    write(call, _results(call))
    send_home(call)
    print((call.out / "summary.md").read_text())


if __name__ == "__main__":
    main()
