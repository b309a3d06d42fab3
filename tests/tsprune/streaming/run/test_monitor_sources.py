"""`tsprune monitor` on every kind of source and sink, each against the real server, as an operator would call it."""

from __future__ import annotations

import contextlib
import http.server
import io
import json
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from servers import binary, free_port, started

from tsprune.cli import main

COMMAND = [sys.executable, "-c", "from tsprune.cli import main; main()", "monitor"]
PRIME = ("--prime", "60", "--false-alarm-rate", "0.02", "--per-day", "0")


def records(n: int = 120) -> list[dict[str, object]]:
    """Noise with a spike in row 100."""
    values = np.round(np.random.default_rng(0).normal(size=n), 3)
    values[100] = 40.0
    stamps = np.datetime64("2024-01-01T00:00:00") + np.arange(n) * np.timedelta64(5, "m")
    return [
        {"time": f"{stamp}Z", "values": {"cpu": value}} for stamp, value in zip(stamps, values.tolist(), strict=True)
    ]


def call(*args: str) -> tuple[int, str, str]:
    """The command in this process: status, standard output, standard error; the handlers of signals are put back."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as caught:
            main(["monitor", *args])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return int(caught.value.code or 0), out.getvalue(), err.getvalue()


def process(*args: str, **kwargs: Any) -> subprocess.Popen[bytes]:
    """The command in a process of its own."""
    return subprocess.Popen([*COMMAND, *args], **kwargs)


def places(folder: Path) -> list[str]:
    return ["--state", str(folder / "state"), "--output", str(folder / "out.jsonl")]


def readings(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]


def write(folder: Path, n: int = 120) -> Path:
    path = folder / "in.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records(n)))
    return path


def through_file(folder: Path) -> list[dict[str, object]]:
    """What a run on a file gives: what every other source must give as well."""
    folder.mkdir()
    assert call(str(write(folder)), *places(folder), *PRIME)[0] == 0
    return readings(folder)


def without_line(found: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{name: value for name, value in reading.items() if name not in ("line", "time")} for reading in found]


def check_twice(address: str, send: Callable[[list[dict[str, object]]], object], folder: Path, *options: str) -> None:
    """Send half, run, send the rest, run again: the readings are those of a file."""
    expected = through_file(folder / "file")
    send(records()[:70])
    status, stdout, stderr = call(address, *places(folder), *PRIME, "--json", *options)
    assert (status, stderr) == (0, "")
    assert json.loads(stdout)["accepted"] == 70
    send(records()[70:])
    status, stdout, stderr = call(address, *places(folder), *PRIME, "--json", *options)
    assert (status, stderr) == (0, "")
    told = json.loads(stdout)
    counts = {"lines": 120, "accepted": 120, "readings": 60, "missing": 0, "bad": {}, "held_back": 0}
    assert counts.items() <= told.items()
    assert told.keys() - counts.keys() == {"alerts"}
    assert without_line(readings(folder)) == without_line(expected)
    assert any(reading["alert"] for reading in expected)


def test_redis(tmp_path: Path) -> None:
    redis = pytest.importorskip("redis", reason="the optional client library of the extra redis")
    server, port = binary("redis-server", "redis-server"), free_port()
    with started([server, "--port", str(port), "--save", "", "--dir", str(tmp_path)], port):
        client = redis.Redis(port=port)

        def send(part: list[dict[str, object]]) -> None:
            for record in part:
                client.xadd("metrics", {"record": json.dumps(record)})

        check_twice(f"redis://127.0.0.1:{port}/0/metrics?group=g", send, tmp_path)
        assert client.xpending("metrics", "g")["pending"] == 0
        client.close()
    status, _, stderr = call(f"redis://127.0.0.1:{port}/0/metrics?group=g", *places(tmp_path), *PRIME)
    assert status == 2
    assert "must answer" in stderr
    assert "Traceback" not in stderr


def test_mqtt(tmp_path: Path) -> None:
    pytest.importorskip("paho.mqtt", reason="the optional client library of the extra mqtt")
    from paho.mqtt.publish import multiple

    server, port = binary("mosquitto", "mosquitto"), free_port()
    settings = tmp_path / "mosquitto.conf"
    settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_queued_messages 0\n")
    with started([server, "-c", str(settings)], port):
        address = f"mqtt://127.0.0.1:{port}/plant/one?client=c"
        assert call(address, *places(tmp_path), *PRIME)[0] == 0  # makes the lasting session

        def send(part: list[dict[str, object]]) -> None:
            multiple([("plant/one", json.dumps(record), 1, False) for record in part], port=port)

        check_twice(address, send, tmp_path)
    status, _, stderr = call(address, *places(tmp_path), *PRIME)
    assert status == 2
    assert "Traceback" not in stderr


def test_kafka(tmp_path: Path) -> None:
    kafka = pytest.importorskip("confluent_kafka", reason="the optional client library of the extra kafka")
    producer = kafka.Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1})
    broker = next(iter(producer.list_topics(timeout=20).brokers.values()))

    def send(part: list[dict[str, object]]) -> None:
        for record in part:
            producer.produce("metrics", json.dumps(record), partition=0)
        assert producer.flush(20) == 0

    check_twice(f"kafka://{broker.host}:{broker.port}/metrics", send, tmp_path)


def test_csv_and_standard_input(tmp_path: Path) -> None:
    expected = through_file(tmp_path / "file")
    table = tmp_path / "in.csv"
    rows = [f"{record['time']},{record['values']['cpu']}" for record in records()]  # type: ignore[index]  # values is a dict
    table.write_text("time,cpu\n" + "\n".join(rows) + "\n")
    folder = tmp_path / "csv"
    folder.mkdir()
    assert call(str(table), *places(folder), *PRIME)[0] == 0
    assert without_line(readings(folder)) == without_line(expected)
    folder = tmp_path / "pipe"
    folder.mkdir()
    with process("-", *places(folder), *PRIME, stdin=subprocess.PIPE) as running:
        running.communicate(write(tmp_path).read_bytes(), timeout=120)
    assert running.returncode == 0
    assert readings(folder) == expected


def test_a_silent_pipe_is_committed_and_can_be_stopped(tmp_path: Path) -> None:
    lines = write(tmp_path).read_bytes()
    with process("-", *places(tmp_path), *PRIME, stdin=subprocess.PIPE) as running:
        assert running.stdin is not None
        running.stdin.write(lines)
        running.stdin.flush()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:  # the sender says nothing more, and keeps the pipe open
            if (tmp_path / "out.jsonl").exists() and len(readings(tmp_path)) == 60:
                break
            time.sleep(0.1)
        assert len(readings(tmp_path)) == 60
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=60) == 0


def test_prometheus_in_and_out(tmp_path: Path) -> None:
    pytest.importorskip("prometheus_client", reason="the optional client library of the extra prometheus")
    server, port, page = binary("prometheus", "prometheus"), free_port(), free_port()
    settings = tmp_path / "prometheus.yml"
    settings.write_text(
        "global: {scrape_interval: 1s}\n"
        f"scrape_configs: [{{job_name: monitor, static_configs: [{{targets: ['127.0.0.1:{page}']}}]}}]\n"
    )
    follow = (*PRIME, "--follow", "--metrics-port", str(page))
    command = [server, f"--config.file={settings}", f"--storage.tsdb.path={tmp_path / 'data'}",
               f"--web.listen-address=127.0.0.1:{port}"]  # fmt: skip
    with process(str(write(tmp_path)), *places(tmp_path), *follow) as running, started(command, port):
        try:
            # what was there two seconds ago lies on a whole step of the range query below
            query = f"http://127.0.0.1:{port}/api/v1/query?query=tsprune_readings_total%20offset%202s%3E0"
            found: list[object] = []
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and not found:
                with contextlib.suppress(OSError), urllib.request.urlopen(query, timeout=5) as answer:
                    found = json.load(answer)["data"]["result"]
                time.sleep(0.2)
            assert float(found[0]["value"][1]) > 0  # type: ignore[index]
            folder = tmp_path / "in"
            folder.mkdir()
            start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 30))
            address = f"prometheus://127.0.0.1:{port}?query=tsprune_score&step=1&delay=0&start={start}"
            status, stdout, stderr = call(address, *places(folder), "--prime", "1", "--json")
            assert (status, stderr) == (0, "")
            assert json.loads(stdout)["accepted"] >= 1
            status, _, stderr = call(address.replace("score", "score("), *places(tmp_path / "in"), "--prime", "1")
            assert status == 2
            assert "Traceback" not in stderr
        finally:
            running.send_signal(signal.SIGTERM)
            assert running.wait(timeout=60) == 0


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes posts and keeps them."""

    taken: list[tuple[str, dict[str, object]]] = []  # noqa: RUF012

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.taken.append((self.headers["Idempotency-Key"], json.loads(body)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_alerts_go_to_every_sink_and_wait_where_one_does_not_answer(tmp_path: Path) -> None:
    Receiver.taken.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hook = f"http://127.0.0.1:{server.server_port}/alerts"
    sinks = ["-", str(tmp_path / "alerts.jsonl"), str(tmp_path / "alerts.sqlite"), hook]
    options = [word for sink in sinks for word in ("--alerts-to", sink)]
    source = str(write(tmp_path))
    try:
        status, stdout, stderr = call(source, *places(tmp_path), *PRIME, *options)
        assert status == 0
        assert stderr.startswith("60 readings")
    finally:
        server.shutdown()
        server.server_close()
    due = [reading["line"] for reading in readings(tmp_path) if reading["alert"]]
    assert 101 in due
    assert [json.loads(line)["line"] for line in stdout.splitlines()] == due
    assert [json.loads(line)["line"] for line in (tmp_path / "alerts.jsonl").read_text().splitlines()] == due
    with contextlib.closing(sqlite3.connect(tmp_path / "alerts.sqlite")) as database:
        assert [row[0] for row in database.execute("SELECT line FROM alerts ORDER BY line")] == due
    assert [int(key) for key, _ in Receiver.taken] == due
    assert all(body["because"] for _, body in Receiver.taken)
    nobody = f"http://127.0.0.1:{free_port()}/alerts"
    status, _, stderr = call(source, *places(tmp_path), *PRIME, "--alerts-to", nobody)
    assert status == 0
    assert "wait in the state" in stderr


def test_the_alert_policy_can_be_given(tmp_path: Path) -> None:
    source = str(write(tmp_path))
    found = {}
    for name, options in {
        "plain": [], "up": ["--direction", "up"], "down": ["--direction", "down"], "large": ["--min-size", "1000"],
        "long": ["--min-duration", "3"],
    }.items():  # fmt: skip
        folder = tmp_path / name
        folder.mkdir()
        more = ["--release", "0.5", "--horizon", "500", "--episode", "20", "--no-season", *options]
        assert call(source, *places(folder), *PRIME, *more)[0] == 0
        found[name] = [reading["line"] for reading in readings(folder) if reading["alert"]]
    assert 101 in found["plain"]
    assert 101 in found["up"]
    assert 101 not in found["down"] + found["large"] + found["long"]
    status, _, stderr = call(source, *places(tmp_path / "plain"), *PRIME, "--release", "0.6", "--horizon", "600",
                             "--episode", "20", "--no-season")  # fmt: skip
    assert status == 2
    assert "horizon was 500, is 600" in stderr
    another_policy = ["--release", "0.6", "--upper", "cpu=90", "--horizon", "500", "--episode", "20", "--no-season"]
    assert call(source, *places(tmp_path / "plain"), *PRIME, *another_policy)[0] == 0


def test_counters_can_be_named(tmp_path: Path) -> None:
    rising = np.cumsum(np.full(120, 300.0)).tolist()
    lines = [json.dumps({**record, "values": {"n": value}}) for record, value in zip(records(), rising, strict=True)]
    source = tmp_path / "in.jsonl"
    source.write_text("\n".join(lines) + "\n")
    assert call(str(source), *places(tmp_path), *PRIME, "--counter", "n")[0] == 0
    assert not any(reading["is_anomaly"] for reading in readings(tmp_path))  # its rate stands still
    status, _, stderr = call(str(source), "--state", str(tmp_path / "other"), "--output", str(tmp_path / "o"), *PRIME,
                             "--counter", "m")  # fmt: skip
    assert status == 2
    assert "counters must be columns" in stderr


def test_files_that_are_one_are_refused(tmp_path: Path) -> None:
    source = write(tmp_path)
    before = source.read_bytes()
    for state, output in ((tmp_path / "s", source), (source, tmp_path / "o"), (tmp_path / "s", tmp_path / "s")):
        status, _, stderr = call(str(source), "--state", str(state), "--output", str(output))
        assert status == 2
        assert "must be different files" in stderr
    assert source.read_bytes() == before
    status, _, stderr = call(str(source), "--state", str(tmp_path / "no" / "s"), "--output", str(tmp_path / "o"))
    assert status == 2
    assert "check its directory" in stderr


def test_a_full_disk_stops_the_run_and_loses_nothing(tmp_path: Path) -> None:
    expected = through_file(tmp_path / "file")
    source = str(write(tmp_path))

    def little_room() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, 8_000))

    with process(source, *places(tmp_path), *PRIME, stderr=subprocess.PIPE, preexec_fn=little_room) as running:
        _, stderr = running.communicate(timeout=120)
    assert running.returncode == 2
    assert b"Traceback" not in stderr
    assert call(source, *places(tmp_path), *PRIME)[0] == 0
    assert readings(tmp_path) == expected


def test_a_second_process_on_the_same_state_is_refused(tmp_path: Path) -> None:
    source = str(write(tmp_path))
    with process(source, *places(tmp_path), *PRIME, "--follow") as running:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (tmp_path / "out.jsonl").exists():
            time.sleep(0.1)
        status, _, stderr = call(source, *places(tmp_path), *PRIME)
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=60) == 0
    assert status == 2
    assert "is another `tsprune monitor` running on it?" in stderr
