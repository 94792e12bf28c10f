"""The optimizers against torch's own, step by step; the schedules against their definition."""

import math

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LinearLR, SequentialLR

from course_lib.training import optim

CLOSE = {"atol": 1e-10, "rtol": 0}
SHAPES = [(5, 3), (3, 5), (5, 3), (4, 4), (1, 6), (6, 1), (7,), (2, 3, 2), (1,)]
MATRICES = [shape for shape in SHAPES if len(shape) == 2]


def paths(ours, theirs, shapes, steps=12, **settings):
    """Return the parameters after each step of both optimizers, on the same curved loss."""
    torch.manual_seed(0)
    start = [torch.randn(shape, dtype=torch.float64) for shape in shapes]
    goals = [torch.randn(shape, dtype=torch.float64) for shape in shapes]
    taken = []
    for make, extra in (
        (ours, settings.get("only_ours", {})),
        (theirs, settings.get("only_theirs", {})),
    ):
        params = [nn.Parameter(p.clone()) for p in start]
        shared = {k: v for k, v in settings.items() if not k.startswith("only")}
        optimizer = make(params, **shared, **extra)
        path = []
        for _ in range(steps):
            optimizer.zero_grad()
            sum(((p - goal) ** 4).sum() for p, goal in zip(params, goals, strict=True)).backward()
            optimizer.step()
            path.append([p.detach().clone() for p in params])
        taken.append(path)
    return taken


def assert_equal_paths(ours, theirs):
    for step, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        for p, q in zip(a, b, strict=True):
            assert torch.allclose(p, q, **CLOSE), f"step {step}"
    moved = [(p - q).abs().max() for p, q in zip(ours[0], ours[-1], strict=True)]
    assert min(moved) > 1e-4


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_sgd_is_torch_s(momentum, weight_decay):
    settings = {"lr": 0.003, "momentum": momentum, "weight_decay": weight_decay}
    assert_equal_paths(*paths(optim.SGD, torch.optim.SGD, SHAPES, **settings))


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_adam_is_torch_s_its_fused_kernel_s_too(name, weight_decay, fused):
    settings = {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": weight_decay}
    ours, theirs = getattr(optim, name), getattr(torch.optim, name)
    settings["only_theirs"] = {"fused": fused}
    assert_equal_paths(*paths(ours, theirs, SHAPES, **settings))


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_defaults_are_torch_s(name):
    assert_equal_paths(*paths(getattr(optim, name), getattr(torch.optim, name), SHAPES))


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this torch has no Muon")
@pytest.mark.parametrize("steps", [0, 3, 5])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_muon_is_torch_s(monkeypatch, weight_decay, steps):
    """Torch's rounds to bfloat16 inside; here it is kept from that, to compare the arithmetic."""
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)
    monkeypatch.setattr(torch, "bfloat16", torch.float64)  # from torch 2.15 on
    settings = {"lr": 0.02, "momentum": 0.9, "weight_decay": weight_decay}
    settings |= {"only_ours": {"steps": steps}, "only_theirs": {"ns_steps": steps}}
    assert_equal_paths(*paths(optim.Muon, torch.optim.Muon, MATRICES, **settings))


