"""Layout of a monitor's memory: the one declaration of what stands where in its arrays.

integers : int64 (N_INTEGERS,)
params : float64 (N_PARAMS,), the policy and the monitor's own
gates : float64 (n_metrics, N_GATES), limits and gates of every metric; NaN where there is none
joint : float64 (JOINT_SIZE,), what belongs to all metrics together
metrics : float64 (n_metrics, METRIC_SIZE), one row per metric
sample : float32 (SAMPLE_ROWS, 2 * n_metrics), remainders of past rows, what the forest is grown from

Sizes, places and what is stored with a state follow from the `Block` of each array; `VERSION` changes when the meaning
of a part changes. A state stored with fewer parts is read, and the parts it lacks begin with zeros.
"""

from __future__ import annotations

from tsprune.streaming.monitor.kernels.calibration import HISTOGRAM_SIZE
from tsprune.streaming.monitor.kernels.declaration import Block
from tsprune.streaming.monitor.kernels.extremes import EXTREMES_SIZE
from tsprune.streaming.monitor.kernels.novelty import BOOK_SIZE
from tsprune.streaming.monitor.kernels.visits import VISITS_SIZE, WEEK_SIZE
from tsprune.streaming.monitor.kernels.windows import WINDOW_SIZE

VERSION = 2
DAY = 86_400_000_000_000
HOUR = DAY // 24
MAX_EPISODE = 1024
SAMPLE_ROWS = 512  # the forest is grown each time the sample is full
N_LOG, LOG_WIDTH = 64, 4  # time, metric, part, kept
N_VIEWS = 8
N_PEAKS = 32  # episodes whose evidence is remembered, to know which ones are the worst

# ---------------------------------------------------------------------------------------------- one row of `out`
FIELDS = Block("fields", score=1, onset=1, p_value=1, anomaly=1, alert=1, repruned=1, held=1, incident=1, silent=1)
OUT_SCORE, OUT_ONSET, OUT_P_VALUE = FIELDS["score"], FIELDS["onset"], FIELDS["p_value"]
OUT_ANOMALY, OUT_ALERT, OUT_REPRUNED = FIELDS["anomaly"], FIELDS["alert"], FIELDS["repruned"]
OUT_HELD, OUT_INCIDENT, OUT_SILENT = FIELDS["held"], FIELDS["incident"], FIELDS["silent"]
OUT_METRICS = FIELDS.size
# then for every metric: what it is made of, its ordinary range, why it is reported, how rare it is by itself, causes
RESULT = Block(
    "result",
    trend=1, seasonal=1, remainder=1, lower=1, upper=1, reasons=1, strength=1,
    level=1, slope=1, season=1, noise=1, missing=1, relation=1,
)  # fmt: skip
R_TREND, R_SEASONAL, R_REMAINDER, R_LOWER, R_UPPER = (
    RESULT["trend"], RESULT["seasonal"], RESULT["remainder"], RESULT["lower"], RESULT["upper"])  # fmt: skip
R_REASONS, R_STRENGTH = RESULT["reasons"], RESULT["strength"]
C_LEVEL, C_SLOPE, C_SEASON, C_NOISE, C_MISSING, C_RELATION = (
    RESULT["level"], RESULT["slope"], RESULT["season"], RESULT["noise"], RESULT["missing"],
    RESULT["relation"])  # fmt: skip
PER_METRIC = RESULT.size
# reasons, as bits
WHY_MODEL, WHY_LOWER, WHY_UPPER, WHY_STEP, WHY_STUCK, WHY_GONE = 1, 2, 4, 8, 16, 32
WHY_LIMIT = WHY_LOWER | WHY_UPPER | WHY_STEP

# ---------------------------------------------------------------------------------------------- integers
INTEGERS = Block(
    "integers",
    last_time=1, step=1, rows=1, open=1, calm=1, run=1, suppressed=1, gaps=1, missing=1, alerts=1, repruned=1,
    priming=1, episode=1, first=1, held=1, resets=1, sampled=1, stride=1, grown=1, changed=1, incident=1, opened=1,
    peaks=1, gone_rows=1, log_count=1, log=N_LOG * LOG_WIDTH,
)  # fmt: skip
I_LAST_TIME, I_STEP, I_ROWS, I_OPEN = INTEGERS["last_time"], INTEGERS["step"], INTEGERS["rows"], INTEGERS["open"]
I_CALM, I_RUN, I_SUPPRESSED, I_GAPS = INTEGERS["calm"], INTEGERS["run"], INTEGERS["suppressed"], INTEGERS["gaps"]
I_MISSING, I_ALERTS, I_REPRUNED = INTEGERS["missing"], INTEGERS["alerts"], INTEGERS["repruned"]
I_PRIMING, I_EPISODE, I_FIRST, I_HELD = (
    INTEGERS["priming"], INTEGERS["episode"], INTEGERS["first"], INTEGERS["held"])  # fmt: skip
I_RESETS, I_SAMPLED, I_STRIDE, I_GROWN = (
    INTEGERS["resets"], INTEGERS["sampled"], INTEGERS["stride"], INTEGERS["grown"])  # fmt: skip
I_CHANGED = INTEGERS["changed"]  # log entries that the next row reports
I_INCIDENT, I_OPENED, I_PEAKS = INTEGERS["incident"], INTEGERS["opened"], INTEGERS["peaks"]
I_GONE_ROWS = INTEGERS["gone_rows"]  # rows that were absent, in all gaps
I_LOG_COUNT, I_LOG = INTEGERS["log_count"], INTEGERS["log"]
N_INTEGERS = INTEGERS.size

