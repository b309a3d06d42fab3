"""Sources without a server: CSV, pipes; and the addresses of all of them."""

import gzip
import io
import itertools
import json

import pytest
from servers import take

from detectors.exceptions import InvalidParameterError
from tsprune.exceptions import StoredStateError
from tsprune.streaming.run.adapters.kafka import KafkaTopic
from tsprune.streaming.run.adapters.mqtt import MqttTopic
from tsprune.streaming.run.adapters.prometheus import PrometheusRange
from tsprune.streaming.run.adapters.redis_streams import RedisStream
from tsprune.streaming.run.addresses import open_sink, open_source
from tsprune.streaming.run.journal import Progress
from tsprune.streaming.run.lines import FileLines
from tsprune.streaming.run.sinks import JsonLinesSink, SqliteSink, StreamSink, WebhookSink
from tsprune.streaming.run.sources import CsvLines, PipeLines

ROWS = ['time,cpu,"disk, used"', "2024-01-01T00:00:00Z,1.5,", "2024-01-01T00:01:00Z,2,x", "", "2024-01-01T00:02:00Z,3"]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("\n".join(ROWS) + "\n")
    return path


def test_rows_become_records_and_bad_rows_stay_as_they_are(table):
    progress = Progress()
    texts = take(CsvLines(table), progress)
    first, second = (json.loads(text) for text in texts[:2])
    assert first == {"time": "2024-01-01T00:00:00Z", "values": {"cpu": 1.5, "disk, used": None}}
    assert second["values"]["disk, used"] == "x"  # for the run to refuse and count
    assert [text.strip() for text in texts[2:]] == [b"", b"2024-01-01T00:02:00Z,3"]
    assert progress.offset == table.stat().st_size


def test_a_table_goes_on_where_it_was_left(table):
    progress = Progress()
    source = CsvLines(table)
    first = take(source, progress, commit_every=1, most=1)
    again = CsvLines(table)
    again.check(progress)
    rest = take(again, progress)
    assert first + rest == take(CsvLines(table), Progress())
    source.acknowledge(progress)
    source.close()


def test_a_table_that_grows_is_followed(table):
    source = CsvLines(table, follow=True, pause=0.01)
    lines = source.lines(Progress())
    assert sum(next(lines) is not None for _ in range(4)) == 4
    assert next(lines) is None
    with table.open("a") as file:
        file.write("2024-01-01T00:03:00Z,4,5\n")
    assert json.loads(next(line for line in lines if line).text)["values"] == {"cpu": 4.0, "disk, used": 5.0}
    lines.close()


def test_a_header_without_the_time_column_is_refused(table):
    with pytest.raises(InvalidParameterError, match="when"):
        take(CsvLines(table, time_column="when"), Progress())


def test_a_pipe_is_read_to_its_end():
    progress = Progress()
    source = PipeLines(io.BytesIO(b"a\nb\nc"))
    source.check(progress)
    assert take(source, progress) == [b"a\n", b"b\n", b"c"]
    assert (progress.offset, source.fingerprint(5)) == (5, "")
    source.close()
    again = PipeLines(io.BytesIO(b"a\nb\nc\nd"), resent=True)
    assert take(again, progress) == [b"d"]


def test_addresses_name_sources(tmp_path):
    assert isinstance(open_source("-"), PipeLines)
    assert type(open_source(str(tmp_path / "a.csv"))) is CsvLines
    assert type(open_source(str(tmp_path / "a.jsonl"), follow=True)) is FileLines
    redis = open_source("redis://localhost:7000/2/metrics:cpu?group=g&consumer=c")
    assert isinstance(redis, RedisStream)
    assert (redis.stream, redis.group, redis.consumer) == ("metrics:cpu", "g", "c")
    redis.close()
    mqtt = open_source("mqtt://localhost/plant/+/cpu?client=me", follow=True)
    assert isinstance(mqtt, MqttTopic)
    assert (mqtt.topic, mqtt.port, mqtt.follow) == ("plant/+/cpu", 1883, True)
    kafka = open_source("kafka://localhost/metrics?group=g")
    assert isinstance(kafka, KafkaTopic)
    kafka.close()
    prometheus = open_source("prometheus://localhost?query=up&step=30&start=2024-01-01T00:00:00Z")
    assert isinstance(prometheus, PrometheusRange)
    assert (prometheus.url, prometheus.step, prometheus.queries) == ("http://localhost:9090", 30.0, ["up"])


@pytest.mark.parametrize(
    "address",
    [
        "ftp://host/x",
        "redis:///0/x",
        "redis://host/x",
        "mqtt://host",
        "kafka://host/t?color=red",
        "prometheus://host:1",
    ],
)
def test_addresses_that_name_nothing_are_refused(address):
    with pytest.raises(InvalidParameterError, match="address"):
        open_source(address)


