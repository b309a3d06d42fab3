"""Kafka against librdkafka's own mock brokers: offsets of the journal decide."""

import json
import random
from types import SimpleNamespace

import pytest
from servers import take

from detectors.exceptions import InvalidParameterError
from tsprune.exceptions import StoredStateError
from tsprune.streaming.run.adapters.kafka import KafkaTopic
from tsprune.streaming.run.journal import Progress

confluent_kafka = pytest.importorskip("confluent_kafka", reason="the optional client library of the extra kafka")


@pytest.fixture(scope="module")
def cluster():
    """A producer that holds the mock brokers; they live as long as it does."""
    producer = confluent_kafka.Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1})
    metadata = producer.list_topics(timeout=20)
    broker = next(iter(metadata.brokers.values()))
    return producer, f"{broker.host}:{broker.port}"


def texts(n, start=0):
    return [json.dumps({"time": f"2024-01-01T00:00:{k:02d}Z", "values": {"cpu": k}}) for k in range(start, start + n)]


def produce(producer, topic, messages):
    for message in messages:
        producer.produce(topic, message, partition=0)
    producer.flush(20)


def test_messages_come_once_from_the_cursor_on(cluster):
    producer, brokers = cluster
    produce(producer, "metrics", texts(10))
    progress = Progress()
    source = KafkaTopic("metrics", brokers=brokers)
    first = take(source, progress, commit_every=2, most=6, crash=True)
    source.close()
    source = KafkaTopic("metrics", brokers=brokers)
    source.check(progress)
    second = take(source, progress)
    source.close()
    assert [t.decode() for t in first + second] == texts(10)
    assert json.loads(progress.cursor)["0"] == 10
    produce(producer, "metrics", texts(2, start=10))
    source = KafkaTopic("metrics", brokers=brokers, follow=True, pause=0.1)
    lines = source.lines(progress)
    found = []
    while len(found) < 2:
        line = next(lines)
        found += [line.text.decode()] if line is not None else []
    assert found == texts(2, start=10)
    assert next(lines) is None
    lines.close()
    source.close()


def test_another_topic_and_deleted_records_are_refused(cluster):
    producer, brokers = cluster
    produce(producer, "other", texts(1))
    source = KafkaTopic("other", brokers=brokers)
    with pytest.raises(StoredStateError, match="another"):
        source.check(Progress(lines=1, fingerprint="metrics"))
    with pytest.raises(StoredStateError, match="must still hold"):
        source.check(Progress(lines=1, fingerprint="other", cursor='{"0": -5}'))
    source.acknowledge(Progress())
    source.close()


class Scripted:
    """Stands in for the client to answer what a broker in trouble answers."""

    def __init__(self, answers, partitions=(0,)):
        self.answers, self.partitions = iter(answers), dict.fromkeys(partitions)

    def list_topics(self, topic, **_):
        return SimpleNamespace(topics={topic: SimpleNamespace(partitions=self.partitions)})

    def get_watermark_offsets(self, *_, **__):
        return 0, 5

    def assign(self, partitions):
        pass

    def poll(self, _pause):
        answer = next(self.answers)
        return SimpleNamespace(error=lambda: answer)


def test_passing_trouble_is_waited_out_and_lasting_trouble_is_raised(cluster):
    source = KafkaTopic("metrics", brokers=cluster[1])
    source.close()
    error = confluent_kafka.KafkaError
    source._client = Scripted([error(error._TRANSPORT, "", False, True), error(error._AUTHENTICATION, "", True)])
    lines = source.lines(Progress())
    assert next(lines) is None
    with pytest.raises(ConnectionError, match="must answer"):
        next(lines)
    source._client = Scripted([], partitions=())
    with pytest.raises(InvalidParameterError, match="exist"):
        next(source.lines(Progress()))


def test_four_partitions_are_merged_by_time(cluster):
    """They were read one after the other: times went backwards."""
    producer, _ = cluster
    topic = "four"
    client = confluent_kafka.Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1})
    broker = next(iter(client.list_topics(timeout=20).brokers.values()))
    rng = random.Random(0)
    stamps = [f"2024-01-01T00:{k // 60:02d}:{k % 60:02d}Z" for k in range(400)]
    for k, stamp in enumerate(stamps):
        client.produce(topic, json.dumps({"time": stamp, "values": {"cpu": k}}), partition=rng.randrange(4))
    client.flush(20)
    progress, source = Progress(), KafkaTopic(topic, brokers=f"{broker.host}:{broker.port}")
    first = take(source, progress, commit_every=10, most=150, crash=True)
    source.close()
    source = KafkaTopic(topic, brokers=f"{broker.host}:{broker.port}")
    source.check(progress)
    second = take(source, progress, commit_every=50)
    source.close()
    assert [json.loads(text)["time"] for text in first + second] == stamps
    assert len(json.loads(progress.cursor)) == 4
    assert producer is not client
