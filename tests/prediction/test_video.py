"""Real mp4 files, written and read."""

from pathlib import Path

import numpy as np
import pytest

from distilpose.prediction.video import VideoWriter, read_frames, video_facts


def _frame(level: int) -> np.ndarray:
    frame = np.full((40, 64, 3), 30, np.uint8)
    frame[..., 0] = level
    return frame


def test_a_video_is_read_as_it_was_written(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", size=(64, 40), fps=12.5) as writer:
        for level in (20, 120, 220):
            writer.add(_frame(level))
    assert video_facts(tmp_path / "a.mp4") == (3, (64, 40), 12.5)
    for frame, level in zip(read_frames(tmp_path / "a.mp4"), (20, 120, 220), strict=True):
        assert abs(frame[..., 0].mean() - level) < 10  # red stays red
        assert abs(frame[..., 2].mean() - 30) < 10
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_sides_of_an_odd_length_lose_a_pixel(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", size=(63, 41), fps=10) as writer:
        writer.add(np.zeros((41, 63, 3), np.uint8))
    assert video_facts(tmp_path / "a.mp4").size == (62, 40)


def test_an_error_leaves_no_video(tmp_path: Path) -> None:
    def fail() -> None:
        with VideoWriter(tmp_path / "a.mp4", size=(64, 40), fps=10) as writer:
            writer.add(_frame(9))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_frame_of_another_size_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match=r"a\.mp4: frames must all be"),
        VideoWriter(tmp_path / "a.mp4", size=(64, 40), fps=10) as writer,
    ):
        writer.add(_frame(9)[:20])
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_video_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(ValueError, match=r"a\.mp4: is no video"):
        video_facts(tmp_path / "a.mp4")
