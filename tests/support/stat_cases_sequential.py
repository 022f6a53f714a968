"""Reference cases of sequential methods: method of the case -> our public functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from support.stat_answer import Answer, arms, level

from analytics.stats import betting, evalues, mixtures, peers, stitching
from analytics.stats import group_sequential as gst
from analytics.stats.confidence_sequence import SequencePlan, difference_sequence, half_width

Inputs = dict[str, Any]


def looks(i: Inputs) -> np.ndarray:
    """Information fractions, given or said in words ("k/28, k=1..28")."""
    if isinstance(i["t"], str):
        return gst.equal_looks(int(i["t"].split("/")[1].split(",")[0]))
    return np.asarray(i["t"], float)


def spending(name: str, shape: str | None = None):
    def bounds(i: Inputs) -> Answer:
        form = None if shape is None else i[shape]
        sides = i.get("sides", 2)
        z = gst.spending_bounds(looks(i), alpha=level(i), spending=name, shape=form, sides=sides)
        assert abs(gst.crossing_chances(looks(i), z, sides=sides).ever - level(i)) < 1e-9
        return Answer({"z": z})

    return bounds


def classical_pocock(i: Inputs) -> Answer:
    """The case holds what R prints: ours in its numerics; by default ours is exact, and another."""
    asked = {"alpha": level(i), "shape": 0.5, "sides": i["sides"]}
    exact = gst.classical_bounds(i["K"], **asked)
    spent = gst.crossing_chances(gst.equal_looks(i["K"]), exact, sides=i["sides"]).ever
    assert abs(spent - level(i)) < 1e-10
    printed = gst.classical_bounds(i["K"], **asked, numerics="ldbounds")
    return Answer({"z": printed}, {"z": (printed, exact)})


def drift(i: Inputs) -> Answer:
    z = gst.spending_bounds(looks(i), alpha=level(i), spending="power", shape=i["rho"])
    found = gst.drift_for_power(looks(i), z, power_wanted=i["power"])
    return Answer(
        {"drift": found, "inflation": gst.inflation(found, alpha=level(i), power_wanted=i["power"])}
    )


def peeking(i: Inputs) -> Answer:
    return Answer({"type1": [gst.peeking_type_one(k, alpha=level(i)) for k in i["K"]]})


def spend_as_level(i: Inputs) -> Answer:
    theirs = [peers.nominal_spend_type_one(k, alpha=level(i)) for k in i["K"]]
    ours = [
        gst.crossing_chances(
            gst.equal_looks(k), gst.spending_bounds(gst.equal_looks(k), alpha=level(i))
        ).ever
        for k in i["K"]
    ]
    return Answer(wrong={"type1": (theirs, ours)})


def mixture(kind):
    def values(i: Inputs) -> Answer:
        made = kind(i)
        bound = mixtures.bound(made, i["v"], alpha=level(i))
        return Answer({"log_m": made.log_mixture(i["s"], i["v"]), "bound": bound})

    return values


def bernoulli(i: Inputs) -> Answer:
    rows = [
        mixtures.bernoulli_sequence(x, n, t_opt=t_opt, alpha=level(i)) for x, n, t_opt in i["cases"]
    ]
    return Answer({"ci": rows})


def quantile_bounds(i: Inputs) -> Answer:
    radius = stitching.empirical_process_radius(i["t"], alpha=level(i), t_min=100, scale=0.85)
    counts = stitching.double_stitching_bound([0.5, 0.9, 0.1], i["t"], alpha=level(i), t_opt=100)
    return Answer({"lil": radius, "ds": counts})


def at_looks(sequence) -> Answer:
    shown = [0, 4, 9, 19]
    return Answer({"lower": sequence.low[shown], "upper": sequence.high[shown]})


def betting_case(i: Inputs) -> Answer:
    return at_looks(betting.betting_sequence(i["x"], alpha=level(i)))


def hoeffding_case(i: Inputs) -> Answer:
    return at_looks(betting.hoeffding_sequence(i["x"], alpha=level(i)))


def sequence_width(i: Inputs) -> Answer:
    both = SequencePlan(i["n_star"], level(i))
    one = SequencePlan(i["n_star"], level(i), "greater")
    ours = {
        "rho": both.rho,
        "half_width": half_width(i["n"], i["s2"], both),
        "rho_one_sided": one.rho,
        "half_width_one_sided": half_width(i["n"], i["s2"], one),
    }
    return Answer(ours)


def sequence_arms(i: Inputs) -> Answer:
    interval = difference_sequence(*arms(i), SequencePlan(i["n_star"], level(i)))
    return Answer({"lower": interval.low, "upper": interval.high, "p": interval.p})


def msprt(i: Inputs) -> Answer:
    z = evalues.msprt_z_boundary(i["n"], sd=i["sd"], tau2=i["tau2"], alpha=level(i))
    n = float(i["n"])
    difference = z * i["sd"] * np.sqrt(2 / n)
    ratio = evalues.msprt_log_ratio(difference, n, variance=i["sd"] ** 2, tau2=i["tau2"])
    assert abs(float(ratio) + np.log(level(i))) < 1e-9  # the boundary is where the ratio is 1/alpha
    return Answer({"z": z})


def anytime_t(i: Inputs) -> Answer:
    found = evalues.anytime_t(i["t2"], df=i["nu"], n=i["n"], se=i["se"], alpha=level(i), g=i["g"])
    return Answer({"log_G": found.log_e, "p": found.p, "radius": found.radius})


METHODS = {
    r"Lan-DeMets O'Brien-Fleming": spending("obrien-fleming"),
    r"Lan-DeMets Pocock": spending("pocock"),
    r"power-family": spending("power", "rho"),
    r"\d+ nightly looks": spending("power", "rho"),
    r"Hwang-Shih-DeCani": spending("hwang-shih-decani", "gamma"),
    r"classical Pocock": classical_pocock,
    r"drift \(sqrt of Fisher information": drift,
    r"type I error of \|z\|>1.96": peeking,
    r"type I if the cumulative OBF spend": spend_as_level,
    r"two-sided normal mixture": mixture(
        lambda i: mixtures.NormalTwoSided(i["v_opt"], level(i)),
    ),
    r"one-sided normal mixture": mixture(
        lambda i: mixtures.NormalOneSided(i["v_opt"], level(i)),
    ),
    r"gamma-exponential mixture": mixture(
        lambda i: mixtures.GammaExponential(i["v_opt"], i["c"], level(i)),
    ),
    r"gamma-Poisson mixture": mixture(
        lambda i: mixtures.GammaPoisson(i["v_opt"], i["c"], level(i)),
    ),
    r"beta-binomial mixture": mixture(
        lambda i: mixtures.BetaBinomialTwoSided(i["v_opt"], i["g"], i["h"], level(i)),
    ),
    r"Bernoulli \(sub-Bernoulli": bernoulli,
    r"empirical-process LIL bound": quantile_bounds,
    r"betting \(hedged\) CS": betting_case,
    r"predictable-mixture Hoeffding": hoeffding_case,
    r"asymptotic CS \(Waudby-Smith": sequence_width,
    r"asymptotic CS \+ always-valid p": sequence_arms,
    r"mSPRT as a z boundary": msprt,
    r"anytime-valid t": anytime_t,
}
