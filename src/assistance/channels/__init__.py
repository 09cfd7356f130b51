"""The channels. Each is one file or one folder here; there is no list to edit.

`type: slack` in the routing file finds `channels/slack.py` or `channels/slack/`, or the entry point `slack` of the
group `assistance.channels` in another package.
"""

from assistance.channels._channel import CanProbe, CanReply, CanUpdate, Channel, Duration, Pace
from assistance.channels._registry import UnknownTypeError, channel_class, channel_types

__all__ = [
    "CanProbe",
    "CanReply",
    "CanUpdate",
    "Channel",
    "Duration",
    "Pace",
    "UnknownTypeError",
    "channel_class",
    "channel_types",
]
