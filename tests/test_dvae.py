"""The ladder DVAE against an exact linear-Gaussian model, and its parts against Appendix 9.1."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal
from torch.nn.functional import pixel_unshuffle

from cdvae.dvae import DVAE
from cdvae.model import CDVAE, Batch, embedding
from cdvae.networks import PATCH
from cdvae.ties import GaussianTie, MDNTie

D, A, S, W, NOISE = (
    6,
    0.8,
    0.7,
    1.3,
    0.5,
)  # z_2 ~ N(0,1), z_1 ~ N(A z_2, S²), x_k ~ N(W z_1, NOISE²)


def normal(mu: torch.Tensor, log_var: torch.Tensor) -> torch.distributions.Normal:
    return torch.distributions.Normal(mu, torch.exp(0.5 * log_var))


class Function(nn.Module):
    """A fixed function in the place of a network."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)

    def patches(self, x):
        return pixel_unshuffle(self.function(x), PATCH)


def gaussian_of(slope: float, variance: float):
    return lambda x: (slope * x, torch.full_like(x, math.log(variance)))


def linear_dvae(n_layers: int, shift: float = 0.0, stretch: float = 1.0) -> DVAE:
    """A DVAE whose networks are the exact linear-Gaussian answers, component by component.

    The first D pixels of x carry one code component each, the others nothing but noise. `shift`
    and `stretch` spoil the top of q.
    """
    model = DVAE(1, (D,) * n_layers, (4, 4), 8, noise_floor=0.0)
    raw = math.log(math.expm1(NOISE**2))  # softplus(raw) = NOISE²

    def decode(z_1):
        mu = torch.zeros(len(z_1), 1, 32, 32, dtype=z_1.dtype)
        mu[:, 0, 0, :D] = W * z_1
        return torch.cat([mu, torch.full_like(mu, raw)], 1)

    model.decoder = Function(decode)
    model.encoder = Function(lambda x: x[:, 0, 0, :D])
    model.up = nn.ModuleList(Function(lambda h: h) for _ in range(n_layers))
    above = 1.0 if n_layers == 1 else S**2 + A**2  # prior variance of z_1
    if n_layers == 2:
        seen = W * A, W**2 * S**2 + NOISE**2  # x given z_2: slope and variance
        likelihood = gaussian_of(1 / W, NOISE**2 / W**2)
        model.down, model.p_head = [
            nn.ModuleList([Function(f)]) for f in (lambda z: z, gaussian_of(A, S**2))
        ]
    else:
        seen, likelihood = (W, NOISE**2), None
    precision = 1 + seen[0] ** 2 / seen[1]
    mean_slope, variance = seen[0] / seen[1] / precision, stretch / precision
    top = Function(lambda x: (mean_slope * x + shift, torch.full_like(x, math.log(variance))))
    model.q_head = nn.ModuleList([Function(likelihood), top] if n_layers == 2 else [top])
    model.prior_variance = above
    return model


def exact_log_marginal(model: DVAE, x: torch.Tensor) -> torch.Tensor:
    variance = torch.full((1024,), NOISE**2, dtype=x.dtype)
    variance[:D] += W**2 * model.prior_variance
    return MultivariateNormal(torch.zeros(1024, dtype=x.dtype), torch.diag(variance)).log_prob(
        x.flatten(1)
    )


def bound(model: DVAE, x: torch.Tensor, draws: int) -> torch.Tensor:
    """The mean of the bound over draws of the codes, for each example."""
    repeated = x.repeat_interleave(draws, 0)
    ladder = model.q_z_given_x(repeated)
    values = model.log_p_x_given_z(repeated, ladder.z[0]) - ladder.kl().sum(0)
    return values.unflatten(0, (len(x), draws)).mean(1)


@pytest.fixture(scope="module")
def x() -> torch.Tensor:
    return torch.randn(5, 1, 32, 32, generator=torch.Generator().manual_seed(0)).double()


@pytest.mark.parametrize("n_layers", [1, 2])
def test_bound_is_exact_when_q_is_the_posterior(n_layers, x):
    torch.manual_seed(1)
    model = linear_dvae(n_layers).double()
    estimate, exact = bound(model, x, 4_000), exact_log_marginal(model, x)
    torch.testing.assert_close(estimate, exact, atol=0.3, rtol=0)


@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("spoilt", [{"shift": 0.3}, {"stretch": 2.0}, {"stretch": 0.4}])
def test_bound_lies_below_for_any_other_q(n_layers, spoilt, x):
    torch.manual_seed(1)
    model = linear_dvae(n_layers, **spoilt).double()
    assert (bound(model, x, 1_000) < exact_log_marginal(model, x) - 0.1).all()


