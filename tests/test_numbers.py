"""Numbers in prose are those of the results, and what captions name as their source is there."""

import re
from pathlib import Path

import pandas as pd
import pytest

from cdvae.methods import label
from cdvae.release import lookups, numbers

ROOT = Path(__file__).parents[1]
ERROR = "error('tuned/coco/relighting/cvae')"


@pytest.mark.parametrize("page", numbers.pages(), ids=lambda page: page.name)
def test_marked_numbers_and_claims_are_those_of_the_results(page):
    assert [fault for text in numbers.texts(page) for fault in numbers.faults(text)] == []


def cvae() -> float:
    """CVAE's error by another way than the marks'."""
    found = pd.read_csv(ROOT / "results/tuned/coco/scores.csv")
    some = found.query("task == 'relighting' and method == 'cvae' and metric == 'best_error'")
    return 100 * some[some.n_samples == 100].value.mean()


def test_a_mark_gives_the_number_of_the_file():
    right = f"{cvae():.2f}"
    assert numbers.faults(f"it is <!-- n: {ERROR} -->{right} here") == []
    (fault,) = numbers.faults(f"it is <!-- n: {ERROR} -->9.99 here")
    assert fault == f"{ERROR} is {right}, not 9.99"
    assert numbers.renewed(f"<!-- n: {ERROR} -->9.99, so") == f"<!-- n: {ERROR} -->{right}, so"


def test_numbers_are_written_as_on_the_page():
    for number, like, expected in (
        (4500, "1,000", "4,500"),
        (2.264, "9.1", "2.3"),
        (9.2, "eight", "nine"),
        (1200, "eight", "1,200"),
        (-0.04, "0.00", "−0.04"),
        (3.6, "+1", "+4"),
        ("holds", "undecided", "holds"),
        ("CVAE", "*NN*", "*CVAE*"),
    ):
        assert numbers.as_written(number, like) == expected


def test_what_is_wrong_is_said():
    assert numbers.faults(f"so <!-- true: {ERROR} > 0 -->") == []
    assert numbers.faults(f"so <!-- true: {ERROR} < 0 -->") == [f"{ERROR} < 0 is false"]
    for bad, said in (
        (f"so <!-- n: {ERROR} --> many", "no number follows"),
        ("so <!-- n: error('tuned/coco/relighting/nobody') -->1", "LookupError"),
        ("so <!-- n: open('x') -->1", "NameError"),
        ("so <!-- n: value('tuned/coco/limits.csv', task='relighting') -->1", "LookupError"),
        ("so <!-- n:1 -->1", "cannot be read"),
        (f"it is\n<!-- true: {ERROR} > 0 -->", "begins a line"),
    ):
        (fault,) = numbers.faults(bad)
        assert said in fault


def test_functions_agree_with_each_other():
    place = "tuned/coco/relighting/cvae"
    difference, low, high, which = lookups.pair(place, "nn")
    expected = lookups.error(place) - lookups.error("tuned/coco/relighting/nn")
    assert difference == pytest.approx(expected, abs=1e-3)
    assert low < difference < high < 0 and which == "better"
    assert lookups.pair("tuned/coco/relighting/nn", "cvae")[:3] == (-difference, -high, -low)
    assert lookups.more(110, 100) == pytest.approx(10)
    assert lookups.less(90, 100) == pytest.approx(10)
    found = pd.read_csv(ROOT / "results/tuned/coco/scores.csv").query("task == 'relighting'")
    errors = {label(name): lookups.error(f"tuned/coco/relighting/{name}") for name in found.method}
    assert errors[lookups.first("tuned/coco/relighting")] == min(errors.values())
    assert lookups.seeds("tuned/coco") >= lookups.seeds(place) > 0


def test_functions_of_sizes_agree_with_each_other():
    place = "tuned/tiny-imagenet/resaturation/gauss"
    one, other = (lookups.at(place.replace("gauss", name), 31500) for name in ("gauss", "cvae"))
    assert lookups.gap(place, "cvae", 31500) == pytest.approx(100 * (one / other - 1), abs=0.05)
    assert lookups.settled(place, "cvae", 31500) in numbers.VERDICTS
    few, many = (lookups.gap(place.replace("gauss", "mdn12"), "cvae", n) for n in (1000, 31500))
    found = lookups.gap(place.replace("gauss", "mdn12"), "cvae", "few")
    assert found == pytest.approx(few - many, abs=0.01)
    for wrong in (lambda: lookups.gap(place, "cvae", 7), lambda: lookups.at(place, 7)):
        with pytest.raises(LookupError, match="at size 7"):
            wrong()


def test_the_best_trial_of_a_search():
    trials = pd.read_csv(ROOT / "results/tuned/tiny-imagenet/trials.csv")
    best = trials[trials.method == "cvae"].sort_values("criterion").iloc[0]
    for column in ("best_error_100", "energy_score"):
        assert lookups.trial("tuned/tiny-imagenet/resaturation/cvae", column) == best[column]


def test_the_spread_of_a_search():
    trials = pd.read_csv(ROOT / "results/tuned/tiny-imagenet/trials.csv").query("method == 'cvae'")
    ratio = trials.criterion.max() / trials.criterion.min()
    found = lookups.spread("tuned/tiny-imagenet/resaturation/cvae")
    assert found == pytest.approx(100 * (ratio - 1))
    with pytest.raises(LookupError, match="no trials of"):
        lookups.spread("tuned/tiny-imagenet/resaturation/mdn4")


def sources(text: str) -> list[str]:
    """The files that a caption names as its source."""
    named = re.findall(r"Sources?: ([^.]*(?:\.\w+[^.]*)*)\.", text)
    return [name for each in named for name in re.findall(r"`([^`]+)`", each)]


CAPTIONS = sorted((ROOT / "figures").rglob("captions.md"))


@pytest.mark.parametrize("path", CAPTIONS, ids=lambda path: path.parent.name)
def test_what_captions_are_drawn_from_is_there(path):
    profile, data = path.parts[-3:-1]
    found = sources(path.read_text(encoding="utf-8"))
    assert found
    for name in found:
        assert (ROOT / "results" / profile / data / name).exists(), name


@pytest.mark.parametrize("page", numbers.pages(), ids=lambda page: page.name)
def test_the_sources_of_tables_and_figures_in_pages_are_there(page):
    for name in (name for text in numbers.texts(page) for name in sources(text)):
        plain = re.sub(r"<[^>]*>", "*", name).removeprefix("results/")  # results/<profile>/…
        places = [ROOT / "results", *(ROOT / "results").glob("*/*"), ROOT]
        assert any(list(place.glob(plain)) for place in places), name
