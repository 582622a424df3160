"""The one process of a process group: it trains as no group does, and its collectives work.

    RANK=0 WORLD_SIZE=1 ... python one_rank.py FOLDER DEVICE

Prints the group's backend.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.with_name("training")))

import torch  # noqa: E402
from lightning_fabric import Fabric  # noqa: E402
from lightning_fabric.plugins.environments import TorchElasticEnvironment  # noqa: E402
from test_cohort import member, train  # noqa: E402
from torch import distributed as dist  # noqa: E402
from torch import nn  # noqa: E402

from distilpose.training.batch_norm import synchronise_batch_norm  # noqa: E402
from distilpose.training.ranks import Ranks, meet  # noqa: E402


def main(folder: Path, kind: str) -> None:
    device = torch.device(kind, 0) if kind == "cuda" else torch.device(kind)
    meet(device)
    values = torch.arange(3.0, device=device)
    assert torch.equal(Ranks().mean(values), values)

    images = torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0)).to(device)
    plain, synced = (nn.Sequential(nn.BatchNorm2d(3)).to(device) for _ in range(2))
    synchronise_batch_norm(synced)
    torch.testing.assert_close(synced(images), plain(images))
    torch.testing.assert_close(synced[0].running_var, plain[0].running_var)

    fabric = Fabric(accelerator=kind, devices=1, strategy="ddp", plugins=[TorchElasticEnvironment()])
    fabric.launch()
    alone, grouped = member("x", folder / "alone"), member("x", folder / "grouped")
    train([alone], fabric=Fabric(accelerator=kind, devices=1))
    train([grouped], fabric=fabric)
    for one, other in zip(alone.model.state_dict().values(), grouped.model.state_dict().values(), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-3, atol=1e-5)
    print(dist.get_backend())
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
