import torch

from distilpose.models.live_tensors import LiveTensors

KIB = 256  # numbers of four bytes


def test_the_peak_is_what_lived_at_once() -> None:
    with LiveTensors() as live:
        first = torch.zeros(4 * KIB)
        del first
        second, third = torch.zeros(KIB), torch.zeros(2 * KIB)
        assert live.now == 3 * 1024
        del second, third
    assert live.now == 0
    assert live.peak == 4 * 1024


def test_views_of_one_storage_count_once_and_until_the_last_is_gone() -> None:
    with LiveTensors() as live:
        whole = torch.zeros(4, KIB)
        row = whole[1]
        del whole
        assert live.now == 4 * 1024
        del row
        assert live.now == 0


def test_what_was_there_counts_too() -> None:
    there = torch.zeros(KIB)
    with LiveTensors([there]) as live:
        there += 1
        made = there * 2
        assert live.now == 2 * 1024
    assert made is not None


def test_what_the_backward_pass_makes_is_seen() -> None:
    weights = torch.ones(KIB, requires_grad=True)
    with LiveTensors([weights]) as live:
        weights.square().sum().backward()
        assert live.now == 2 * 1024  # the weights and their gradient
    assert live.peak >= 3 * 1024
