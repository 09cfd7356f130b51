"""Who may do what: tokens, rights, signed links, signatures of incoming hooks."""

from assistance.security.hooks import signed_by_slack
from assistance.security.issuer import DevelopmentIssuer
from assistance.security.jwks import Jwks
from assistance.security.keys import ALGORITHMS
from assistance.security.links import BadLink, Signer
from assistance.security.principal import CannotVerify, InvalidToken, Principal
from assistance.security.source import Fetch, KeySource
from assistance.security.tokens import TokenVerifier

__all__ = [
    "ALGORITHMS",
    "BadLink",
    "CannotVerify",
    "DevelopmentIssuer",
    "Fetch",
    "InvalidToken",
    "Jwks",
    "KeySource",
    "Principal",
    "Signer",
    "TokenVerifier",
    "signed_by_slack",
]
