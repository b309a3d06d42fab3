"""Prometheus against a real server: it scrapes our page, and range queries give the samples back."""

import itertools
import json
import re
import subprocess
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from servers import binary, free_port, started, take

from tsprune.exceptions import InvalidSeriesError, StoredStateError
from tsprune.streaming.run.adapters.prometheus import MetricsPage, PrometheusRange
from tsprune.streaming.run.journal import Progress


def reading(score, alert=False):
    return SimpleNamespace(
        score=score, onset=-0.5, is_anomaly=alert, alert=alert, time=pd.Timestamp("2024-01-01"), incident=int(alert),
        values={"cpu.user": 5.0}, ranges={"cpu.user.expected": 4.0, "cpu.user.lower": 3.0, "cpu.user.upper": 4.5},
    )  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server that scrapes a page of ours every second; its URL and the page."""
    program, port = binary("prometheus", "prometheus"), free_port()
    folder = tmp_path_factory.mktemp("prometheus")
    page = MetricsPage()
    settings = folder / "prometheus.yml"
    settings.write_text(
        "global: {scrape_interval: 1s}\n"
        "scrape_configs:\n"
        f"  - {{job_name: tsprune, static_configs: [{{targets: ['127.0.0.1:{page.port}']}}]}}\n"
    )
    command = [
        program, f"--config.file={settings}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    page(reading(-2.0), Progress())
    with started(command, port):
        yield f"http://127.0.0.1:{port}", page
    page.close()


def wait_for(url, query):
    """Wait until the server has a sample of the query."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/api/v1/query?query={query}", timeout=5) as answer:
                if json.load(answer)["data"]["result"]:
                    return
        except urllib.error.HTTPError:
            pass  # starting
        time.sleep(0.2)
    raise AssertionError(f"no sample of {query}")


def test_samples_come_back_one_record_a_step(server):
    url, _page = server
    wait_for(url, "tsprune_score")
    start = datetime.fromtimestamp(time.time() - 20, UTC).isoformat()
    source = PrometheusRange(url, query="tsprune_score", step=1, start=start, delay=0)
    progress = Progress()
    records = [json.loads(text) for text in take(source, progress)]
    assert records
    name = next(iter(records[-1]["values"]))
    assert name.startswith("tsprune_score{")
    assert records[-1]["values"][name] == -2.0
    moments = [datetime.fromisoformat(record["time"]).timestamp() for record in records]
    assert all(b - a == pytest.approx(1.0) for a, b in itertools.pairwise(moments))
    source.check(progress)
    assert float(progress.cursor) == pytest.approx(moments[-1])
    # behind the cursor there is nothing until the clock moves on
    later = PrometheusRange(url, query="tsprune_score", step=1, delay=0, clock=lambda: float(progress.cursor) + 0.5)
    assert take(later, progress) == []
    source.close()


def test_a_wrong_query_and_another_one_are_refused(server):
    url, _page = server
    source = PrometheusRange(url, query="sum(", step=1, start="2024-01-01T00:00:00Z", clock=lambda: 1704067220.0)
    with pytest.raises(InvalidSeriesError, match="sum"):
        take(source, Progress())
    with pytest.raises(StoredStateError, match="another"):
        source.check(Progress(lines=1, fingerprint="up every 15 s"))


def test_several_queries_are_metrics_of_the_same_rows_and_none_is_an_error(server):
    url, _page = server
    wait_for(url, "tsprune_score")
    queries = ["tsprune_score", "tsprune_onset"]
    records = [
        json.loads(t) for t in take(PrometheusRange(url, query=queries, step=1, start="-20s", delay=0), Progress())
    ]
    assert {name.partition("{")[0] for name in records[-1]["values"]} == set(queries)
    typo = PrometheusRange(url, query="tsprune_scroe", step=1, start="-20s", delay=0)
    with pytest.raises(InvalidSeriesError, match="must have series"):
        take(typo, Progress())


def test_following_waits_for_the_next_step(server):
    url, _page = server
    moments = iter([1000.0, 1000.0, 1000.0])
    source = PrometheusRange(url, query="up", step=0.01, delay=0, follow=True, clock=lambda: next(moments))
    lines = source.lines(Progress(cursor="1000.0"))
    assert next(lines) is None
    source = PrometheusRange(url, query="up", step=15, delay=5)
    assert take(source, Progress()) == []  # from now on: nothing is old enough


def test_the_page_counts():
    page = MetricsPage()
    for score, alert in ((-0.1, False), (-4.0, True)):
        page(reading(score, alert), Progress())
    with urllib.request.urlopen(f"http://127.0.0.1:{page.port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    page.close()
    for line in (
        "tsprune_score -4.0", "tsprune_onset -0.5", "tsprune_anomaly 1.0", "tsprune_readings_total 2.0",
        "tsprune_alerts_total 1.0", "tsprune_last_record_seconds 1.7040672e+09", "tsprune_incident 1.0",
        'tsprune_metric{metric="cpu.user",part="value"} 5.0', 'tsprune_metric{metric="cpu.user",part="upper"} 4.5',
    ):  # fmt: skip
        assert line in text.splitlines()


def test_the_example_rules_are_valid_and_name_what_the_page_shows():
    rules = Path(__file__).parents[4] / "examples" / "prometheus_alerts.yml"
    answer = subprocess.run(
        [binary("promtool", "prometheus"), "check", "rules", str(rules)], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    page = MetricsPage()
    with urllib.request.urlopen(f"http://127.0.0.1:{page.port}/metrics", timeout=5) as shown:
        names = {line.split()[0] for line in shown.read().decode().splitlines() if not line.startswith("#")}
    page.close()
    assert set(re.findall(r"tsprune_\w+", rules.read_text())) <= names
