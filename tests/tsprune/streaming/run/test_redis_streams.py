"""Redis Streams against a real server: acknowledged after the commit, every entry once."""

import json

import pytest
from servers import binary, free_port, started, take

from tsprune.exceptions import InvalidSeriesError, StoredStateError
from tsprune.streaming.monitor.monitor import StreamMonitor
from tsprune.streaming.run.adapters.redis_streams import RedisStream
from tsprune.streaming.run.journal import Journal, Progress
from tsprune.streaming.run.runner import MonitorRun


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    server, port = binary("redis-server", "redis-server"), free_port()
    folder = str(tmp_path_factory.mktemp("redis"))
    with started([server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder], port):
        yield port


@pytest.fixture
def client(port):
    from redis import Redis

    with Redis(port=port) as client:
        client.flushall()
        yield client


def texts(n, start=0):
    return [
        json.dumps({"time": f"2024-01-01T00:{k // 60:02d}:{k % 60:02d}Z", "values": {"cpu": float(k % 7)}})
        for k in range(start, start + n)
    ]


def fill(client, records):
    for record in records:
        client.xadd("metrics", {"record": record})


def pending(client):
    return client.xpending("metrics", "tsprune")["pending"]


def test_entries_come_once_and_are_acknowledged(client, port):
    fill(client, texts(10))
    progress = Progress()
    source = RedisStream("metrics", port=port)
    assert [t.decode() for t in take(source, progress)] == texts(10)
    assert pending(client) == 0
    fill(client, texts(3, start=10))
    source.close()
    source = RedisStream("metrics", port=port)
    source.check(progress)
    assert [t.decode() for t in take(source, progress)] == texts(3, start=10)
    source.close()


def test_what_was_not_committed_comes_again_and_what_was_is_only_acknowledged(client, port):
    fill(client, texts(10))
    progress = Progress()
    source = RedisStream("metrics", port=port)
    first = take(source, progress, commit_every=2, most=6, crash=True)  # six committed, four of them acknowledged
    source.close()
    assert pending(client) == 6
    source = RedisStream("metrics", port=port)
    second = take(source, progress)
    source.close()
    assert [t.decode() for t in first + second] == texts(10)
    assert pending(client) == 0


def test_following_says_when_nothing_comes(client, port):
    fill(client, texts(2))
    source = RedisStream("metrics", port=port, follow=True, pause=0.05)
    lines = source.lines(Progress())
    assert next(lines).text.decode() == texts(1)[0]
    assert next(lines) is not None
    assert next(lines) is None
    fill(client, texts(1, start=2))
    assert next(line for line in lines if line is not None).text.decode() == texts(1, start=2)[0]
    lines.close()
    source.close()


def test_fields_become_a_record(client, port):
    client.xadd("metrics", {"time": "2024-01-01T00:00:00Z", "cpu": "1.5", "disk": "", "host": "a"})
    source = RedisStream("metrics", port=port)
    (text,) = take(source, Progress())
    source.close()
    assert json.loads(text) == {"time": "2024-01-01T00:00:00Z", "values": {"cpu": 1.5, "disk": None, "host": "a"}}


def test_a_deleted_pending_entry_is_passed_over(client, port):
    fill(client, texts(3))
    source = RedisStream("metrics", port=port)
    lines = source.lines(Progress())
    next(lines)
    lines.close()
    source.close()
    client.xdel("metrics", client.xrange("metrics")[1][0])
    source = RedisStream("metrics", port=port)
    assert [t.decode() for t in take(source, Progress())] == [texts(3)[0], texts(3)[2]]
    source.close()


def test_another_stream_is_refused(client, port):
    source = RedisStream("other", port=port)
    with pytest.raises(StoredStateError, match="another"):
        source.check(Progress(lines=3, fingerprint="metrics/tsprune"))
    source.close()


def test_errors_of_the_server_are_not_hidden(client, port):
    client.set("metrics", "text")
    source = RedisStream("metrics", port=port)
    with pytest.raises(InvalidSeriesError, match="WRONGTYPE"):
        take(source, Progress())
    source.close()
    nobody = RedisStream("metrics", port=free_port())
    with pytest.raises(ConnectionError, match="must answer"):
        take(nobody, Progress())


def test_a_run_that_breaks_off_goes_on(client, port, tmp_path):
    """The whole chain: a run that is stopped amid a batch, and another one on the same state."""
    records = texts(150)
    fill(client, records)

    def run(stop_at):
        with Journal(tmp_path / "state") as journal:
            source = RedisStream("metrics", port=port)
            run = MonitorRun(source, journal, tmp_path / "out.jsonl", StreamMonitor(), prime=100)

            def stop(_reading, progress):
                if progress.lines >= stop_at:
                    raise KeyboardInterrupt

            run.listeners.append(stop)
            try:
                run.run()
            except KeyboardInterrupt:
                pass
            finally:
                source.close()
            return run.progress

    run(120)
    progress = run(10_000)
    assert (progress.lines, progress.readings) == (150, 50)
    lines = [json.loads(line)["line"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert lines == list(range(101, 151))
    assert pending(client) == 0
