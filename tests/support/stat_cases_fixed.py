"""Reference cases of fixed-n methods: method of the case -> our public functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from support.stat_answer import Answer, arms, joint, level

from analytics.stats import multiplicity, peers, power
from analytics.stats.cuped import cuped
from analytics.stats.means import paired_t_interval, welch_interval, z_interval
from analytics.stats.moments import Marginal
from analytics.stats.noninferiority import noninferior_absolute, noninferior_relative
from analytics.stats.proportions import (
    Counts,
    miettinen_nurminen_interval,
    newcombe_interval,
    pearson_chi2,
    pooled_cc_interval,
    unpooled_interval,
)
from analytics.stats.ratios import ratio, session_cluster_se
from analytics.stats.relative import (
    fieller_interval,
    fieller_points,
    relative_delta_interval,
    relative_log_interval,
)
from analytics.stats.srm import sequential_srm, srm_chi2
from analytics.stats.tails import normal_upper_quantile

Inputs = dict[str, Any]


def told(interval, name="diff"):
    return {
        name: interval.estimate,
        "lower": interval.low,
        "upper": interval.high,
        "p": interval.p,
        "se": interval.se,
    }


def welch(i: Inputs) -> Answer:
    return Answer(told(welch_interval(*arms(i), alpha=level(i))))


def z_test(i: Inputs) -> Answer:
    return Answer(told(z_interval(*arms(i), alpha=level(i))))


def relative_delta(i: Inputs) -> Answer:
    return Answer(told(relative_delta_interval(*arms(i), alpha=level(i)), "rel"))


def relative_fieller(i: Inputs) -> Answer:
    control, treatment = arms(i)
    interval = fieller_interval(control, treatment, alpha=level(i))
    points = fieller_points(control, treatment, normal_upper_quantile(level(i) / 2))
    return Answer(told(interval, "rel") | {"g": points.g})


def relative_log(i: Inputs) -> Answer:
    return Answer(told(relative_log_interval(*arms(i), alpha=level(i)), "rel"))


def relative_fixed_control(i: Inputs) -> Answer:
    right = fieller_interval(*arms(i), alpha=level(i))
    theirs = peers.relative_fixed_control_interval(*arms(i), alpha=level(i))
    wrong = {"lower": (theirs.low, right.low), "upper": (theirs.high, right.high)}
    return Answer({"rel": right.estimate}, wrong)


def paired(i: Inputs) -> Answer:
    interval = paired_t_interval(i["x"], i["y"], alpha=level(i))
    return Answer({"t": interval.estimate / interval.se, "p": interval.p})


def counts(i: Inputs) -> tuple[Counts, Counts]:
    return Counts.of(i["x1"], i["n1"]), Counts.of(i["x2"], i["n2"])


def unpooled(i: Inputs) -> Answer:
    return Answer(told(unpooled_interval(*counts(i), alpha=level(i))))


def yates(i: Inputs) -> Answer:
    test = pearson_chi2(*counts(i), continuity=True)
    return Answer({"chi2": test.statistic, "p": test.p})


def pooled_cc(i: Inputs) -> Answer:
    return Answer(told(pooled_cc_interval(*counts(i), alpha=level(i))))


def newcombe(i: Inputs) -> Answer:
    return Answer(told(newcombe_interval(*counts(i), alpha=level(i))))


def miettinen_nurminen(i: Inputs) -> Answer:
    """The case holds statsmodels' number: ours under the option named after it, not by default."""
    right = miettinen_nurminen_interval(*counts(i), alpha=level(i))
    told_so = miettinen_nurminen_interval(*counts(i), alpha=level(i), fit="statsmodels")
    ours = {"lower": told_so.low, "upper": told_so.high}
    low, high = peers.miettinen_nurminen_statsmodels(*counts(i), alpha=level(i))
    return Answer(ours, {"lower": (low, right.low), "upper": (high, right.high)})


def ratio_delta(i: Inputs) -> Answer:
    control, treatment = (ratio(joint(i[arm], "y", "d")) for arm in ("control", "treatment"))
    interval = welch_interval(control, treatment, alpha=level(i))
    return Answer(told(interval) | {"control": control.mean, "treatment": treatment.mean})


def ratio_sessions(i: Inputs) -> Answer:
    control, treatment = (joint(i[arm], "y", "d") for arm in ("control", "treatment"))
    plain = session_cluster_se(control, treatment)
    stata = session_cluster_se(control, treatment, small_sample="rows")
    by_users = welch_interval(ratio(control), ratio(treatment), alpha=level(i))
    ours = {
        "diff": plain.difference,
        "se_cluster_nocorr": plain.se,
        "se_cluster_default": stata.se,
        "se_delta_ddof1": by_users.se,
    }
    return Answer(ours, {"se_iid_wrong": (None, plain.se)})


def cuped_arms(i: Inputs):
    return tuple(joint(i[arm], "y", "x") for arm in ("control", "treatment"))


def cuped_mean(i: Inputs) -> Answer:
    after = cuped(*cuped_arms(i))
    interval = welch_interval(*after.arms, alpha=level(i))
    control, treatment = (arm.mean for arm in after.arms)
    ours = {"theta": after.theta, "control_adj": control, "treatment_adj": treatment}
    return Answer(told(interval) | ours)


def cuped_divisors(i: Inputs) -> Answer:
    ours = welch_interval(*cuped(*cuped_arms(i)).arms, alpha=level(i)).se
    theirs = peers.linreg_se_mixed_divisors(*cuped_arms(i))
    return Answer({"se_correct": ours}, {"se_spotify": (theirs, ours)})


def cancellation(i: Inputs) -> Answer:
    moments = Marginal.of(i["x"])
    return Answer({"mean": moments.mean, "var": moments.var})


