"""Laws of the argument checks: what each lets pass, and what its message says."""

import numpy as np
import pytest
import torch

from course_lib import checks

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (checks.check_sizes, [1, 7, np.int64(3)], [0, -1, 2.0, True, "3", None, NAN]),
        (checks.check_counts, [0, 1, np.int32(2)], [-1, 0.0, False, "0", None]),
        (checks.check_positive, [1e-9, 3, np.float32(2)], [0, -1, NAN, INF, True, "1", None]),
        (checks.check_not_negative, [0, 0.5], [-1e-9, NAN, INF, None]),
        (checks.check_shares, [0, 1, 0.3], [-0.1, 1.1, NAN, "0.5", True]),
        (checks.check_below_one, [0, 0.3, np.float32(0.5)], [-0.1, 1, 1.0, NAN, INF, "0", True]),
        (checks.check_positive, [1e308], [10**400, -(10**400)]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_numbers_outside_the_range_are_refused_by_name(check, good, bad):
    for value in good:
        check(some_name=value)
    for value in bad:
        with pytest.raises(ValueError, match=r"^some_name: expected .*, got .+$"):
            check(some_name=value)


@pytest.mark.parametrize(
    "make", [list, tuple, np.array, torch.tensor], ids=["list", "tuple", "numpy", "torch"]
)
def test_ids_are_whole_numbers_of_the_vocabulary(make):
    checks.check_ids("ids", make([0, 4, 2]), 5)
    for wrong in ([0, 5], [-1, 0], [0.0, 1.0], [True, False]):
        with pytest.raises(ValueError, match=r"^ids: expected whole numbers from 0 to 4, got "):
            checks.check_ids("ids", make(wrong), 5)
    with pytest.raises(ValueError, match=r"^ids: expected whole numbers from 0 to 4, got None"):
        checks.check_ids("ids", [0, None], 5)


def test_ids_without_a_vocabulary_are_whole_numbers_from_0_up():
    for make in (list, np.array, torch.tensor):
        checks.check_ids("labels", make([0, 10**6]))
        for wrong in ([-1], [0.5]):
            with pytest.raises(ValueError, match=r"^labels: expected whole numbers from 0 up, got"):
                checks.check_ids("labels", make(wrong))


@pytest.mark.parametrize("name", ["int8", "uint8", "int16", "uint16", "int32", "uint32"])
def test_ids_of_every_whole_type_are_checked(name):
    for ids in (np.array([0, 4], name), torch.tensor([0, 4], dtype=getattr(torch, name))):
        checks.check_ids("ids", ids, 5)
        with pytest.raises(ValueError, match=r"^ids: expected whole numbers from 0 to 3, got 0 to"):
            checks.check_ids("ids", ids, 4)


def test_no_ids_are_no_wrong_ids():
    for empty in ([], np.empty(0, np.int64), torch.empty(2, 0, dtype=torch.int32)):
        checks.check_ids("ids", empty, 5)


def test_a_choice_is_refused_with_the_choices():
    checks.check_one_of("norm", "rms", ("layer", "rms"))
    with pytest.raises(ValueError, match=r"^norm: expected one of layer, rms, got 'batch'$"):
        checks.check_one_of("norm", "batch", ("layer", "rms"))
    with pytest.raises(ValueError, match=r"^norm: expected one of layer, rms, got \['rms'\]$"):
        checks.check_one_of("norm", ["rms"], {"layer": 1, "rms": 2})
