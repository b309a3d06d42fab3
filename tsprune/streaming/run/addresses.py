"""Addresses: the source or the sink that a text names, for the command line."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from detectors.exceptions import InvalidParameterError
from tsprune.streaming.run.lines import FileLines
from tsprune.streaming.run.sinks import JsonLinesSink, Sink, SqliteSink, StreamSink, WebhookSink
from tsprune.streaming.run.sources import CsvLines, PipeLines

__all__ = ["open_sink", "open_source"]

# what follows the host, and the options after the question mark
_ADDRESSES: dict[str, tuple[str, tuple[str, ...]]] = {
    "redis": ("DB/STREAM", ("group", "consumer")),
    "mqtt": ("TOPIC", ("client",)),
    "kafka": ("TOPIC", ("group",)),
    "prometheus": ("", ("query", "step", "start", "delay", "scheme")),
}


def open_source(where: str, *, follow: bool = False) -> Any:
    """Return the source that an address names.

    Parameters
    ----------
    where : str
        A path (``.csv``: CSV with a column "time"; otherwise JSON lines), ``-`` for standard input, or an address:
        ``redis://HOST:PORT/DB/STREAM?group=G``, ``mqtt://HOST:PORT/TOPIC?client=C``,
        ``kafka://HOST:PORT/TOPIC?group=G``, ``prometheus://HOST:PORT/PREFIX?query=Q&query=R&step=15&start=-7d``.
        Credentials of Redis and MQTT: ``USER:PASSWORD@`` before the host, or the environment variables
        ``TSPRUNE_SOURCE_USERNAME`` and ``TSPRUNE_SOURCE_PASSWORD``.
    follow : bool, default=False
        Whether to wait for more where everything there is has been read.

    Returns
    -------
    Source

    Raises
    ------
    InvalidParameterError
        If the address names no known kind of source, or lacks a part.
    """
    if where == "-":
        return PipeLines()
    if "://" not in where:
        name = where.lower().removesuffix(".gz")
        return (CsvLines if name.endswith((".csv", ".tsv")) else FileLines)(where, follow=follow)
    parts = urlsplit(where)
    pairs = parse_qsl(parts.query)
    options: dict[str, Any] = dict(pairs)
    double = next((name for name in options if name != "query" and [n for n, _ in pairs].count(name) > 1), None)
    if double is not None:
        raise InvalidParameterError(f"an option of an address must be given once, got {double} twice in {where!r}.")
    # credentials may stand in the address, or, where nobody reads them, in the environment
    login: dict[str, Any] = {
        "username": _credential(parts.username, "USERNAME"),
        "password": _credential(parts.password, "PASSWORD"),
    }
    path = parts.path.strip("/")
    if parts.scheme not in _ADDRESSES or parts.hostname is None:
        raise InvalidParameterError(
            f"a source must be a path, -, or an address of {', '.join(_ADDRESSES)}://HOST:PORT/..., got {where!r}."
        )
    needed, known = _ADDRESSES[parts.scheme]
    if path.count("/") < needed.count("/") or (needed and not path):
        raise InvalidParameterError(f"the address of {parts.scheme} must end with /{needed}, got {where!r}.")
    unknown = [name for name in options if name not in known]
    if unknown or (parts.scheme == "prometheus" and "query" not in options):
        raise InvalidParameterError(
            f"the address of {parts.scheme} may have the options {', '.join(known)}"
            f"{' and must have query' if 'query' in known else ''}, got {', '.join(options) or 'none'}."
        )
    if parts.scheme == "redis":
        from tsprune.streaming.run.adapters.redis_streams import RedisStream

        database, stream = path.split("/", 1)
        return RedisStream(
            stream,
            host=parts.hostname,
            port=parts.port or 6379,
            database=int(database),
            follow=follow,
            **login,
            **options,
        )
    if parts.scheme == "mqtt":
        from tsprune.streaming.run.adapters.mqtt import MqttTopic

        return MqttTopic(path, host=parts.hostname, port=parts.port or 1883, follow=follow, **login, **options)
    if parts.scheme == "kafka":
        from tsprune.streaming.run.adapters.kafka import KafkaTopic

        return KafkaTopic(path, brokers=f"{parts.hostname}:{parts.port or 9092}", follow=follow, **options)
    from tsprune.streaming.run.adapters.prometheus import PrometheusRange

    return PrometheusRange(
        f"{options.get('scheme', 'http')}://{parts.hostname}:{parts.port or 9090}{parts.path.rstrip('/')}",
        query=[query for name, query in pairs if name == "query"],
        step=float(options.get("step", 15)),
        delay=float(options.get("delay", 5)),
        start=options.get("start"),
        follow=follow,
    )


def _credential(given: str | None, name: str) -> str | None:
    """Return a credential of the address, or of the environment; None if there is none."""
    return unquote(given) if given else os.environ.get(f"TSPRUNE_SOURCE_{name}") or None


def open_sink(where: str) -> Sink:
    """Return the sink that an address names: ``-``, ``http(s)://...``, ``FILE.sqlite`` or ``.db``, or a file.

    Examples
    --------
    >>> open_sink("alerts.jsonl").name
    'file:alerts.jsonl'
    """
    if where == "-":
        return StreamSink()
    if where.startswith(("http://", "https://")):
        return WebhookSink(where)
    return SqliteSink(where) if where.endswith((".sqlite", ".db")) else JsonLinesSink(where)
