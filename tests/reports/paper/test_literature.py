"""The published rows: complete, with their source, and consistent where two tables print the same model."""

from reports.paper.literature import of_model, of_table, published_methods


def test_every_row_has_a_source_and_an_accuracy() -> None:
    assert all(row.source and row.ap is not None for row in published_methods())


def test_the_tables_of_comparison_are_whole() -> None:
    assert [len(of_table(table)) for table in ("val", "test-dev", "speed", "sdpose")] == [24, 8, 5, 4]
    assert all(None not in (row.ap50, row.ap75, row.apm, row.apl) for row in of_table("test-dev"))


def test_a_model_is_published_with_one_accuracy_a_split() -> None:
    for table in {row.table for row in published_methods()} - {"test-dev"}:
        for row in of_table(table):
            known = of_model(row.model) if row.model else None
            assert known is None or known.ap == row.ap


def test_the_row_that_knows_the_speed_is_preferred() -> None:
    found = of_model("distilpose_s")
    assert found is not None
    assert (found.params_m, found.gflops, found.fps) == (5.36, 2.38, 40.2)
    assert of_model("nobody") is None


def test_what_a_source_does_not_print_stays_empty() -> None:
    found = of_model("base_stemnet")
    assert found is not None
    assert (found.ap, found.params_m, found.fps, found.input) == (56.0, None, None, "")
