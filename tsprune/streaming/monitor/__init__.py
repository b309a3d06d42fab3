"""Monitoring of metrics, one row at a time."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from tsprune.streaming.monitor.alert_policy import AlertPolicy as AlertPolicy
    from tsprune.streaming.monitor.alert_policy import MetricPolicy as MetricPolicy
    from tsprune.streaming.monitor.fleet_monitor import FleetMonitor as FleetMonitor
    from tsprune.streaming.monitor.monitor import StreamMonitor as StreamMonitor
    from tsprune.streaming.monitor.reading import Reading as Reading

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "alert_policy": ["AlertPolicy", "MetricPolicy"],
        "fleet_monitor": ["FleetMonitor"],
        "monitor": ["StreamMonitor"],
        "reading": ["Reading"],
    },
)
