"""Periods and components of the CO2 record of Mauna Loa, gaps and all."""

from statsmodels.datasets import co2

from tsprune import decompose, find_periods

y = co2.load_pandas().data["co2"]
for period in find_periods(y):
    print(f"period {period.period}, p-value {period.p_value:.2g}")
result = decompose(y, period=52)
print({name: round(float(value), 3) for name, value in result.strength().items()})
print(result.to_frame().tail(3).round(2))
