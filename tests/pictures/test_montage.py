import numpy as np
import pytest
from PIL import Image

from distilpose.pictures.lettering import Label, lettered, text_width, wrapped
from distilpose.pictures.montage import Key, Panel, beside, sheet
from distilpose.pictures.palette import PAPER, SIDES
from distilpose.pictures.png import save_png

RED = np.full((40, 30, 3), (200, 0, 0), np.uint8)
BLUE = np.full((40, 50, 3), (0, 0, 200), np.uint8)


def count(image, colour):
    return int((image == np.array(colour)).all(-1).sum())


def test_every_panel_is_on_the_sheet_whole():
    image = sheet([[Panel(RED), Panel(BLUE)], [Panel(RED, "above", "below")]], title="T")
    assert count(image, (200, 0, 0)) == 2 * 40 * 30
    assert count(image, (0, 0, 200)) == 40 * 50


def test_title_subtitle_lines_and_legend_take_room_only_where_given():
    plain = sheet([[Panel(RED)]], title="T").shape[0]
    assert sheet([[Panel(RED)]], title="T", subtitle="more").shape[0] > plain
    assert sheet([[Panel(RED, above="x")]], title="T").shape[0] > plain
    assert sheet([[Panel(RED, below="x")]], title="T").shape[0] > plain
    assert sheet([[Panel(RED)]], title="T", legend=[Key("dot", "left")]).shape[0] > plain


@pytest.mark.parametrize("sign", ["line", "dot", "ring", "cross"])
def test_each_sign_of_a_legend_has_its_colour(sign):
    image = sheet([[Panel(RED)]], title="", legend=[Key(sign, "", SIDES["left"])])
    assert count(image, SIDES["left"]) > 4


def test_a_legend_too_wide_goes_on_in_the_next_line():
    few, many = (sheet([[Panel(RED)]], title="", legend=[Key("dot", "a joint of it")] * n) for n in (2, 20))
    assert many.shape[0] > few.shape[0]
    assert many.shape[1] == few.shape[1]


def test_an_empty_sheet_is_refused():
    with pytest.raises(ValueError, match="at least one panel"):
        sheet([[]], title="T")


def test_pictures_stand_beside_each_other_with_paper_between():
    image = beside([RED, BLUE], gap=4)
    assert image.shape == (40, 84, 3)
    assert count(image, PAPER) == 40 * 4


def test_lines_are_broken_between_words_within_the_width():
    lines = wrapped("one two three four five six seven", 90)
    assert " ".join(lines) == "one two three four five six seven"
    assert len(lines) > 1
    assert all(text_width(line) <= 90 for line in lines)


def test_text_is_drawn_on_a_copy():
    paper = np.full((30, 100, 3), 255, np.uint8)
    written = lettered(paper, [Label(5, 20, "text")])
    assert (paper == 255).all()
    assert (written < 100).any()


def test_a_saved_picture_is_nearly_the_one_drawn_on_pure_paper(tmp_path):
    rng = np.random.default_rng(0)
    photo = np.full((200, 300, 3), 255, np.uint8)
    photo[:, :150] = np.clip(np.linspace(0, 220, 150)[None, :, None] + rng.normal(0, 6, (200, 150, 3)), 0, 254)
    save_png(photo, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as file:
        back = np.asarray(file.convert("RGB"))
    assert (back[:, 150:] == 255).all()
    assert np.abs(back.astype(int) - photo).mean() < 8
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]
