"""What a process watches and cleans up by itself: audits, backlog, health, gauges, expiry and retention."""

from assistance.watch.auditor import Auditor
from assistance.watch.backlog import BacklogWatch

__all__ = ["Auditor", "BacklogWatch"]