@pytest.mark.parametrize("shape", [(64, 64), (64, 16), (16, 64), (3, 32, 16)])
def test_orthogonalize_brings_singular_values_near_one_and_keeps_the_vectors(shape):
    torch.manual_seed(0)
    x = torch.randn(shape, dtype=torch.float64)
    got = optim.orthogonalize(x)
    assert got.shape == x.shape
    u, s, vh = torch.linalg.svd(x, full_matrices=False)
    inside = u.mT @ got @ vh.mT  # diagonal, if the singular vectors are the same
    values = inside.diagonal(dim1=-2, dim2=-1)
    assert torch.allclose(inside, torch.diag_embed(values), atol=1e-9)
    big = s > 0.05 * s.amax(dim=-1, keepdim=True)
    assert (values[big] > 0.6).all()
    assert (values < 1.3).all()


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "Muon"])
def test_what_runs_is_what_is_written(name):
    """No step goes by torch's own optimizers, neither by their functions nor by a fused kernel."""

    class Watched(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            called.add(str(function))
            return function(*args, **(kwargs or {}))

    called: set[str] = set()
    p = nn.Parameter(torch.ones(2, 2))
    p.grad = torch.ones(2, 2)
    with Watched():
        getattr(optim, name)([p]).step()
    assert called
    assert not [function for function in called if "fused" in function or "foreach" in function]


def test_orthogonalize_of_zeros_is_zeros():
    assert torch.equal(optim.orthogonalize(torch.zeros(3, 4)), torch.zeros(3, 4))


def test_parameters_without_a_gradient_stay():
    for make in (optim.SGD, optim.Adam, optim.AdamW, optim.Muon):
        used, unused = (nn.Parameter(torch.ones(2, 2)) for _ in range(2))
        optimizer = make([used, unused], weight_decay=0.1)
        used.square().sum().backward()
        optimizer.step()
        assert torch.equal(unused, torch.ones(2, 2))
        assert not torch.equal(used, torch.ones(2, 2))


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "Muon"])
def test_state_survives_saving_and_loading(name):
    """Eight steps are eight steps, whether or not the optimizer is made again in the middle."""

    def run(stops):
        torch.manual_seed(0)
        p = nn.Parameter(torch.randn(4, 3))
        settings = {"momentum": 0.9} if name == "SGD" else {}
        make = getattr(optim, name)
        optimizer = make([p], **settings)
        for step in range(8):
            if step in stops:
                saved = optimizer.state_dict()
                optimizer = make([p], **settings)
                optimizer.load_state_dict(saved)
            optimizer.zero_grad()
            (p**4).sum().backward()
            optimizer.step()
        return p

    assert torch.equal(run([]), run([3, 6]))


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("SGD", {"lr": -1.0}, "lr: expected a number, 0 or above, got -1.0"),
        ("SGD", {"momentum": 1.0}, "momentum: expected a share from 0 up to, not .*, got 1.0"),
        ("Muon", {"momentum": math.nan}, "momentum: expected a share from 0 up to, .*, got nan"),
        ("Adam", {"betas": (0.9, 1.0)}, "betas: expected a share from 0 up to, not .*, got 1.0"),
        ("Adam", {"betas": 0.9}, "betas: expected two shares below 1, got 0.9"),
        ("AdamW", {"betas": (0.9,)}, r"betas: expected two shares below 1, got \(0.9,\)"),
        ("Adam", {"eps": -1e-8}, "eps: expected a number, 0 or above, got -1e-08"),
        ("AdamW", {"weight_decay": math.nan}, "weight_decay: expected a number, 0 or above, got"),
        ("Muon", {"lr": math.inf}, "lr: expected a number, 0 or above, got inf"),
        ("Muon", {"steps": 2.0}, "steps: expected a whole number, 0 or above, got 2.0"),
        ("Muon", {"steps": -1}, "steps: expected a whole number, 0 or above, got -1"),
    ],
)
def test_bad_settings_get_a_clear_message_also_of_a_group(name, settings, message):
    parameters = [nn.Parameter(torch.zeros(2, 2))]
    make = getattr(optim, name)
    with pytest.raises(ValueError, match=message):
        make(parameters, **settings)
    with pytest.raises(ValueError, match=message):
        make([{"params": parameters, **settings}])
    optimizer = make([nn.Parameter(torch.zeros(2, 2))])
    with pytest.raises(ValueError, match=message):
        optimizer.add_param_group({"params": parameters, **settings})
    assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "Muon"])
def test_a_closure_is_called_with_gradients_and_its_loss_returned_as_torch_does(name):
    taken = []
    for make in (getattr(optim, name), torch.optim.SGD):
        p = nn.Parameter(torch.ones(2, 2))
        optimizer = make([p], lr=0.1)

        def closure(p=p, optimizer=optimizer):
            optimizer.zero_grad()
            loss = (p**4).sum()
            loss.backward()
            return loss

        assert optimizer.step() is None
        assert torch.equal(p, torch.ones(2, 2)), "without a gradient nothing moves"
        taken.append([optimizer.step(closure).item() for _ in range(3)])
        before = p.detach().clone()
        closure()
        optimizer.step()
        assert not torch.equal(p, before)
    ours, theirs = taken
    assert ours[0] == theirs[0] == 4
    assert ours[0] > ours[1] > ours[2]
    if name == "SGD":
        assert ours == theirs


