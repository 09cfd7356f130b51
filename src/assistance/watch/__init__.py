"""What looks after the house: auditor, backlog, health, gauges, sign of life, expiry and retention."""

from assistance.watch.auditor import Auditor
from assistance.watch.backlog import BacklogWatch

__all__ = ["Auditor", "BacklogWatch"]
