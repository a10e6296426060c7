"""Every fitted baseline from end to end: listed, fitted once, conforming, kept, and scored with equal numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from transformers import AutoConfig, AutoModelForCausalLM
from typer.testing import CliRunner

import saebench
from saebench.baselines.recipe import Recipe
from saebench.cli.main import app
from saebench.dictionaries.conformance import check_dictionary
from saebench.errors import UnitsFailed, UnknownName, UsageError
from saebench.lm.fakes import tiny_tokenizer
from saebench.packaged_files import packaged
from saebench.run.evaluate import Settings, plan_suite, run_suite
from saebench.run.suite import load_suite
from saebench.subjects import BASELINES
from saebench.subjects import baselines as makers

RECIPES = [value for value in vars(makers).values() if isinstance(value, type) and value in Recipe.__subclasses__()]
SITE = "blocks.1.mlp.hook_post"
WIDTH = 32
SPECS = {
    "pca": "baseline:pca?l0=4",
    "ica": "baseline:ica?d_dict=12&l0=4",
    "neurons": "baseline:neurons?l0=6",
    "random": "baseline:random?d_dict=24&l0=4",
    "kmeans": "baseline:kmeans?d_dict=24",
    "rvq": "baseline:rvq?d_dict=24&stages=3",
    "nmf": "baseline:nmf?d_dict=6",
    "snmf": "baseline:snmf?d_dict=6&p=0.3&iterations=60",
    "itda": "baseline:itda?l0=4&d_dict=24",
    "itda, fitted again": "baseline:itda?l0=4&tau=0.2&d_dict=24&sign=signed&refit=lstsq",
    "itda, non-negative": "baseline:itda?l0=4&tau=0.2&d_dict=24&refit=nnls&centre=yes",
    "ksvd": "baseline:ksvd?d_dict=24&l0=4&rounds=3",
}


@pytest.fixture(scope="module")
def suite(built_world, tmp_path_factory) -> Path:
    """The small suite at a site that is never negative: the MLP of a model with ReLU."""
    root = tmp_path_factory.mktemp("relu")
    tokenizer = tiny_tokenizer(64)
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    sizes = {"n_embd": 16, "n_inner": WIDTH, "n_layer": 3, "n_head": 2, "n_positions": 128}
    config = AutoConfig.for_model(
        "gpt2", vocab_size=64, activation_function="relu", initializer_range=0.3, **sizes, **ids
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        AutoModelForCausalLM.from_config(config).save_pretrained(root / "model")
    tokenizer.save_pretrained(root / "model")
    text = built_world.suite.read_text().replace(str(built_world.model), str(root / "model"))
    text = text.replace("site: blocks.1.hook_resid_post", f"site: {SITE}")
    path = root / "suite.yaml"
    path.write_text(text[: text.index("controls:")])
    return path


@pytest.fixture(autouse=True)
def cache(suite, monkeypatch, tmp_path):
    """One cache for all tests of this file, so that each baseline is fitted once."""
    monkeypatch.setenv("SAEBENCH_CACHE", str(suite.parent / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def made(suite) -> dict[str, saebench.dictionaries.contract.Dictionary]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAEBENCH_CACHE", str(suite.parent / "cache"))
        return {name: saebench.fit(spec, str(suite)) for name, spec in SPECS.items()}


def tokens(n: int = 60) -> torch.Tensor:
    return torch.randn(n, WIDTH, generator=torch.Generator().manual_seed(0)).relu() * 0.5


def test_every_registered_baseline_is_here_and_has_a_file():
    fitted_here = {spec.split(":")[1].split("?")[0] for spec in SPECS.values()}
    recipes = {name for name in BASELINES if name in fitted_here}
    assert {"pca", "ica", "nmf", "snmf", "itda", "ksvd", "kmeans", "rvq", "random", "neurons"} <= recipes
    for name in recipes:
        row = yaml.safe_load((packaged("baselines") / f"{name}.yaml").read_text())
        assert {"name", "spec", "method", "parameters", "applies_to", "fitted_on", "role"} <= set(row)
        assert row["name"] == name


@pytest.mark.parametrize("kind", RECIPES, ids=lambda kind: kind.name)
def test_a_file_names_the_parameters_of_its_recipe_with_their_defaults(kind):
    parameters = yaml.safe_load((packaged("baselines") / f"{kind.name}.yaml").read_text())["parameters"]
    assert list(parameters) == list(kind.model_fields)
    for key, field in kind.model_fields.items():
        if field.default not in (None, "") and not field.is_required():
            words = parameters[key].replace(",", " ").replace(";", " ").split()
            assert str(field.default) in words, f"{kind.name}.{key}: the default {field.default!r} is not named"


@pytest.mark.parametrize("name", SPECS)
def test_it_conforms_and_does_not_depend_on_the_batch(name, made):
    dictionary, x = made[name], tokens()
    findings = check_dictionary(dictionary, x)
    assert not [finding for finding in findings if not finding.ok]
    whole = dictionary.decode(dictionary.encode(x))
    for size in (1, 7, 40):
        parts = torch.cat([dictionary.decode(dictionary.encode(part)) for part in x.split(size)])
        torch.testing.assert_close(parts, whole, rtol=1e-5, atol=1e-5)


def test_each_passes_the_check_by_its_name_alone():
    """`saebench check baseline:NAME`: fitted on planted activations, with a near miss for a name that is none."""
    runner = CliRunner()
    for name in {spec.split(":")[1].split("?")[0] for spec in SPECS.values()}:
        checked = runner.invoke(app, ["check", f"baseline:{name}"])
        assert checked.exit_code == 0, (name, checked.output)
    with pytest.raises(UsageError, match="leave out --lm and --site"):
        runner.invoke(app, ["check", "baseline:pca", "--site", SITE], catch_exceptions=False)
    with pytest.raises(UnknownName, match="did you mean diffmean"):
        runner.invoke(app, ["check", "baseline:difmean"], catch_exceptions=False)


@pytest.mark.parametrize("name", SPECS)
def test_kept_and_loaded_it_is_the_same_dictionary(name, made, tmp_path):
    before = made[name]
    after = saebench.load(saebench.save(before, tmp_path / "kept"))
    x = tokens()
    assert torch.equal(after.encode(x).dense(), before.encode(x).dense())
    assert torch.equal(after.decode(after.encode(x)), before.decode(before.encode(x)))
    assert after.fingerprint() == before.fingerprint()
    assert (after.traits, after.sites_in) == (before.traits, (SITE,))
    if name != "random":
        assert after.provenance.to_json() == before.provenance.to_json()
        assert after.provenance.documents
        assert after.provenance.architecture == name.split(",")[0]


def test_kept_and_loaded_all_are_scored_with_equal_numbers(made, suite, tmp_path):
    folders = [str(saebench.save(one, tmp_path / name)) for name, one in made.items()]
    fresh = run_suite(list(SPECS.values()), str(suite), Settings(tmp_path / "fresh"))
    kept = run_suite(folders, str(suite), Settings(tmp_path / "results"))
    assert not fresh.failures
    assert not kept.failures
    assert len(fresh.records) == len(kept.records) == len(SPECS)
    for before, after in zip(fresh.records, kept.records, strict=True):
        assert before.metrics == after.metrics, before.subject.spec
        assert before.metrics["fvu"].value is not None
        labels = before.subject.provenance["extra"].get("atom_labels")
        assert labels is None or set(labels) == {"count", "digest"}, "a result is not swollen by labels"


def test_a_fit_is_made_once(suite, monkeypatch, tmp_path, made):
    for kind in RECIPES:
        monkeypatch.setattr(kind, "fit", lambda *_: pytest.fail("fitted again"))
    for name, spec in SPECS.items():
        assert saebench.fit(spec, str(suite)).fingerprint() == made[name].fingerprint()


def test_settings_and_fit_data_are_identity_and_defaults_are_written_out(suite, tmp_path):
    def subjects(*specs: str, **changes):
        plan = plan_suite(specs, load_suite(str(suite)).model_copy(update=changes), Settings(tmp_path / "results"))[1]
        return [unit.subject for unit in plan.units]

    short, long = "baseline:itda", "baseline:itda?d_dict=64&l0=4&centre=no"
    (alone,) = subjects(short, long)
    assert alone.spec.startswith("baseline:itda?l0=4&d_dict=64&sign=positive")
    assert alone.name == "itda-64-l0-4-s0"
    others = subjects("baseline:itda?l0=5", "baseline:itda?centre=yes", "baseline:itda?tau=0.1")
    data = load_suite(str(suite)).data
    elsewhere = subjects(short, data=data.model_copy(update={"fit": data.fit.model_copy(update={"tokens": 1500})}))
    prints = {one.fingerprint for one in [alone, *others, *elsewhere]}
    assert len(prints) == 5
    (again,) = subjects(alone.spec)
    assert again.fingerprint == alone.fingerprint


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("baseline:itda?k=3", "no parameter 'k' \\(it has: l0, d_dict, tau"),
        ("baseline:itda?l0=0", "l0 = 0"),
        ("baseline:itda?l0=many", "l0: Input should be a valid integer"),
        ("baseline:itda?tau=1.5", "tau: Input should be less than 1"),
        ("baseline:itda?sign=signed&refit=nnls", "non-negative refit"),
        ("baseline:ica?d_dict=99", "between 1 and 32, not 99"),
        ("baseline:neurons?l0=33", "l0 must lie between 1 and 32"),
        ("baseline:rvq?d_dict=10&stages=4", "dealt evenly"),
        ("baseline:snmf?p=0", "p: Input should be greater than 0"),
        ("baseline:snmf?start=best", "start: Input should be 'random', 'knn' or 'svd'"),
        ("baseline:ksvd?d_dict=3&l0=4", "l0 must lie between 1 and 3"),
        ("set:baseline:pca?l0=2,baseline:pca?l0=3", "fit its dictionaries one by one"),
    ],
)
def test_a_parameter_that_cannot_be_is_refused_before_the_model_runs(spec, message, suite):
    with pytest.raises(UsageError, match=message):
        saebench.fit(spec, str(suite))


def test_a_site_that_nmf_cannot_use_fails_alone(world, monkeypatch):
    specs = ["baseline:nmf?d_dict=4", "baseline:neurons?l0=4"]
    with pytest.raises(UnitsFailed, match=r"baseline:nmf.*activations are negative.*baseline:snmf"):
        saebench.evaluate(specs, str(world.suite), out="results")
    assert [path.parent.parent.name for path in Path("results").rglob("*.json") if "neurons" in str(path)]


def test_a_permuted_baseline_keeps_its_codes(suite, made):
    permuted = saebench.fit(f"control:permuted?of={SPECS['itda']}", str(suite))
    x = tokens()
    assert torch.equal(permuted.encode(x).dense(), made["itda"].encode(x).dense())
    assert not torch.equal(permuted.atoms, made["itda"].atoms)


def test_pairs_of_kept_itdas_have_a_jaccard_similarity(suite, tmp_path):
    text = suite.read_text().replace("reconstruction@1", "similarity@1\n    params: {tokens: 300, cka_tokens: 200}")
    pairs = tmp_path / "pairs.yaml"
    pairs.write_text(text)
    one = saebench.save(saebench.fit("baseline:itda?l0=4&d_dict=24", str(suite)), tmp_path / "one")
    later = saebench.fit("baseline:itda?l0=4&d_dict=24", str(suite), site="blocks.2.mlp.hook_post")
    other = saebench.save(later, tmp_path / "other")
    outcome = run_suite([f"pair:{one},{other}"], str(pairs), Settings(tmp_path / "results"))
    (record,) = [record for record in outcome.records if record.subject.spec.startswith("pair:")]
    value = record.metrics["itda_jaccard"].value
    assert value is not None
    assert 0 <= value < 1


def test_the_command_line_lists_and_checks_them(made, tmp_path):

    runner = CliRunner()
    listed = runner.invoke(app, ["ls", "baselines", "--json"])
    assert listed.exit_code == 0
    for name in made:
        if name in BASELINES:
            assert f'"name": "{name}"' in listed.output
            checked = runner.invoke(app, ["check", str(saebench.save(made[name], tmp_path / name))])
            assert checked.exit_code == 0, checked.output
