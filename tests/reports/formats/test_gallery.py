"""Pictures on one page."""

from pathlib import Path

import cv2
import numpy as np

from reports.formats.gallery import Figure, gallery_page


def test_pictures_are_inside_and_whatever_came_from_a_file_is_escaped(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((30, 50, 3), 90, np.uint8))
    page = gallery_page(
        "<b>run</b>",
        "a & b",
        [Figure(tmp_path / "a.png", "<script>", 'said "so"'), Figure(tmp_path / "gone.png", "x", "y")],
    )
    assert 'src="data:image/webp;base64,' in page
    assert 'width="50" height="30"' in page
    assert "The file gone.png is gone" in page
    assert "<script>" not in page
    assert "<b>" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert 'alt="said &#34;so&#34;"' in page
