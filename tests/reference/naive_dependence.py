"""Slow, obvious twins of the dependence statistics: loops, counting, permutations. Imports nothing it judges."""

import math
from statistics import NormalDist

import numpy as np


def midranks(column):
    """(Mean rank - 0.5) / number present of every value; NaN for the missing ones."""
    present = [x for x in column if not math.isnan(x)]
    out = []
    for x in column:
        if math.isnan(x):
            out.append(math.nan)
            continue
        below = sum(1 for other in present if other < x)
        same = sum(1 for other in present if other == x)
        out.append((below + 0.5 * (same + 1) - 0.5) / len(present))
    return np.array(out)


def functions(column):
    """Level and spread of one column without missing values, orthonormal; None for one that does not exist."""
    u = midranks(column)
    level = u - u.mean()
    norm = math.sqrt(sum(level**2))
    if norm < 1e-6:
        return [None, None]
    level = level / norm
    spread = np.array([NormalDist().inv_cdf(v) ** 2 for v in u])
    spread = spread - spread.mean()
    before = sum(spread**2)
    spread = spread - level * sum(level * spread)
    after = sum(spread**2)
    if after <= max(1e-3 * before, 1e-12):
        return [level, None]
    spread = spread / math.sqrt(after)
    return [level, spread if excess_kurtosis(spread) <= 30 else None]


def excess_kurtosis(function):
    """Excess kurtosis of a centred function of norm 1."""
    return len(function) * sum(function**4) - 3.0


def function_skewness(function):
    """Skewness of a function; 0 where it is symmetric but for rounding."""
    skewness = math.sqrt(len(function)) * sum(function**3)
    return skewness if abs(skewness) >= 0.02 else 0.0


def poisson_residual(z, skewness):
    """Signed root of twice the log likelihood ratio of a Poisson count of this skewness."""
    if skewness == 0.0:
        return z
    if skewness < 0.0:
        return -poisson_residual(-z, -skewness)
    mean = skewness**-2
    count = max(mean + z * math.sqrt(mean), 0.0)
    likelihood = (count * math.log(count) - count if count else 0.0) - (count * math.log(mean) - mean)
    return math.copysign(math.sqrt(max(2.0 * likelihood, 0.0)), count - mean)


def pair_moments(one, other):
    """Statistic, null mean and null variance of a pair of columns."""
    n = len(one)
    total = mean = variance = 0.0
    for f in functions(one):
        for g in functions(other):
            if f is None or g is None:
                continue
            skewness = function_skewness(f) * function_skewness(g) / math.sqrt(n - 1)
            total += poisson_residual(math.sqrt(n - 1) * sum(f * g), skewness) ** 2
            mean += 1.0
            excess = excess_kurtosis(f) * excess_kurtosis(g) / n
            variance += max(0.5, 2.0 + (excess if skewness == 0.0 else max(excess - skewness**2, 0.0)))
    return total, mean, variance


def permuted_statistics(one, other, n_permutations, rng):
    """The pair statistic under permutations of the second column."""
    return np.array([pair_moments(one, rng.permutation(other))[0] for _ in range(n_permutations)])


def joint_statistic(table, feature, group):
    """Sum of the pair statistics of a feature with the other members of a group."""
    return sum(pair_moments(table[:, feature], table[:, j])[0] for j in group if j != feature)


def components(edges, n_features):
    """Sets of connected features."""
    groups = [{k} for k in range(n_features)]
    for a, b in edges:
        one = next(g for g in groups if a in g)
        two = next(g for g in groups if b in g)
        if one is not two:
            groups.remove(two)
            one |= two
    return groups