def chan(i: Inputs) -> Answer:
    a, b = (Marginal(*(np.asarray(part, float) for part in i[cell])) for cell in ("a", "b"))
    both = a.merge(b)
    return Answer({"n": both.n, "mean": both.mean, "M2": both.m2})


def srm(i: Inputs) -> Answer:
    test = srm_chi2(i["counts"], i["weights"])
    return Answer({"chi2": test.statistic, "p": test.p})


def srm_sequential(i: Inputs) -> Answer:
    found = sequential_srm(i["counts"], i["theta0"], concentration=i["k"])
    return Answer({"log_bf": found.log_bayes_factor[-1], "p_anytime": found.p[-1]})


def adjusted(method: str):
    return lambda i: Answer({"adjusted": multiplicity.adjusted_p(i["p"], method)})


def e_bh(i: Inputs) -> Answer:
    rejected = multiplicity.e_bh(i["e"], alpha=level(i))
    return Answer({"k": len(rejected), "rejected": rejected})


def lord(i: Inputs) -> Answer:
    found = multiplicity.lord_plus_plus(i["p"], alpha=level(i), w0=i["w0"])
    return Answer({"alpha_t": found.level, "rejected": np.flatnonzero(found.rejected) + 1})


def users_by_role(i: Inputs) -> Answer:
    """The table divides alpha over success metrics and, unlike us, gives guardrails no more."""
    roles = [metric["type"] for metric in i["metrics"]]
    guardrails = roles.count("guardrail")
    successes = len(roles) - guardrails
    each = power.power_per_test(i["power"], successes=successes, guardrails=guardrails)
    # two-sided 2 alpha / S is the one-sided alpha / S of each success metric
    target = power.Target(2 * level(i) / max(successes, 1), each)
    shares = power.Shares(*i["weights"])
    totals = []
    for metric in i["metrics"]:
        effect = metric["mean"] * metric.get("mde_rel", metric.get("nim_rel", 0.0))
        spread = (
            power.bernoulli_variances(metric["mean"], effect)
            if metric["type"] == "proportion"
            else (metric["var"], metric["var"])
        )
        totals.append(power.users_needed(spread, effect, target, shares=shares).total)
    return Answer({"total_n": totals, "adjusted_power": each})


def beta_per_test(i: Inputs) -> Answer:
    roles = {"successes": i.get("S", 1), "guardrails": i["G"]}
    plain = power.power_per_test(1 - i["beta"], **roles)
    family = power.power_per_test(1 - i["beta"], **roles, alpha_quality=i["alpha_minus"])
    return Answer({"beta_star": 1 - plain, "beta_star_with_det": 1 - family})


def power_mean(i: Inputs) -> Answer:
    se = np.sqrt(4 * i["var"] / i["n_total"])
    return Answer({"power": power.power_of(se, i["mean"] * i["rel_effect"], alpha=level(i))})


def smallest(i: Inputs) -> Answer:
    target = power.Target(level(i), i["power"])
    effect = power.smallest_effect((i["var"], i["var"]), i["n_total"], target)
    return Answer({"mde_abs": effect, "mde_rel": effect / i["mean"]})


def mid_experiment(i: Inputs) -> Answer:
    from analytics.stats.confidence_sequence import SequencePlan  # noqa: PLC0415

    plan = SequencePlan(i.get("n_star", 5000), level(i))
    at = power.power_after(arms(i), i["target_mde"], [0, 1], se=i["se_rel"], plan=plan)
    return Answer({"fixed": at.fixed, "sequential": at.sequential})


def noninferior(i: Inputs) -> Answer:
    control, treatment = arms(i)
    known = noninferior_absolute(control, treatment, i["nim_rel"] * control.mean, alpha=level(i))
    right = noninferior_relative(control, treatment, i["nim_rel"], alpha=level(i))
    assert abs(float(known.p - right.p)) > 1e-4  # the control mean is not known: ours says so
    ours = told(known.interval) | {"p": known.p, "null": -known.margin}
    return Answer(ours)


METHODS = {
    r"Welch t, difference in means": welch,
    r"z-test, difference in means": z_test,
    r"relative lift, delta method": relative_delta,
    r"relative lift, Fieller": relative_fieller,
    r"relative lift, log-ratio": relative_log,
    r"relative lift with control mean treated as a constant": relative_fixed_control,
    r"paired t": paired,
    r"two proportions, unpooled z": unpooled,
    r"Pearson chi2 with Yates": yates,
    r"pooled z with continuity correction": pooled_cc,
    r"Newcombe score interval": newcombe,
    r"Miettinen-Nurminen score interval": miettinen_nurminen,
    r"ratio of means .*delta method": ratio_delta,
    r"session-level OLS with cluster-robust SE": ratio_sessions,
    r"CUPED, theta from the pooled": cuped_mean,
    r"same data in spotify z-test-linreg": cuped_divisors,
    r"variance must survive a large offset": cancellation,
    r"merge \(n, mean, M2\)": chan,
    r"SRM chi2": srm,
    r"sequential SRM": srm_sequential,
    r"adjusted p-values, bonferroni": adjusted("bonferroni"),
    r"adjusted p-values, holm": adjusted("holm"),
    r"adjusted p-values, hochberg": adjusted("hochberg"),
    r"adjusted p-values, hommel": adjusted("hommel"),
    r"adjusted p-values, BH": adjusted("bh"),
    r"adjusted p-values, BY": adjusted("by"),
    r"e-BH": e_bh,
    r"LORD\+\+": lord,
    r"Spotify sample-size table": users_by_role,
    r"per-test type II": beta_per_test,
    r"power of two-sided z test": power_mean,
    r"MDE for": smallest,
    r"conditional 'more users needed' power": mid_experiment,
    r"non-inferiority z": noninferior,
}
