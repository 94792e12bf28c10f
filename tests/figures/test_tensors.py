"""Drawings of tensors: the numbers in them are what torch computes."""

import re

import torch

from course_lib.figures import broadcasting, matrix_product, tensors


def written(drawing):
    return re.findall(r">([^<>]+)</text>", drawing)


def test_each_row_is_divided_by_its_total(shown):
    counts = torch.tensor(tensors.COUNTS, dtype=torch.float)
    shares = counts / counts.sum(dim=1, keepdim=True)
    assert written(shown(broadcasting))[-7:-1] == [f"{x:g}" for x in shares.flatten().tolist()]


def test_the_product_is_torch_s(shown):
    product = torch.tensor(tensors.LEFT) @ torch.tensor(tensors.RIGHT)
    texts = written(shown(matrix_product))
    assert texts[-6:-2] == [str(x) for x in product.flatten().tolist()]
    assert texts[-1].endswith(f"= {product[1, 1]}")
