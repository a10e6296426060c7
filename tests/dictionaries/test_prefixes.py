import torch
from dictionary_cases import WIDTH, catalogue, inputs, model, state

from saebench.dictionaries.blocks.objective import FixedPrefixes, SampledPrefixes


def test_fixed_prefixes_end_at_their_fractions_and_at_the_width() -> None:
    composition = catalogue("matryoshka_batchtopk")
    assert FixedPrefixes().prefixes(4096, state(composition)) == (256, 512, 1024, 2048, 4096)
    assert FixedPrefixes().prefixes(3, state(composition)) == (1, 2, 3)


def test_short_sampled_prefixes_are_more_frequent_as_the_pareto_law_says() -> None:
    composition = catalogue("matryoshka_sampled")
    now = state(composition)
    objective = SampledPrefixes(count=2, power=0.5)
    drawn = [objective.prefixes(100, now) for _ in range(4000)]
    assert all(len(ends) == 2 and ends[1] == 100 for ends in drawn)
    short = sum(ends[0] < 4 for ends in drawn) / len(drawn)
    expected = (1 - 4**-0.5) / (1 - 100**-0.5)
    assert abs(short - expected) < 0.03


def test_more_prefixes_than_latents_are_all_of_them() -> None:
    composition = catalogue("matryoshka_sampled")
    assert SampledPrefixes(count=50).prefixes(5, state(composition)) == (1, 2, 3, 4, 5)


def test_the_loss_of_a_prefix_is_that_of_the_dictionary_without_later_latents() -> None:
    end = 6
    composition = catalogue("matryoshka_batchtopk", k=3)
    dictionary = model(composition)
    dictionary.threshold.fill_(0.5)
    x = inputs()
    with torch.no_grad():
        codes = dictionary.encode(x)
        short = dictionary.decode(codes.ablate(torch.arange(end, WIDTH)))
        prefix = codes.dense()[:, :end] @ dictionary.W_dec[:end] + dictionary.b_dec
    torch.testing.assert_close(short, prefix)
