"""Drawings of tensors: the numbers in them are what torch computes."""

import re

import pytest
import torch

from course_lib.figures import broadcasting, diagrams, matrix_product, tensors


def written(drawing):
    return re.findall(r">([^<>]+)</text>", drawing)


@pytest.mark.parametrize("figure", [broadcasting, matrix_product])
def test_writing_is_read_on_a_phone_and_every_color_is_the_page_s(figure):
    drawing = figure().data
    sizes = [float(size) for size in re.findall(r"<text[^>]*font-size:([\d.]+)px", drawing)]
    assert min(sizes) * 350 / diagrams.WIDTH >= 11
    assert not re.findall(r"(?<!,)#[0-9a-f]{6}", drawing)


def test_each_row_is_divided_by_its_total():
    counts = torch.tensor(tensors.COUNTS, dtype=torch.float)
    shares = counts / counts.sum(dim=1, keepdim=True)
    assert written(broadcasting().data)[-7:-1] == [f"{x:g}" for x in shares.flatten().tolist()]


def test_the_product_is_torch_s():
    product = torch.tensor(tensors.LEFT) @ torch.tensor(tensors.RIGHT)
    texts = written(matrix_product().data)
    assert texts[-6:-2] == [str(x) for x in product.flatten().tolist()]
    assert texts[-1].endswith(f"= {product[1, 1]}")
