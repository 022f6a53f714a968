"""Other tools on the same rows, where they are installed: they are no dependency.

pip install tea-tasting statsmodels spotify-confidence "bokeh<3.10"
"""

from __future__ import annotations

import numpy as np
import pytest

from analytics.stats.agreement import Confusion, kappa
from analytics.stats.cuped import cuped
from analytics.stats.means import welch_interval, z_interval
from analytics.stats.moments import Marginal, Moments
from analytics.stats.multiplicity import adjusted_p
from analytics.stats.proportions import Counts, miettinen_nurminen_interval, newcombe_interval
from analytics.stats.ratios import ratio
from analytics.stats.srm import srm_chi2

NOT_HERE = "is not installed here: it is no dependency"
RNG = np.random.default_rng(1)
ARM = RNG.integers(0, 2, 4_000)
BEFORE = RNG.gamma(2, 3, 4_000)
VALUE = BEFORE + RNG.gamma(2, 3, 4_000) + 0.3 * ARM
STARTS = RNG.poisson(5, 4_000) + 1.0
SKIPS = RNG.binomial(STARTS.astype(int), 0.3).astype(float)


def arms(*columns: np.ndarray) -> list[Moments]:
    return [Moments.of(np.column_stack(columns)[side == ARM]) for side in (0, 1)]


@pytest.fixture(scope="module")
def tea_tasting():
    tt = pytest.importorskip("tea_tasting", reason=f"tea-tasting {NOT_HERE}")
    pa = pytest.importorskip("pyarrow", reason=f"pyarrow {NOT_HERE}")
    table = pa.table(
        {"variant": ARM, "value": VALUE, "before": BEFORE, "starts": STARTS, "skips": SKIPS}
    )
    metrics = {
        "mean": tt.Mean("value"),
        "cuped": tt.Mean("value", "before"),
        "ratio": tt.RatioOfMeans("skips", "starts"),
        "sizes": tt.SampleRatio(),
    }
    return tt.Experiment(metrics).analyze(table)


def same_interval(ours, theirs) -> None:
    assert float(ours.estimate) == pytest.approx(theirs.effect_size, rel=1e-9)
    assert float(ours.low) == pytest.approx(theirs.effect_size_ci_lower, rel=1e-6)
    assert float(ours.high) == pytest.approx(theirs.effect_size_ci_upper, rel=1e-6)
    assert float(ours.p) == pytest.approx(theirs.pvalue, rel=1e-5)


def test_tea_tasting_gives_the_same_means_and_ratios(tea_tasting):
    control, treatment = arms(VALUE)
    ours = welch_interval(control.at(0), treatment.at(0), alpha=0.05)
    same_interval(ours, tea_tasting["mean"])
    rates = [ratio(arm) for arm in arms(SKIPS, STARTS)]
    same_interval(welch_interval(*rates, alpha=0.05), tea_tasting["ratio"])


def test_tea_tasting_gives_the_same_adjusted_mean(tea_tasting):
    adjusted = cuped(*arms(VALUE, BEFORE)).arms
    same_interval(welch_interval(*adjusted, alpha=0.05), tea_tasting["cuped"])


@pytest.mark.filterwarnings("ignore::FutureWarning")  # pandas, inside that tool
def test_spotify_confidence_gives_the_same_z_interval():
    sc = pytest.importorskip(
        "spotify_confidence",
        reason=f"spotify-confidence {NOT_HERE}, or does not import with this bokeh",
        exc_type=ImportError,
    )
    pd = pytest.importorskip("pandas")
    sides = [VALUE[side == ARM] for side in (0, 1)]
    frame = pd.DataFrame(
        {
            "arm": ["control", "treatment"],
            "sum": [side.sum() for side in sides],
            "squares": [(side**2).sum() for side in sides],
            "n": [len(side) for side in sides],
        }
    )
    test = sc.ZTest(
        frame,
        numerator_column="sum",
        numerator_sum_squares_column="squares",
        denominator_column="n",
        categorical_group_columns="arm",
    )
    row = test.difference(level_1="control", level_2="treatment", absolute=True).iloc[0]
    ours = z_interval(*(Marginal.of(side) for side in sides), alpha=0.05)
    assert float(ours.estimate) == pytest.approx(row["difference"], rel=1e-9)
    assert float(ours.low) == pytest.approx(row["ci_lower"], rel=1e-9)
    assert float(ours.high) == pytest.approx(row["ci_upper"], rel=1e-9)
    assert float(ours.p) == pytest.approx(row["p-value"], rel=1e-8)


@pytest.fixture(scope="module")
def statsmodels():
    return pytest.importorskip("statsmodels.api", reason=f"statsmodels {NOT_HERE}")


def test_statsmodels_gives_the_same_proportions(statsmodels):
    from statsmodels.stats.proportion import confint_proportions_2indep  # noqa: PLC0415

    ours = Counts.of(100, 1_000), Counts.of(125, 1_000)
    for method, mine in (
        ("newcomb", newcombe_interval(*ours, alpha=0.05)),
        ("score", miettinen_nurminen_interval(*ours, alpha=0.05, fit="statsmodels")),
    ):
        both = (125, 1_000, 100, 1_000)
        low, high = confint_proportions_2indep(*both, method=method, compare="diff")
        assert (float(mine.low), float(mine.high)) == pytest.approx((low, high), abs=1e-6)
    assert statsmodels.__name__ == "statsmodels.api"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("bonferroni", "bonferroni"),
        ("holm", "holm"),
        ("hochberg", "simes-hochberg"),
        ("hommel", "hommel"),
        ("bh", "fdr_bh"),
        ("by", "fdr_by"),
    ],
)
def test_statsmodels_adjusts_p_values_alike(statsmodels, ours, theirs):
    from statsmodels.stats.multitest import multipletests  # noqa: PLC0415

    assert statsmodels.__name__ == "statsmodels.api"
    p = np.random.default_rng(2).beta(0.5, 3, 20)
    assert adjusted_p(p, ours) == pytest.approx(multipletests(p, method=theirs)[1], abs=1e-12)


def test_statsmodels_gives_the_same_welch_test_and_kappa(statsmodels):
    from statsmodels.stats.inter_rater import cohens_kappa  # noqa: PLC0415

    sides = [VALUE[side == ARM] for side in (0, 1)]
    mine = welch_interval(*(Marginal.of(side) for side in sides), alpha=0.05)
    compared = statsmodels.stats.CompareMeans.from_data(sides[1], sides[0])
    low, high = compared.tconfint_diff(usevar="unequal")
    assert (float(mine.low), float(mine.high)) == pytest.approx((low, high), rel=1e-9)
    table = np.array([[40, 9], [6, 45]])
    seen = Confusion(table.astype(float), np.array([0.0, 1.0]))
    assert float(kappa(seen, alpha=0.05).estimate) == pytest.approx(cohens_kappa(table).kappa)


def test_scipy_gives_the_same_sample_ratio():
    from scipy.stats import chisquare  # noqa: PLC0415 - slow to import

    counts = [5_050, 2_450, 2_600]
    theirs = chisquare(counts, np.array([0.5, 0.25, 0.25]) * sum(counts))
    assert float(srm_chi2(counts, [2, 1, 1]).p) == pytest.approx(theirs.pvalue, rel=1e-12)
