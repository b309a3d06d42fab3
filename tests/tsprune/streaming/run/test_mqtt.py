"""MQTT against mosquitto: acknowledged after the commit, every message once."""

import json

import pytest
from servers import binary, free_port, started, take

from tsprune.exceptions import StoredStateError
from tsprune.streaming.run.adapters.mqtt import MqttTopic
from tsprune.streaming.run.journal import Progress


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    server, port = binary("mosquitto", "mosquitto"), free_port()
    settings = tmp_path_factory.mktemp("mosquitto") / "mosquitto.conf"
    settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
    with started([server, "-c", str(settings)], port):
        yield port


def texts(n, start=0):
    return [json.dumps({"time": f"2024-01-01T00:00:{k:02d}Z", "values": {"cpu": k}}) for k in range(start, start + n)]


def publish(port, topic, messages):
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    client = Client(CallbackAPIVersion.VERSION2, client_id="sender")
    client.connect("127.0.0.1", port)
    client.loop_start()
    for message in messages:
        client.publish(topic, message, qos=1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def source(port, name):
    return MqttTopic(f"plant/{name}", port=port, client=f"monitor-{name}", pause=0.1, patience=0.5)


def begin(port, name):
    """Make the lasting session."""
    first = source(port, name)
    assert take(first, Progress()) == []
    first.close()


def test_messages_come_once_even_beyond_the_window_of_the_broker(port):
    begin(port, "many")
    publish(port, "plant/many", texts(50))
    subject, progress = source(port, "many"), Progress()
    assert [t.decode() for t in take(subject, progress, commit_every=100)] == texts(50)
    subject.close()
    publish(port, "plant/many", texts(2, start=50))
    subject = source(port, "many")
    subject.check(progress)
    assert [t.decode() for t in take(subject, progress)] == texts(2, start=50)
    subject.close()


def test_what_was_not_committed_comes_again_and_what_was_is_only_acknowledged(port):
    begin(port, "crash")
    publish(port, "plant/crash", texts(9))
    subject, progress = source(port, "crash"), Progress()
    first = take(subject, progress, commit_every=2, most=6, crash=True)
    subject.close()
    subject = source(port, "crash")
    second = take(subject, progress)
    subject.close()
    assert [t.decode() for t in first + second] == texts(9)


def test_following_waits(port):
    begin(port, "follow")
    subject = MqttTopic("plant/follow", port=port, client="monitor-follow", follow=True, pause=0.05, patience=0.1)
    lines = subject.lines(Progress())
    assert [next(lines) for _ in range(5)] == [None] * 5
    publish(port, "plant/follow", texts(1))
    line = next(line for line in lines if line is not None)
    assert line.text.decode() == texts(1)[0]
    lines.close()
    subject.close()


def test_another_topic_is_refused(port):
    subject = source(port, "here")
    with pytest.raises(StoredStateError, match="another"):
        subject.check(Progress(lines=1, fingerprint="plant/there"))
