"""The token encoder and its sine table, by hand and against plain formulas."""

import math

import pytest
import torch

from distilpose.models.encoder import SelfAttention, TokenEncoder, attend
from distilpose.models.positions import sine_table


def _encoder(depth: int = 2) -> TokenEncoder:
    encoder = TokenEncoder(channels=2, features_size=(6, 4), patch=(2, 3), joints=3, dim=8, depth=depth, heads=2)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return encoder


def test_sine_table_is_that_of_the_formula() -> None:
    rows, columns, dim = 3, 2, 12
    table = sine_table(rows, columns, dim)[0]
    half = dim // 2
    for row in range(rows):
        for column in range(columns):
            for index in range(dim):
                place, size = (row, rows) if index < half else (column, columns)
                i = index % half
                angle = (place + 1) / (size + 1e-6) * 2 * math.pi / 10000 ** (2 * (i // 2) / half)
                expected = math.sin(angle) if i % 2 == 0 else math.cos(angle)
                assert float(table[row * columns + column, index]) == pytest.approx(expected, abs=1e-6)


def test_patches_are_row_major_with_the_channel_fastest_inside() -> None:
    encoder = _encoder()
    features = torch.arange(2 * 4 * 6).float().view(1, 2, 4, 6)
    with torch.no_grad():
        encoder.patch_embedding.weight.zero_()
        encoder.patch_embedding.bias.zero_()
        encoder.patch_embedding.weight[:8, :8] = torch.eye(8)
    visual = encoder.embed(features)[0, 3:] - encoder.positions[0, 3:]
    # Token 1 is rows 0-1, columns 3-5; channel 1 lies 24 on from channel 0.
    assert visual[1].round().tolist() == [3, 27, 4, 28, 5, 29, 9, 33]
    assert visual[2].round().tolist()[:2] == [12, 36]


def test_keypoint_tokens_come_first_and_never_get_a_position() -> None:
    encoder = _encoder()
    tokens = encoder.embed(torch.randn(2, 2, 4, 6))
    assert torch.equal(tokens[:, :3], encoder.keypoint_token.expand(2, -1, -1))
    assert encoder.positions[:, :3].abs().max() == 0


def test_positions_are_added_before_every_layer_but_the_first() -> None:
    encoder = _encoder(depth=3)
    tokens = torch.randn(2, 7, 8)
    expected = tokens
    for index, layer in enumerate(encoder.layers):
        expected = layer(expected + encoder.positions if index else expected)[0]
    torch.testing.assert_close(encoder.encode(tokens)[0], expected)
    encoder.positions.zero_()
    assert not torch.allclose(encoder.encode(tokens)[0], expected)


def test_attention_maps_are_the_keypoint_rows_and_leave_the_tokens_alone() -> None:
    encoder = _encoder()
    tokens = torch.randn(2, 7, 8)
    plain, nothing = encoder.encode(tokens)
    mapped, maps = encoder.encode(tokens, attention=True)
    assert nothing is None
    assert maps.shape == (2, 2, 2, 3, 7)
    torch.testing.assert_close(maps.sum(-1), torch.ones(2, 2, 2, 3))
    assert torch.equal(mapped, plain)


def test_attention_is_scaled_by_the_head_dim() -> None:
    attention = SelfAttention(8, 2)
    x = torch.randn(1, 5, 8)
    q, k, _ = attention.qkv(x).chunk(3, dim=-1)
    expected = (q[0, :, 4:] @ k[0, :, 4:].T / math.sqrt(4)).softmax(-1)
    torch.testing.assert_close(attention(x, map_rows=5)[1][0, 1], expected)


def test_images_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"features must be 6x4 .* got 6x6; build the model with input_size="):
        _encoder().embed(torch.zeros(1, 2, 6, 6))


def test_attention_in_bf16_is_that_of_float64_up_to_the_rounding_of_bf16() -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 4, 50, 12, dtype=torch.float64, generator=generator) for _ in range(3))
    upstream = torch.randn(2, 4, 50, 12, dtype=torch.float64, generator=generator)

    def outcome(dtype: torch.dtype) -> list[torch.Tensor]:
        leaves = [tensor.to(dtype, copy=True).requires_grad_() for tensor in (q, k, v)]
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            mixed = attend(*leaves)
        assert mixed.dtype == dtype
        mixed.backward(upstream.to(dtype))
        return [mixed.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)]

    for exact, rounded in zip(outcome(torch.float64), outcome(torch.bfloat16), strict=True):
        apart = (rounded.double() - exact).norm() / exact.norm()
        assert 0 < float(apart) < 1e-2  # bf16 rounds to 4e-3
