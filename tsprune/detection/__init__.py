"""Anomalies in series: decomposition, embedding, feature pruning, detector, threshold."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from tsprune.detection.alarms import AlarmBudget as AlarmBudget
    from tsprune.detection.alarms import FalseAlarmRate as FalseAlarmRate
    from tsprune.detection.alarms import ThresholdReport as ThresholdReport
    from tsprune.detection.detector import SeriesDetector as SeriesDetector

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={"alarms": ["AlarmBudget", "FalseAlarmRate", "ThresholdReport"], "detector": ["SeriesDetector"]},
)
