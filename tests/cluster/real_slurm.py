"""A real Slurm of two nodes on this one machine: munged, slurmctld and two slurmd of Debian's `slurm-wlm`, `munge`.

    python tests/cluster/real_slurm.py FOLDER     # starts one, prints its SLURM_CONF, stops it on Ctrl-C

No cgroups and no accounting, so that it runs in a container; every file is below FOLDER, every port is free, and
whatever Slurm the machine has of its own is left alone.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "srun")
CONF = """\
ClusterName=distilpose
SlurmctldHost={host}
SlurmctldPort={controller}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=6
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MpiDefault=none
SchedulerType=sched/builtin
SchedulerParameters=defer_batch,sched_interval=1,batch_sched_delay=0,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
JobRequeue=1
KillWait=2
MinJobAge=60
OverTimeLimit=0
SlurmctldTimeout=30
SlurmdTimeout=30
InactiveLimit=0
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={node1} CPUs=4 RealMemory=4000
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={node2} CPUs=4 RealMemory=4000
PartitionName=short Nodes=n1,n2 Default=YES MaxTime=60 OverSubscribe=FORCE:4
"""


def missing() -> str | None:
    """What to install before a Slurm can be started here, or None."""
    absent = [name for name in PROGRAMS if _find(name) is None]
    if os.geteuid() != 0:
        return "needs root, to start slurmd"
    return f"needs Slurm ({', '.join(absent)} not found): apt-get install slurm-wlm munge" if absent else None


def _find(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


@contextlib.contextmanager
def running_slurm(folder: Path) -> Iterator[dict[str, str]]:
    """The environment in which Slurm's commands reach the cluster, which ends with the context."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    ports = _free_ports(3)
    values = {"controller": ports[0], "node1": ports[1], "node2": ports[2], "folder": folder}
    conf = folder / "slurm.conf"
    conf.write_text(CONF.format(host=socket.gethostname(), **values))
    (folder / "cgroup.conf").write_text("CgroupAutomount=no\n")
    for name in ("state", "spool.n1", "spool.n2"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    environment = {**os.environ, "SLURM_CONF": str(conf)}
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str, *arguments: str) -> None:
        program = _find(name)
        assert program is not None, missing()
        with (folder / f"{name}.out").open("ab") as out:
            started.append(
                subprocess.Popen([program, *arguments], env=environment, stdout=out, stderr=out, start_new_session=True)
            )

    try:
        start(
            "munged", "--foreground", "--force", "--num-threads=2", f"--key-file={key}",
            f"--socket={folder}/munge.socket", f"--pid-file={folder}/munged.pid", f"--log-file={folder}/munged.log",
            f"--seed-file={folder}/munged.seed",
        )  # fmt: skip
        _wait(lambda: (folder / "munge.socket").exists(), "munged", folder)
        start("slurmctld", "-D", "-c", "-f", str(conf))
        for node in ("n1", "n2"):
            start("slurmd", "-D", "-c", "-N", node, "-f", str(conf))

        def both_idle() -> bool:
            return _output("sinfo", "--noheader", "--Node", "--format=%T", environment=environment) == "idle\nidle"

        _wait(both_idle, "slurmctld and slurmd", folder)
        yield environment
    finally:
        subprocess.run(["scancel", "--quiet", "--user=root"], env=environment, capture_output=True)
        with contextlib.suppress(RuntimeError):  # its steps would outlive slurmd
            _wait(lambda: not _output("squeue", "--noheader", environment=environment), "the end of all jobs", folder)
        for process in reversed(started):
            process.terminate()
        for process in reversed(started):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _output(*command: str, environment: dict[str, str]) -> str:
    return subprocess.run(command, env=environment, capture_output=True, text=True).stdout.strip()


def _wait(happened, what: str, folder: Path) -> None:
    deadline = time.monotonic() + 30
    while not happened():
        if time.monotonic() > deadline:
            logs = "\n".join(f"{file.name}: {file.read_text()[-2000:]}" for file in sorted(folder.glob("*.[lo]*")))
            raise RuntimeError(f"{what} did not come up:\n{logs}")
        time.sleep(0.1)


if __name__ == "__main__":
    with running_slurm(Path(sys.argv[1]).resolve()) as environment, contextlib.suppress(KeyboardInterrupt):
        print(f"export SLURM_CONF={environment['SLURM_CONF']}", flush=True)
        while True:
            time.sleep(1)
