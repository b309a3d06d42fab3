"""Kernel expansions, term by term."""

from __future__ import annotations

import math


def kernel(name, x, v, gamma, coef0, degree):
    product = sum(a * b for a, b in zip(x, v, strict=True))
    if name == "rbf":
        return math.exp(-gamma * sum((a - b) ** 2 for a, b in zip(x, v, strict=True)))
    if name == "poly":
        return (gamma * product + coef0) ** degree
    if name == "sigmoid":
        return math.tanh(gamma * product + coef0)
    return product


def expansion(name, x, vectors, weights, intercept, gamma, coef0, degree):
    return intercept + math.fsum(
        w * kernel(name, x, v, gamma, coef0, degree) for v, w in zip(vectors, weights, strict=True)
    )