def test_addresses_name_sinks():
    kinds = {
        "-": StreamSink,
        "a.jsonl": JsonLinesSink,
        "a.sqlite": SqliteSink,
        "a.db": SqliteSink,
        "https://h/x": WebhookSink,
    }
    assert {where: type(open_sink(where)) for where in kinds} == kinds


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"time,cpu,cpu\n", "'cpu' twice"),
        (b"time,time\n", "'time' twice"),
        ("time,cpu\n".encode("utf-16"), "CSV in UTF-8"),
        (b"time,cpu\r2024-01-01T00:00:00Z,1\r", "ended by a line feed"),
        (b"time,cpu" + b"x" * 200_000 + b"\n", "field larger"),
    ],
)
def test_headers_that_would_lose_a_column_or_cannot_be_read(tmp_path, content, words):
    (tmp_path / "in.csv").write_bytes(content)
    with pytest.raises(InvalidParameterError, match=words):
        next(CsvLines(tmp_path / "in.csv").lines(Progress()))


def test_a_byte_order_mark_is_no_part_of_a_name_and_odd_cells_are_left_to_the_run(tmp_path):
    huge = "2024-01-01T00:02:00Z," + "1" * 200_000
    text = f"time,cpu\n2024-01-01T00:00:00Z,1\n2024-01-01T00:01:00Z,1_0\n{huge}\n"
    (tmp_path / "in.csv").write_text(text, encoding="utf-8-sig")
    first, second, third = list(CsvLines(tmp_path / "in.csv").lines(Progress()))
    assert json.loads(first.text)["values"] == {"cpu": 1.0}
    assert json.loads(second.text)["values"] == {"cpu": "1_0"}
    assert third.text == huge.encode() + b"\n"
    assert third.offset == (tmp_path / "in.csv").stat().st_size


def test_an_address_keeps_its_prefix_its_queries_and_its_credentials(monkeypatch):
    prometheus = open_source("prometheus://mimir:9009/prometheus?query=up&query=load1&scheme=https")
    assert (prometheus.url, prometheus.queries) == ("https://mimir:9009/prometheus", ["up", "load1"])
    with pytest.raises(InvalidParameterError, match="step twice"):
        open_source("prometheus://mimir?query=up&step=1&step=2")
    redis = open_source("redis://:p%40ss@localhost/0/metrics")
    assert redis._client.connection_pool.connection_kwargs["password"] == "p@ss"
    redis.close()
    monkeypatch.setenv("TSPRUNE_SOURCE_PASSWORD", "from the environment")
    redis = open_source("redis://localhost/0/metrics")
    assert redis._client.connection_pool.connection_kwargs["password"] == "from the environment"
    redis.close()


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("timestamp;cpu;disk\n2024-01-01T00:00:00;1,5;2\n", {"cpu": 1.5, "disk": 2.0}),
        ("cpu\tts\n3\t2024-01-01\n", {"cpu": 3.0}),
    ],
)
def test_csv_as_other_tools_write_it(tmp_path, text, first):
    (tmp_path / "a.csv").write_text(text)
    (line,) = CsvLines(tmp_path / "a.csv").lines(Progress())
    assert json.loads(line.text)["values"] == first


def test_a_compressed_file_is_read_and_gone_on_with(tmp_path):
    path, lines = tmp_path / "a.jsonl.gz", [b'{"a": %d}\n' % k for k in range(2000)]
    path.write_bytes(gzip.compress(b"".join(lines)))
    source, progress = open_source(str(path)), Progress()
    read = source.lines(progress)
    first = [next(read) for _ in range(1500)]
    progress.lines, progress.offset = 1500, first[-1].offset
    progress.fingerprint = source.fingerprint(progress.offset)
    again = open_source(str(path))
    again.check(progress)
    assert [line.text for line in first] + [line.text for line in again.lines(progress)] == lines
    with pytest.raises(InvalidParameterError, match="grows"):
        open_source(str(path), follow=True)


def test_a_rotated_log_is_read_to_its_end_and_then_the_new_one(tmp_path):
    """A rotated log ended the run."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"1\n2\n")
    source = FileLines(path, follow=True, pause=0.01)
    read = source.lines(Progress())
    assert [next(read).text for _ in range(2)] == [b"1\n", b"2\n"]
    assert next(read) is None
    with path.open("ab") as file:
        file.write(b"3\n")
    path.rename(tmp_path / "a.jsonl.1")
    path.write_bytes(b"4\n")
    later = [line for line in itertools.islice(read, 6) if line is not None]
    assert [line.text for line in later] == [b"3\n", b"4\n"]
    read.close()
    # rotated while nobody read
    progress = Progress(lines=2, offset=4)
    progress.fingerprint = source._fingerprint(tmp_path / "a.jsonl.1", 4)
    again = FileLines(path, follow=True, pause=0.01)
    again.check(progress)
    read = again.lines(progress)
    assert [next(read).text for _ in range(2)] == [b"3\n", b"4\n"]
    read.close()
    path.write_bytes(b"")  # cut back to be written anew
    with pytest.raises(StoredStateError, match="another file"):
        FileLines(path).check(progress)
