"""Sinks and the outbox: alerts arrive after the commit, all of them, one of each where the sink can tell."""

import io
import json
import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tsprune.streaming.run.journal import Journal, Progress
from tsprune.streaming.run.outbox import Outbox
from tsprune.streaming.run.sinks import Alert, JsonLinesSink, RefusedAlertError, SqliteSink, StreamSink, WebhookSink


def alerts(*lines):
    return [Alert(k, f"2024-01-01T00:00:{k:02d}Z", {"line": k, "score": -4.0 - k}) for k in lines]


def test_stream_gets_json_lines():
    stream = io.StringIO()
    StreamSink(stream).deliver(alerts(3, 9))
    assert [json.loads(line)["line"] for line in stream.getvalue().splitlines()] == [3, 9]


def test_standard_output_is_the_default(capsys):
    StreamSink().deliver(alerts(1))
    assert json.loads(capsys.readouterr().out)["score"] == -5.0


def test_a_file_keeps_one_of_each_and_loses_a_torn_line(tmp_path):
    sink = JsonLinesSink(tmp_path / "alerts.jsonl")
    sink.deliver(alerts(1, 2))
    with sink.path.open("a") as file:
        file.write('{"line": 3, "ti')
    sink.deliver(alerts(2, 3))
    assert [json.loads(line)["line"] for line in sink.path.read_text().splitlines()] == [1, 2, 3]
    sink.path.write_text("torn")
    sink.deliver(alerts(4))
    assert len(sink.path.read_text().splitlines()) == 1


def test_a_database_keeps_one_of_each(tmp_path):
    sink = SqliteSink(tmp_path / "alerts.sqlite")
    sink.deliver(alerts(1, 2))
    sink.deliver(alerts(2, 3))
    connection = sqlite3.connect(sink.path)
    rows = connection.execute("SELECT line, reading FROM alerts ORDER BY line").fetchall()
    connection.close()
    assert [line for line, _ in rows] == [1, 2, 3]
    assert json.loads(rows[0][1])["score"] == -5.0
    sink.path.write_text("this is no database" * 100)
    with pytest.raises(OSError, match="sqlite"):
        sink.deliver(alerts(4))