def test_units_of_the_field_enter_the_density(x):
    """p(x) of a field measured in other units changes by the Jacobian."""
    model = linear_dvae(1).double()
    z = torch.zeros(5, D).double()
    plain = model.log_p_x_given_z(x, z)
    model.standard.std.fill_(10.0)
    torch.testing.assert_close(model.log_p_x_given_z(10 * x, z), plain - 1024 * math.log(10))


def test_top_is_bottom_up_only_and_lower_layers_merge():
    """Eq. 25–27: precisions of the upward estimate and of the prior add, layer by layer."""
    torch.manual_seed(0)
    model = DVAE(3, (4, 5, 6), (4, 8), 16, 0.1).eval()
    x = torch.rand(3, 3, 32, 32)
    up, ladder = model.upward(x), model.q_z_given_x(x)
    torch.testing.assert_close(ladder.q[2], up[2])
    for i in (0, 1):
        precision = torch.exp(-up[i][1]) + torch.exp(-ladder.p[i][1])
        torch.testing.assert_close(torch.exp(-ladder.q[i][1]), precision)
        mean = up[i][0] * torch.exp(-up[i][1]) + ladder.p[i][0] * torch.exp(-ladder.p[i][1])
        torch.testing.assert_close(ladder.q[i][0], mean / precision, rtol=1e-4, atol=1e-5)
    assert [z.shape[1] for z in ladder.z] == [4, 5, 6]


@pytest.mark.parametrize("tie", [GaussianTie(6, 0.4), MDNTie(6, 3, 16, 0.1)])
def test_loss_is_the_bound_of_equation_2_by_monte_carlo(tie):
    """The loss equals E_q[log q − log P(x|z) − log P(z_c, z_g)], with each term from torch."""
    torch.manual_seed(0)
    parts = [DVAE(channels, (4, 6), (4, 8), 16, 0.3) for channels in (3, 1)]
    model = CDVAE(*parts, tie).eval()
    repeats = 1500
    x_c, x_g = torch.rand(1, 3, 32, 32), torch.rand(1, 1, 32, 32)
    rows = [x.expand(repeats, -1, -1, -1) for x in (x_c, x_g)]
    with torch.no_grad():
        loss = model.loss(Batch(*rows, *torch.zeros(2, repeats, 6)))["loss"]
        by_hand, tops = torch.zeros(repeats), []
        for dvae, x in zip(parts, rows, strict=True):
            ladder = dvae.q_z_given_x(x)
            mu, log_var = dvae.p_x_given_z(ladder.z[0])
            by_hand -= normal(mu, log_var).log_prob(x).flatten(1).sum(1)
            for z, q, p in zip(ladder.z, ladder.q, ladder.p, strict=True):
                by_hand += normal(*q).log_prob(z).sum(1) - normal(*p).log_prob(z).sum(1)
            tops.append(ladder.z[-1])
        by_hand += tie.cost(*tops)
    error = by_hand.std() / repeats**0.5
    assert abs(loss - by_hand.mean()) < 6 * error


def test_weights_scale_their_terms():
    torch.manual_seed(0)
    model = CDVAE(*(DVAE(1, (4,), (4, 8), 16, 0.3) for _ in range(2)), GaussianTie(4, 0.5))
    x = torch.rand(4, 1, 32, 32)
    terms = model.loss(Batch(x, x, *torch.ones(2, 4, 4), 0.5, 3.0))
    expected = terms["reconstruction_c"] + terms["reconstruction_g"] + 3 * terms["embedding"]
    expected += 0.5 * (terms["kl_c"] + terms["kl_g"] + terms["tie"])
    torch.testing.assert_close(terms["loss"], expected)


def test_embedding_is_the_squared_distance():
    z, p = torch.tensor([[1.0, 2.0]]), torch.tensor([[4.0, 6.0]])
    assert embedding(z, p).tolist() == [25.0]


def test_samples_have_their_shape_and_their_seed():
    torch.manual_seed(0)
    model = CDVAE(
        *(DVAE(c, (4, 4, 4), (4, 8), 16, 0.3) for c in (3, 2)), MDNTie(4, 4, 8, 0.1)
    ).eval()
    x_c = torch.rand(5, 3, 32, 32)
    first, again = (model.sample(x_c, 7, torch.Generator().manual_seed(3)) for _ in range(2))
    assert first.shape == (5, 7, 2, 32, 32)
    assert torch.equal(first, again)
    assert not torch.equal(first[:, 0], first[:, 1])