# ---------------------------------------------------------------------------------------------- params, gates
POLICY = Block("policy", rate=1, per_day=1, release=1, duration=1, direction=1, size=1)
PARAMS = Block("params", **POLICY.sizes, horizon=1, season=1, coverage=1)
P_RATE, P_PER_DAY, P_RELEASE = PARAMS["rate"], PARAMS["per_day"], PARAMS["release"]
P_DURATION, P_DIRECTION, P_SIZE = PARAMS["duration"], PARAMS["direction"], PARAMS["size"]
P_HORIZON, P_SEASON, P_COVERAGE = PARAMS["horizon"], PARAMS["season"], PARAMS["coverage"]
N_PARAMS = PARAMS.size
GATES = Block("gates", lower=1, upper=1, max_step=1, min_abs=1, min_rel=1, direction=1)
G_LOWER, G_UPPER, G_MAX_STEP = GATES["lower"], GATES["upper"], GATES["max_step"]
G_MIN_ABS, G_MIN_REL, G_DIRECTION = GATES["min_abs"], GATES["min_rel"], GATES["direction"]
N_GATES = GATES.size

# ---------------------------------------------------------------------------------------------- joint
JOINT = Block(
    "joint",
    tokens=1, state=1, peak=1, silence=1,
    histogram=HISTOGRAM_SIZE,
    queue=2 * MAX_EPISODE,  # a queue of falling evidence: rows, then values
    energy=EXTREMES_SIZE, ranks=EXTREMES_SIZE, new_ranks=EXTREMES_SIZE, forest=EXTREMES_SIZE,
    peaks=2 * N_PEAKS,  # of the last episodes: day, evidence
)  # fmt: skip
J_TOKENS, J_STATE, J_PEAK = JOINT["tokens"], JOINT["state"], JOINT["peak"]
J_SILENCE = JOINT["silence"]  # the longest gap, in rows
J_HISTOGRAM, J_QUEUE = JOINT["histogram"], JOINT["queue"]
J_ENERGY, J_RANKS, J_NEW_RANKS, J_FOREST = JOINT["energy"], JOINT["ranks"], JOINT["new_ranks"], JOINT["forest"]
J_PEAKS = JOINT["peaks"]
JOINT_SIZE = JOINT.size

# ---------------------------------------------------------------------------------------------- metrics
METRIC = Block(
    "metrics",
    level=1, scale=1, slow=1, seen=1, error_plain=1, error_season=1, kept=1, absent=1, counter=1, last_raw=1,
    last_second=1, gone=1, clipped=1, error_day=1, error_week=1, weeks_tested=1, week_kept=1,
    low=1, high=1,  # of the range: distances from what is expected, in scales
    last=1, same=1, same_longest=1, same_total=1, stuck_told=1, absent_longest=1, gone_told=1,
    since=1, quiet=1, lasted=1, began=1, bad=1,  # of an episode, see `follow_episode`
    joined=1, limited=1,  # the incident it is part of; limits that it breaks
    season_ring=4,  # the last four seasonal remainders
    visits=VISITS_SIZE, week=WEEK_SIZE, window=WINDOW_SIZE,
    books=N_VIEWS * BOOK_SIZE, extremes=N_VIEWS * EXTREMES_SIZE, absences=EXTREMES_SIZE,
    ranks=EXTREMES_SIZE, histogram=HISTOGRAM_SIZE,
)  # fmt: skip
M_LEVEL, M_SCALE, M_SLOW, M_SEEN = METRIC["level"], METRIC["scale"], METRIC["slow"], METRIC["seen"]
M_ERROR_PLAIN, M_ERROR_SEASON, M_KEPT = METRIC["error_plain"], METRIC["error_season"], METRIC["kept"]
M_ABSENT, M_COUNTER, M_LAST_RAW, M_LAST_SECOND = (
    METRIC["absent"], METRIC["counter"], METRIC["last_raw"], METRIC["last_second"])  # fmt: skip
M_GONE, M_CLIPPED, M_ERROR_DAY, M_ERROR_WEEK = (
    METRIC["gone"], METRIC["clipped"], METRIC["error_day"], METRIC["error_week"])  # fmt: skip
M_WEEKS_TESTED, M_WEEK_KEPT = METRIC["weeks_tested"], METRIC["week_kept"]
M_LOW, M_HIGH = METRIC["low"], METRIC["high"]
M_LAST, M_SAME, M_SAME_LONGEST, M_SAME_TOTAL, M_STUCK_TOLD = (
    METRIC["last"], METRIC["same"], METRIC["same_longest"], METRIC["same_total"], METRIC["stuck_told"])  # fmt: skip
M_ABSENT_LONGEST, M_GONE_TOLD = METRIC["absent_longest"], METRIC["gone_told"]
M_SINCE, M_QUIET, M_LASTED, M_BEGAN, M_BAD = (
    METRIC["since"], METRIC["quiet"], METRIC["lasted"], METRIC["began"], METRIC["bad"])  # fmt: skip
M_JOINED, M_LIMITED = METRIC["joined"], METRIC["limited"]
M_SEASON_RING, M_VISITS, M_WEEK, M_WINDOW = (
    METRIC["season_ring"], METRIC["visits"], METRIC["week"], METRIC["window"])  # fmt: skip
M_BOOKS, M_EXTREMES, M_ABSENCES = METRIC["books"], METRIC["extremes"], METRIC["absences"]
M_RANKS, M_HISTOGRAM = METRIC["ranks"], METRIC["histogram"]
METRIC_SIZE = METRIC.size

V_VALUE, V_MEAN, V_MEDIAN, V_HIGH, V_LOW, V_SLOPE, V_DEVIATION, V_SEASON = 0, 1, 2, 3, 4, 5, 6, 7
PART_SEASON, PART_METRIC, PART_WEEK, PART_RELATION = 0, 1, 2, 3
STORED = {block.name: block.describe() for block in (INTEGERS, JOINT, METRIC)}
