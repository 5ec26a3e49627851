"""Layers with one set of weights per member."""

from __future__ import annotations

import pytest
import torch
from torch import Generator

from mmg_nb.nets.layers import MIN_WIDTH, SplitProduct, StackedLinear
from mmg_nb.nets.mlp import ResidualMLP

MEMBERS, BATCH = 3, 7


@pytest.mark.parametrize("dim_out", [1, MIN_WIDTH - 1, MIN_WIDTH])
def test_an_affine_map_per_member_however_many_features_come_out(dim_out):
    generator = Generator().manual_seed(0)
    layer = StackedLinear(MEMBERS, 5, dim_out, generator)
    x, pull = (torch.randn(MEMBERS, BATCH, d, generator=generator) for d in (5, dim_out))
    x.requires_grad_()
    found = layer(x)
    expected = torch.einsum("mbi,mio->mbo", x, layer.weight) + layer.bias
    torch.testing.assert_close(found, expected)
    wanted = x, layer.weight, layer.bias
    for one, other in zip(
        torch.autograd.grad((found * pull).sum(), wanted),
        torch.autograd.grad((expected * pull).sum(), wanted),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_levels_of_half_a_batch_count_for_the_other_half():
    generator = Generator().manual_seed(0)
    net = ResidualMLP(MEMBERS, 4, 2, width=8, blocks=2, generator=generator)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.3, generator=generator)
    x = torch.randn(MEMBERS, 2 * BATCH, 4, generator=generator)
    features = net.features(torch.linspace(-3, 3, BATCH).expand(MEMBERS, BATCH))
    whole = net(x, features.repeat(1, 2, 1))
    torch.testing.assert_close(net(x, features), whole)
    assert not torch.allclose(net(x.flip(1), features).flip(1), whole, atol=1e-3)


@pytest.mark.parametrize("rows_of_base", [1, 12], ids=["a bias", "something to add to"])
@pytest.mark.parametrize("parts", [1, 3])
def test_gradients_in_parts_are_the_gradients(rows_of_base, parts):
    generator = Generator().manual_seed(0)

    def numbers(*shape):
        values = torch.randn(shape, generator=generator, dtype=torch.float64)
        return values.requires_grad_()

    inputs = numbers(2, rows_of_base, 5), numbers(2, 12, 4), numbers(2, 4, 5)
    found = SplitProduct.apply(*inputs, parts)
    torch.testing.assert_close(found, inputs[0] + inputs[1] @ inputs[2])
    assert torch.autograd.gradcheck(lambda *each: SplitProduct.apply(*each, parts), inputs)
