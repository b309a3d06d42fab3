"""Layout of a monitor's memory: what stands where in its arrays.

integers : int64 (N_INTEGERS,)
params : float64 (N_PARAMS,), the policy and the monitor's own
joint : float64 (JOINT_SIZE,), what belongs to all metrics together
metrics : float64 (n_metrics, METRIC_SIZE), one row per metric
sample : float32 (SAMPLE_ROWS, 2 * n_metrics), remainders of past rows, what the forest is grown from
"""

from __future__ import annotations

from tsprune.streaming.monitor.kernels.calibration import HISTOGRAM_SIZE
from tsprune.streaming.monitor.kernels.extremes import EXTREMES_SIZE
from tsprune.streaming.monitor.kernels.novelty import BOOK_SIZE
from tsprune.streaming.monitor.kernels.visits import VISITS_SIZE, WEEK_SIZE
from tsprune.streaming.monitor.kernels.windows import WINDOW_SIZE

__all__ = [
    "C_LEVEL",
    "C_MISSING",
    "C_NOISE",
    "C_RELATION",
    "C_SEASON",
    "C_SLOPE",
    "DAY",
    "HOUR",
    "I_ALERTS",
    "I_CALM",
    "I_CHANGED",
    "I_EPISODE",
    "I_FIRST",
    "I_GAPS",
    "I_GROWN",
    "I_HELD",
    "I_LAST_TIME",
    "I_LOG",
    "I_LOG_COUNT",
    "I_MISSING",
    "I_OPEN",
    "I_PRIMING",
    "I_REPRUNED",
    "I_RESETS",
    "I_ROWS",
    "I_RUN",
    "I_SAMPLED",
    "I_STEP",
    "I_STRIDE",
    "I_SUPPRESSED",
    "JOINT_SIZE",
    "J_ENERGY",
    "J_FOREST",
    "J_HISTOGRAM",
    "J_QUEUE",
    "J_RANKS",
    "J_STATE",
    "J_TOKENS",
    "LOG_WIDTH",
    "MAX_EPISODE",
    "METRIC_SIZE",
    "M_ABSENCES",
    "M_ABSENT",
    "M_BOOKS",
    "M_CLIPPED",
    "M_COUNTER",
    "M_ERROR_DAY",
    "M_ERROR_PLAIN",
    "M_ERROR_SEASON",
    "M_ERROR_WEEK",
    "M_EXTREMES",
    "M_GONE",
    "M_KEPT",
    "M_LAST_RAW",
    "M_LAST_SECOND",
    "M_LEVEL",
    "M_SCALE",
    "M_SEASON_RING",
    "M_SEEN",
    "M_SLOW",
    "M_VISITS",
    "M_WEEK",
    "M_WEEKS_TESTED",
    "M_WEEK_KEPT",
    "M_WINDOW",
    "N_INTEGERS",
    "N_LOG",
    "N_PARAMS",
    "N_VIEWS",
    "OUT_ALERT",
    "OUT_ANOMALY",
    "OUT_METRICS",
    "OUT_ONSET",
    "OUT_P_VALUE",
    "OUT_REPRUNED",
    "OUT_SCORE",
    "PART_METRIC",
    "PART_RELATION",
    "PART_SEASON",
    "PART_WEEK",
    "PER_METRIC",
    "P_DIRECTION",
    "P_DURATION",
    "P_HORIZON",
    "P_PER_DAY",
    "P_RATE",
    "P_RELEASE",
    "P_SEASON",
    "P_SIZE",
    "SAMPLE_ROWS",
    "V_DEVIATION",
    "V_HIGH",
    "V_LOW",
    "V_MEAN",
    "V_MEDIAN",
    "V_SEASON",
    "V_SLOPE",
    "V_VALUE",
]

DAY = 86_400_000_000_000
HOUR = DAY // 24

# one row of `out`
OUT_SCORE, OUT_ONSET, OUT_P_VALUE, OUT_ANOMALY, OUT_ALERT, OUT_REPRUNED, OUT_METRICS = 0, 1, 2, 3, 4, 5, 6
PER_METRIC = 9  # trend, seasonal, remainder, then evidence: level, slope, season, noise variance, missing, relation

# integers
I_LAST_TIME, I_STEP, I_ROWS, I_OPEN, I_CALM, I_RUN, I_SUPPRESSED, I_GAPS, I_MISSING, I_ALERTS, I_REPRUNED, I_PRIMING = (
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)  # fmt: skip
I_EPISODE, I_FIRST, I_HELD, I_RESETS = 12, 13, 14, 15
I_SAMPLED, I_STRIDE, I_GROWN, I_CHANGED = 16, 17, 18, 19  # rows in the sample, one of so many; forests; log entries
I_LOG_COUNT, I_LOG = 20, 21
N_LOG, LOG_WIDTH = 64, 4  # time, metric, part, kept
N_INTEGERS = I_LOG + N_LOG * LOG_WIDTH

# params: the policy, then the monitor
P_RATE, P_PER_DAY, P_RELEASE, P_DURATION, P_DIRECTION, P_SIZE, P_HORIZON, P_SEASON = 0, 1, 2, 3, 4, 5, 6, 7
N_PARAMS = 8

# joint
MAX_EPISODE = 1024
J_TOKENS, J_STATE = 0, 1
J_HISTOGRAM = 8
J_QUEUE = J_HISTOGRAM + HISTOGRAM_SIZE  # a queue of falling evidence: rows, then values
J_ENERGY = J_QUEUE + 2 * MAX_EPISODE
J_RANKS = J_ENERGY + EXTREMES_SIZE
J_FOREST = J_RANKS + EXTREMES_SIZE
JOINT_SIZE = J_FOREST + EXTREMES_SIZE

SAMPLE_ROWS = 512  # the forest is grown each time the sample is full

# metrics: scalars
(M_LEVEL, M_SCALE, M_SLOW, M_SEEN, M_ERROR_PLAIN, M_ERROR_SEASON, M_KEPT, M_ABSENT, M_COUNTER, M_LAST_RAW,
 M_LAST_SECOND, M_GONE, M_CLIPPED, M_ERROR_DAY, M_ERROR_WEEK, M_WEEKS_TESTED, M_WEEK_KEPT) = range(17)  # fmt: skip
M_SEASON_RING = 20  # the last four seasonal remainders
# metrics: visits of the slots of the day and of the week, window, then one book and one list of extremes per view
M_VISITS = 24
M_WEEK = M_VISITS + VISITS_SIZE
M_WINDOW = M_WEEK + WEEK_SIZE
N_VIEWS = 8
M_BOOKS = M_WINDOW + WINDOW_SIZE
M_EXTREMES = M_BOOKS + N_VIEWS * BOOK_SIZE
M_ABSENCES = M_EXTREMES + N_VIEWS * EXTREMES_SIZE
METRIC_SIZE = M_ABSENCES + EXTREMES_SIZE

V_VALUE, V_MEAN, V_MEDIAN, V_HIGH, V_LOW, V_SLOPE, V_DEVIATION, V_SEASON = 0, 1, 2, 3, 4, 5, 6, 7
C_LEVEL, C_SLOPE, C_SEASON, C_NOISE, C_MISSING, C_RELATION = (
    3,
    4,
    5,
    6,
    7,
    8,
)  # places of the causes in a metric's part of `out`
PART_SEASON, PART_METRIC, PART_WEEK, PART_RELATION = 0, 1, 2, 3
