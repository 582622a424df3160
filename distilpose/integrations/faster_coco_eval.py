"""faster-coco-eval, a compiled equal of pycocotools. The one file that imports it, and only when it is asked for."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def faster_stats(
    truth: Mapping[str, Any], results: Sequence[Mapping[str, Any]], sigmas: Sequence[float]
) -> Sequence[float]:
    """Return AP, AP50, AP75, APM, APL and the same of AR; -1 stands for one that the truth leaves undefined.

    `truth` is a COCO-format data set, `results` are rows of COCO's results format; neither is changed.

    Raises ValueError when the extra is not installed.
    """
    try:
        from faster_coco_eval import COCO, COCOeval_faster
    except ImportError as error:
        raise ValueError(
            "evaluator: 'faster' needs faster-coco-eval, which is not installed; "
            "`pip install 'distilpose[fast-eval]'` brings it, and 'pycocotools' needs nothing"
        ) from error
    # It marks the annotations that it reads.
    coco = COCO({**truth, "annotations": [dict(annotation) for annotation in truth["annotations"]]})
    evaluation = COCOeval_faster(
        coco, coco.loadRes([dict(row) for row in results]), "keypoints", kpt_oks_sigmas=np.asarray(sigmas)
    )
    evaluation.run()
    stats: Sequence[float] = evaluation.stats
    return stats
