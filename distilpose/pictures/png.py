"""Pictures as files."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from distilpose.pictures.palette import FAINT, INK, PAPER, RULE, SIDES, Image
from distilpose.whole_files import write_whole

_EXACT = (PAPER, INK, FAINT, RULE, (0, 0, 0), *SIDES.values())
_COMPRESSION = 3  # of 9: a tenth more bytes than 6 in half the time
_SAMPLED = 4  # every fourth pixel each way chooses the colours: as good as all, and twenty times as quick


def save_png(image: Image, path: Path, *, aside: Path | None = None, said: Mapping[str, str] | None = None) -> None:
    """Write a picture as a PNG of 256 colours, half as large as one of all colours; whole or not at all.

    Photographs are dithered; paper, ink and the colours of the sides are exact. `said` are
    the file's texts by name. See `write_whole` for `aside`.
    """
    picture = Pillow.fromarray(image)
    sample = picture.resize(
        (max(1, picture.width // _SAMPLED), max(1, picture.height // _SAMPLED)), Pillow.Resampling.NEAREST
    )
    chosen = sample.quantize(256 - len(_EXACT), method=Pillow.Quantize.FASTOCTREE).getpalette() or []
    colours = chosen[: 3 * (256 - len(_EXACT))]
    paper = len(colours) // 3
    colours += [value for colour in _EXACT for value in colour]
    palette = Pillow.new("P", (1, 1))
    palette.putpalette(colours)
    indexed = np.asarray(picture.quantize(palette=palette, dither=Pillow.Dither.FLOYDSTEINBERG)).copy()
    indexed[cv2.inRange(image, PAPER, PAPER) > 0] = paper  # or dithering would speckle it
    file = Pillow.fromarray(indexed, "P")
    file.putpalette(colours)
    content, texts = BytesIO(), PngInfo()
    for name, text in (said or {}).items():
        texts.add_text(name, text)
    file.save(content, format="PNG", compress_level=_COMPRESSION, pnginfo=texts)
    write_whole(path, content.getvalue(), aside=aside)
