import pytest

from experiments import model_table
from experiments.model_table import model_rows


@pytest.fixture
def two_models(monkeypatch: pytest.MonkeyPatch) -> None:
    some = {name: model_table.MODELS[name] for name in ("distilpose_s", "sdpose_t")}
    monkeypatch.setattr(model_table, "MODELS", some)


@pytest.mark.usefixtures("two_models")
def test_costs_stand_beside_the_published_ones() -> None:
    student, sdpose = model_rows(fps=False)
    assert (student["trainable"], round(student["gflops"], 4)) == (5_364_101, 2.3826)
    assert student["published"] == {"parameters_m": 5.36, "gflops": 2.38, "AP": 71.6, "fps": 40.2}
    assert round(sdpose["gflops"], 4) == 1.7988
    assert "fps" not in student


@pytest.mark.usefixtures("two_models")
def test_speed_is_measured_where_asked() -> None:
    for row in model_rows(fps=True):
        assert row["fps"]["low"] <= row["fps"]["fps"] <= row["fps"]["high"]
