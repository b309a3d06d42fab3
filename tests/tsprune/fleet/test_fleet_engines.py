"""Fleets on Dask, Ray and Spark, the real ones on this machine: the result is that of one process, bit for bit."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tsprune import SeriesCleaner, clean_many, detect_many
from tsprune.exceptions import InvalidParameterError, InvalidSeriesError
from tsprune.fleet import engines as fleet_engines

N_SERIES = 40 if os.environ.get("TSPRUNE_SLOW") == "all" else 4
ABSENT = "the extra `{}` is not part of every environment that is tested"


def long_frame() -> pd.DataFrame:
    """Series of which the second fails, rows mixed, columns of other kinds beside them."""
    rng = np.random.default_rng(0)
    parts = []
    for k in range(N_SERIES):
        y = 5 + np.sin(np.arange(120) * 2 * np.pi / 12) + rng.normal(0, 0.1, 120)
        y[[50, 80]] += [9.0, np.nan]
        stamps = pd.date_range("2024-01-01", periods=120, freq="h", tz="UTC").as_unit("us")
        extra = {"site": "x", "big": np.arange(120) + 2**60}
        parts.append(pd.DataFrame({"unique_id": f"s{k}", "ds": stamps, "y": np.nan if k == 1 else y, **extra}))
    return pd.concat(parts, ignore_index=True).sample(frac=1.0, random_state=0)


CLEANER = SeriesCleaner(period=12)


def untimed(summary: pd.DataFrame) -> pd.DataFrame:
    """The summary without the column that differs from run to run."""
    return summary.drop(columns="seconds")


def assert_same(result: Any, expected: Any) -> None:
    pd.testing.assert_frame_equal(result.frame, expected.frame, check_exact=True)
    pd.testing.assert_frame_equal(untimed(result.summary), untimed(expected.summary), check_exact=True)
    for mine, theirs in ((result.changes, expected.changes), (result.episodes, expected.episodes)):
        assert (mine is None) == (theirs is None)
        if mine is not None:
            pd.testing.assert_frame_equal(mine, theirs, check_exact=True)
    assert expected.summary["error"].notna().sum() == 1


def sorted_rows(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    frame = frame.sort_values(list(columns)).reset_index(drop=True)
    if "error" in frame:  # a missing message is None here, NA in the strings that some engines use
        frame["error"] = frame["error"].astype(object).where(frame["error"].notna(), None)
    return frame


def check_ray() -> None:
    frame = long_frame()
    result = clean_many(frame, CLEANER, engine="ray")
    assert_same(result, clean_many(frame, CLEANER))
    result.frame.loc[:, "y"] = 0.0  # what comes from Ray's memory is read-only; what the user gets is not
    if N_SERIES > 4:
        assert_same(detect_many(frame, period=12, engine="ray"), detect_many(frame, period=12))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # sockets and logs of the processes that Ray starts and ends
def test_ray() -> None:
    if find_spec("ray") is None:  # not imported yet: how it is imported decides how workers start
        pytest.skip(ABSENT.format("ray"))
    ray = fleet_engines._import_ray()
    try:
        ray.init(num_cpus=1, include_dashboard=False, configure_logging=False, log_to_driver=False)
    except Exception as error:
        if "timed out during startup" not in str(error):
            raise
        pytest.skip("Ray gives up after 30 s of its own start; this machine is too busy for it")
    try:
        check_ray()
    finally:
        ray.shutdown()


@pytest.fixture
def spark(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    sql = pytest.importorskip("pyspark.sql", reason=ABSENT.format("spark"))
    builder = sql.SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    session = builder.config("spark.sql.shuffle.partitions", "2").config("spark.driver.host", "127.0.0.1").getOrCreate()
    yield session
    session.stop()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # sockets between Python and Java
@pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")  # no part of it is used
def test_spark(spark: Any) -> None:
    import pyarrow as pa

    frame = long_frame()
    expected = clean_many(frame, CLEANER)
    assert_same(clean_many(frame, CLEANER, engine="spark"), expected)
    if N_SERIES > 4:
        assert_same(detect_many(frame, period=12, engine=spark), detect_many(frame, period=12))

    given = spark.createDataFrame(pa.Table.from_pandas(frame, preserve_index=False))
    out, summary = clean_many(given, CLEANER)
    assert type(out) is type(given)
    assert out.columns == [*given.columns, "changed"]
    assert dict(out.dtypes) == {**dict(given.dtypes), "changed": "boolean"}
    got = out.toArrow().to_pandas()
    order = ["unique_id", "ds"]
    same = {"check_exact": True, "check_dtype": False}
    pd.testing.assert_frame_equal(sorted_rows(got, *order), sorted_rows(expected.frame, *order), **same)
    told = summary.toArrow().to_pandas()
    key = "unique_id"
    pd.testing.assert_frame_equal(untimed(sorted_rows(told, key)), untimed(sorted_rows(expected.summary, key)), **same)

    with pytest.raises(InvalidParameterError, match="Spark DataFrame"):
        clean_many(given, CLEANER, engine="ray")
    with pytest.raises(InvalidSeriesError, match="must hold numbers"):
        clean_many(given, CLEANER, value_column="site")
    with pytest.raises(InvalidSeriesError, match="column 'when'"):
        detect_many(given, time_column="when")


@pytest.mark.parametrize("detects", [False, True])
def test_dask_frames(detects: bool) -> None:
    frames = pytest.importorskip("dask.dataframe", reason=ABSENT.format("dask"))
    import dask

    frame = long_frame()
    given = frames.from_pandas(frame, npartitions=3, sort=False)
    result = detect_many(given, period=12) if detects else clean_many(given, CLEANER, engine="dask")
    out, summary = result
    expected = detect_many(frame, period=12) if detects else clean_many(frame, CLEANER)
    assert type(out) is type(given)
    assert list(out.columns) == list(expected.frame.columns)
    details, listed = (result.episodes, expected.episodes) if detects else (result.changes, expected.changes)
    got, told, table = dask.compute(out, summary, details)
    pd.testing.assert_frame_equal(got.sort_index(), expected.frame.sort_index(), check_exact=True, check_dtype=False)
    key = "unique_id"
    pd.testing.assert_frame_equal(
        untimed(sorted_rows(told, key)),
        untimed(sorted_rows(expected.summary, key)),
        check_exact=True,
        check_dtype=False,
    )
    order = [key, "start" if detects else "ds"]
    pd.testing.assert_frame_equal(sorted_rows(table, *order), sorted_rows(listed, *order), check_dtype=False)
    assert len(table)
    with pytest.raises(InvalidParameterError, match="n_jobs must be None for a Spark or Dask"):
        clean_many(given, CLEANER, n_jobs=2)
    assert dict(got.dtypes) == dict(out.dtypes)
    assert dict(told.dtypes) == dict(summary.dtypes)
    with pytest.raises(InvalidParameterError, match="Dask DataFrame"):
        clean_many(given, CLEANER, engine="spark")


@pytest.mark.parametrize(("engine", "module"), [("ray", "ray"), ("spark", "pyspark.sql"), ("dask", "dask.base")])
def test_an_engine_that_is_not_installed_names_its_extra(
    engine: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"tsprune\[{engine}\]"):
        clean_many(long_frame(), CLEANER, engine=engine)


class OneProcess(types.ModuleType):
    """What is asked of Ray, done here."""

    def __init__(self) -> None:
        super().__init__("ray")
        self.started: dict[str, Any] | None = None
        self.blocks = 0

    def is_initialized(self) -> bool:
        return self.started is not None

    def init(self, **options: Any) -> None:
        self.started = options

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 0.5}

    def put(self, item: Any) -> Any:
        return item

    get = put

    def remote(self, function: Any) -> Any:
        def run(*arguments: Any) -> Any:
            self.blocks += 1
            return function(*arguments)

        return types.SimpleNamespace(remote=run)


def test_jobs_travel_in_blocks_and_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = OneProcess()
    monkeypatch.setitem(sys.modules, "ray", ray)
    for n in (1, 3, 9, 100):
        ray.blocks = 0
        assert fleet_engines.spread(str, list(range(n)), "ray") == [str(k) for k in range(n)]
        assert ray.blocks == min(n, 4)
    assert fleet_engines.spread(str, [], "ray") == []
    assert ray.started == {"include_dashboard": False, "configure_logging": False, "log_to_driver": False}


@pytest.mark.parametrize(("own", "seen"), [(None, "0"), ("1", "1")])
def test_ray_starts_its_workers_in_this_environment(
    own: str | None, seen: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    name = "RAY_ENABLE_UV_RUN_RUNTIME_ENV"
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if own is None:
        monkeypatch.delenv(name, raising=False)
    else:
        monkeypatch.setenv(name, own)
    (tmp_path / "ray.py").write_text(f"import os\nSEEN = os.environ[{name!r}]\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = dict(os.environ)
    assert seen == fleet_engines._import_ray().SEEN
    assert dict(os.environ) == before
    monkeypatch.delitem(sys.modules, "ray")
