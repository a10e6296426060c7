import pytest
import torch
from sklearn.decomposition import PCA

from saebench.baselines.pca import PrincipalComponents
from saebench.errors import UsageError


def activations(n: int = 500, d: int = 12) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    scales = torch.logspace(1.5, -1, d)
    rotation = torch.linalg.qr(torch.randn(d, d, generator=generator))[0]
    return ((torch.randn(n, d, generator=generator) * scales) @ rotation + 20).double()


def test_code_variances_are_the_eigenvalues_and_fvu_the_share_dropped() -> None:
    x = activations()
    mean, covariance = x.mean(0), torch.cov(x.T, correction=0)
    eigenvalues = torch.linalg.eigvalsh(covariance).flip(0)
    for l0 in (1, 4, 12):
        pca = PrincipalComponents.fit(mean, covariance, l0, dtype=torch.float64)
        codes = pca.encode(x)
        torch.testing.assert_close(codes.dense().var(0, correction=0), eigenvalues[:l0])
        assert torch.all(codes.l0() == l0)
        lost = (pca.decode(codes) - x).square().sum() / (x - x.mean(0)).square().sum()
        torch.testing.assert_close(lost, eigenvalues[l0:].sum() / eigenvalues.sum())


def test_components_are_those_of_scikit_learn_up_to_sign() -> None:
    x = activations()
    mean, covariance = x.mean(0), torch.cov(x.T, correction=0)
    pca = PrincipalComponents.fit(mean, covariance, 5, dtype=torch.float64)
    theirs = torch.from_numpy(PCA(5, svd_solver="full").fit(x.numpy()).components_)
    torch.testing.assert_close((pca.atoms * theirs).sum(1).abs(), torch.ones(5).double())


def test_codes_of_different_components_are_uncorrelated() -> None:
    x = activations()
    mean, covariance = x.mean(0), torch.cov(x.T, correction=0)
    codes = PrincipalComponents.fit(mean, covariance, 6, dtype=torch.float64).encode(x).dense()
    correlation = torch.corrcoef(codes.T)
    torch.testing.assert_close(correlation, torch.eye(6).double(), atol=1e-8, rtol=0)


def test_too_many_components_are_refused() -> None:
    with pytest.raises(UsageError, match="l0 = 5"):
        PrincipalComponents.fit(torch.zeros(4), torch.eye(4), 5)
