import pytest
import torch
from sklearn.decomposition import PCA

from saebench.baselines.pca import Moments, PrincipalComponents
from saebench.errors import DataError, UsageError


def activations(n: int = 500, d: int = 12) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    scales = torch.logspace(1.5, -1, d)
    rotation = torch.linalg.qr(torch.randn(d, d, generator=generator))[0]
    return ((torch.randn(n, d, generator=generator) * scales) @ rotation + 20).double()


def test_code_variances_are_the_eigenvalues_and_fvu_the_share_dropped() -> None:
    x = activations()
    moments = Moments.of([x])
    eigenvalues = torch.linalg.eigvalsh(moments.covariance).flip(0)
    for l0 in (1, 4, 12):
        pca = PrincipalComponents.fit(moments.mean, moments.covariance, l0, dtype=torch.float64)
        codes = pca.encode(x)
        torch.testing.assert_close(codes.dense().var(0, correction=0), eigenvalues[:l0])
        assert torch.all(codes.l0() == l0)
        lost = (pca.decode(codes) - x).square().sum() / (x - x.mean(0)).square().sum()
        torch.testing.assert_close(lost, eigenvalues[l0:].sum() / eigenvalues.sum())


def test_components_are_those_of_scikit_learn_up_to_sign() -> None:
    x = activations()
    moments = Moments.of([x])
    pca = PrincipalComponents.fit(moments.mean, moments.covariance, 5, dtype=torch.float64)
    theirs = torch.from_numpy(PCA(5, svd_solver="full").fit(x.numpy()).components_)
    torch.testing.assert_close((pca.atoms * theirs).sum(1).abs(), torch.ones(5).double())


def test_codes_of_different_components_are_uncorrelated() -> None:
    x = activations()
    moments = Moments.of([x])
    codes = PrincipalComponents.fit(moments.mean, moments.covariance, 6, dtype=torch.float64).encode(x).dense()
    correlation = torch.corrcoef(codes.T)
    torch.testing.assert_close(correlation, torch.eye(6).double(), atol=1e-8, rtol=0)


def test_moments_do_not_depend_on_how_the_data_is_cut() -> None:
    x = activations() + 1e4
    whole = Moments.of([x])
    parts = Moments.of([x[:7], x[7:7], x[7:300], x[300:]])
    assert parts.n == whole.n == 500
    torch.testing.assert_close(parts.mean, x.mean(0))
    torch.testing.assert_close(parts.covariance, torch.cov(x.T, correction=0), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(parts.covariance, whole.covariance, rtol=1e-9, atol=1e-9)


def test_no_data_and_too_many_components_are_refused() -> None:
    with pytest.raises(DataError, match="at least one activation"):
        Moments.of([torch.zeros(0, 4)])
    with pytest.raises(UsageError, match="l0 = 5"):
        PrincipalComponents.fit(torch.zeros(4), torch.eye(4), 5)
