import pytest
import torch

from saebench.errors import DataError
from saebench.training.stream import Stream, TensorBatches


def rows(n: int = 20) -> torch.Tensor:
    return torch.arange(n, dtype=torch.float32)[:, None].repeat(1, 3)


def test_an_epoch_hands_out_every_row_once():
    batches = TensorBatches(rows(20), 5, seed=3)
    seen = torch.cat([next(batches) for _ in range(4)])[:, 0]
    assert sorted(seen.tolist()) == list(range(20))


def test_epochs_differ_and_a_seed_repeats():
    def epochs(seed: int) -> list[list[float]]:
        batches = TensorBatches(rows(20), 20, seed=seed)
        return [next(batches)[:, 0].tolist() for _ in range(2)]

    first, second = epochs(0)
    assert first != second
    assert epochs(0) == [first, second]
    assert epochs(1)[0] != first


def test_seek_gives_the_batch_that_reading_on_gives():
    read = TensorBatches(rows(20), 6, seed=1)
    expected = [next(read) for _ in range(9)]
    jumped = TensorBatches(rows(20), 6, seed=1)
    for step in (7, 2, 8):
        jumped.seek(step)
        assert torch.equal(next(jumped), expected[step])


def test_fewer_rows_than_a_batch_are_refused():
    with pytest.raises(DataError, match="fill no batch of 21"):
        TensorBatches(rows(20), 21)


@pytest.mark.parametrize("kind", ["plain", "seekable"])
def test_looking_at_the_first_batches_uses_none_up(kind):
    source = TensorBatches(rows(), 2)
    expected = [next(source) for _ in range(6)]
    stream = Stream(iter(expected) if kind == "plain" else TensorBatches(rows(), 2))
    stream.head(1)
    assert len(stream.head(3)) == 3
    assert len(stream.head(1)) == 1
    got = [stream.next() for _ in range(4)]
    assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=False))
    stream.seek(5)
    assert torch.equal(stream.next(), expected[5])


def test_head_takes_what_there_is():
    assert len(Stream([rows(), rows()]).head(8)) == 2


def test_an_end_says_after_how_many_batches():
    stream = Stream([rows(), rows()])
    stream.seek(2)
    with pytest.raises(DataError, match="ended after 2 batches"):
        stream.next()


def test_no_batch_at_all_is_refused():
    with pytest.raises(DataError, match="hold no batch"):
        Stream([]).head(1)


@pytest.mark.parametrize("bad", [torch.zeros(3), torch.zeros(2, 3, dtype=torch.int64), torch.zeros(0, 3), [1.0]])
def test_what_is_no_batch_is_refused(bad):
    with pytest.raises(DataError, match="floating tensor"):
        Stream([bad]).head(1)
