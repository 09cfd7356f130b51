"""Signatures of incoming hooks."""

import hmac
import re

MAX_AGE = 300.0
"""Seconds between Slack's clock and ours."""

_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)


def signed_by_slack(secret: str, body: bytes, timestamp: str, signature: str, now: float) -> bool:
    """Whether Slack sent `body` just now: https://docs.slack.dev/authentication/verifying-requests-from-slack.

    Args:
        secret: the app's signing secret.
        body: exactly as it came.
        timestamp: the header `X-Slack-Request-Timestamp`, empty if there was none.
        signature: the header `X-Slack-Signature`, empty if there was none.
        now: seconds since the epoch.
    """
    if not _TIMESTAMP.fullmatch(timestamp) or abs(now - int(timestamp)) > MAX_AGE:
        return False
    expected = hmac.digest(secret.encode(), b"v0:%s:%s" % (timestamp.encode(), body), "sha256").hex()
    return hmac.compare_digest(f"v0={expected}".encode(), signature.encode(errors="replace"))