def test_muon_refuses_what_is_no_matrix():
    matrix, vector = nn.Parameter(torch.zeros(3, 3)), nn.Parameter(torch.zeros(3))
    expected = r"params: expected matrices, got .* shape \(3,\)"
    with pytest.raises(ValueError, match=expected):
        optim.Muon([vector])
    optimizer = optim.Muon([matrix])
    with pytest.raises(ValueError, match=expected):
        optimizer.add_param_group({"params": [vector]})
    assert len(optimizer.param_groups) == 1
    with pytest.raises(ValueError, match=r"matrices: expected shape .*, got \(3,\)"):
        optim.orthogonalize(torch.zeros(3))


def test_split_gives_muon_the_matrices_of_the_blocks_only():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(7, 4)
            self.blocks = nn.ModuleList(
                nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 8), nn.Linear(8, 4)) for _ in range(2)
            )
            self.head = nn.Linear(4, 7, bias=False)
            self.head.weight = self.embedding.weight

    model = Model()
    matrices, rest = optim.split_parameters(model)
    assert [tuple(p.shape) for p in matrices] == [(8, 4), (4, 8)] * 2
    assert {id(p) for p in matrices + rest} == {id(p) for p in model.parameters()}
    assert len(matrices) + len(rest) == len(list(model.parameters()))
    assert any(p is model.embedding.weight for p in rest)


def torch_factors(make, steps):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)
    factors = []
    for _ in range(steps):
        factors.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return factors


def test_warmup_cosine_is_torch_s_two_schedulers_in_a_row():
    steps, warmup, final = 50, 9, 0.2

    def make(optimizer):
        up = LinearLR(optimizer, 1 / (warmup + 1), 1.0, total_iters=warmup)
        down = CosineAnnealingLR(optimizer, steps - warmup, eta_min=final)
        return SequentialLR(optimizer, [up, down], [warmup])

    ours = [optim.warmup_cosine(steps, warmup, final)(step) for step in range(steps)]
    assert ours == pytest.approx(torch_factors(make, steps), abs=1e-12)


def test_warmup_stable_decay_by_hand():
    factor = optim.warmup_stable_decay(10, warmup=3, decay=4, final=0.0)
    expected = [0.25, 0.5, 0.75, 1, 1, 1, 1, 0.75, 0.5, 0.25]
    assert [factor(step) for step in range(10)] == pytest.approx(expected)
    assert factor(10) == factor(99) == 0
    assert optim.warmup_stable_decay(4, 0, 0)(3) == 1


def test_schedules_drive_torch_s_own_scheduler():
    factor = optim.warmup_stable_decay(10, warmup=3, decay=4)
    assert torch_factors(lambda o: LambdaLR(o, factor), 10) == [factor(s) for s in range(10)]


def test_schedules_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match="warmup: expected from 0 to 9, got 10"):
        optim.warmup_cosine(10, 10)
    with pytest.raises(ValueError, match="decay: expected from 0 to 7, got 8"):
        optim.warmup_stable_decay(10, 3, 8)


@pytest.mark.parametrize(
    "make", [optim.warmup_cosine, lambda *a: optim.warmup_stable_decay(*a[:2], 1, *a[2:])]
)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 0), "steps: expected a whole number above 0, got 0"),
        ((10.0, 1), "steps: expected a whole number above 0, got 10.0"),
        ((10, 2.5), "warmup: expected a whole number, 0 or above, got 2.5"),
        ((10, -1), "warmup: expected a whole number, 0 or above, got -1"),
        ((10, 1, -0.1), "final: expected a number, 0 or above, got -0.1"),
        ((10, 1, math.nan), "final: expected a number, 0 or above, got nan"),
    ],
)
def test_schedules_refuse_numbers_out_of_range(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(*arguments)