@pytest.fixture
def receiver():
    """A web server that answers with the status codes it is given, 200 once those are used up."""
    answers, got = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.headers["Idempotency-Key"], json.loads(body)))
            self.send_response(answers.pop(0) if answers else 200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/alerts", answers, got
    server.shutdown()
    thread.join()
    server.server_close()


def test_webhook_posts_with_an_identity_and_tries_again(receiver):
    url, answers, got = receiver
    answers += [503, 429]
    WebhookSink(url, pause=0.0).deliver(alerts(5, 6))
    assert [key for key, _ in got] == ["5", "5", "5", "6"]
    assert got[-1][1]["score"] == -10.0


def test_webhook_gives_up_with_an_error_and_takes_no_for_an_answer(receiver):
    url, answers, got = receiver
    answers += [500, 500]
    with pytest.raises(OSError, match="line 1 was not taken after 2 attempts"):
        WebhookSink(url, attempts=2, pause=0.0).deliver(alerts(1))
    answers += [410]
    with pytest.raises(RefusedAlertError, match="line 2 was refused with status 410"):
        WebhookSink(url).deliver(alerts(2))
    assert len(got) == 3
    with pytest.raises(OSError, match="not taken"):
        WebhookSink("http://127.0.0.1:9/", attempts=1).deliver(alerts(1))


class Flaky:
    """A sink that fails while it is told to."""

    name = "flaky"

    def __init__(self):
        self.broken, self.got = False, []

    def deliver(self, given):
        if self.broken:
            raise OSError("no route")
        self.got += [alert.line for alert in given]


def test_outbox_delivers_after_the_commit_and_again_until_it_arrives(tmp_path):
    flaky, stream = Flaky(), io.StringIO()
    with Journal(tmp_path / "state") as journal:
        outbox = Outbox(journal, [flaky, StreamSink(stream)])
        outbox(Progress())
        journal.commit({}, Progress(), b"", [(4, "t", '{"score": -4}')])
        outbox(Progress())
        flaky.broken = True
        journal.commit({}, Progress(), b"", [(7, "t", '{"score": -5}')])
        outbox(Progress())
        assert outbox.failures == {"flaky": "no route"}
        assert flaky.got == [4]
    flaky.broken = False
    with Journal(tmp_path / "state") as journal:  # after a restart
        outbox = Outbox(journal, [flaky, StreamSink(stream)])
        outbox(Progress())
        assert outbox.failures == {}
    assert flaky.got == [4, 7]
    assert [json.loads(line)["line"] for line in stream.getvalue().splitlines()] == [4, 7]


def test_a_refused_alert_is_no_delivery_and_holds_up_nobody(tmp_path, receiver):
    """An answer of 400 counted as delivered, and the alert was lost."""
    url, answers, got = receiver
    answers += [200, 400]
    with Journal(tmp_path / "state") as journal:
        outbox = Outbox(journal, [WebhookSink(url)], patience=5.0)
        journal.commit({}, Progress(), b"", [(k, "t", '{"score": -4}') for k in (4, 5, 6)])
        outbox(Progress())
        outbox.close()
        assert [key for key, _ in got] == ["4", "5", "6"]
        assert [(line, "400" in why) for _, line, why in outbox.refused()] == [(5, True)]
    with Journal(tmp_path / "state") as journal:  # the receiver has been mended
        outbox = Outbox(journal, [WebhookSink(url)], patience=5.0)
        outbox(Progress())
        outbox.close()
        assert outbox.refused() == []
    assert [key for key, _ in got][3:] == ["5", "6"]


class Slow:
    """A sink that takes its time."""

    name = "slow"

    def __init__(self):
        self.got, self.go_on = [], threading.Event()

    def deliver(self, given):
        self.go_on.wait(20)
        self.got += [alert.line for alert in given]


def test_a_slow_receiver_does_not_hold_up_the_run(tmp_path):
    slow, stream = Slow(), io.StringIO()
    with Journal(tmp_path / "state") as journal:
        outbox = Outbox(journal, [slow, StreamSink(stream)], patience=0.05)
        for line in range(1, 6):
            journal.commit({}, Progress(), b"", [(line, "t", '{"score": -4}')])
            outbox(Progress())  # would wait 20 s each
        assert slow.got == []
        slow.go_on.set()
        outbox.close()
        assert outbox.failures == {}
    assert slow.got == [1, 2, 3, 4, 5]
    assert len(stream.getvalue().splitlines()) == 5


def test_alerts_of_last_month_page_nobody(tmp_path):
    stream = io.StringIO()
    with Journal(tmp_path / "state") as journal:
        outbox = Outbox(journal, [StreamSink(stream)], max_age=3600.0, clock=lambda: 1704067200.0 + 7200.0)
        stamps = ["2024-01-01T00:30:00Z", "2024-01-01T01:30:00Z", "2024-01-01T00:40:00Z"]
        journal.commit({}, Progress(), b"", [(k, time, "{}") for k, time in enumerate(stamps, start=1)])
        outbox(Progress())
        outbox.close()
        assert outbox.too_old == 2
    assert [json.loads(line)["line"] for line in stream.getvalue().splitlines()] == [2]


def test_a_new_state_delivers_its_own_alerts(tmp_path):
    """The marks stood in a file beside the state: removing the state, as the message advises, left them behind."""
    for _ in range(2):
        stream = io.StringIO()
        with Journal(tmp_path / "state") as journal:
            journal.commit({}, Progress(), b"", [(4, "t", "{}")])
            outbox = Outbox(journal, [StreamSink(stream)])
            outbox(Progress())
            outbox.close()
        assert len(stream.getvalue().splitlines()) == 1
        (tmp_path / "state").unlink()
    assert list(tmp_path.iterdir()) == []
