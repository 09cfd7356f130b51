"""Who may do what: tokens, rights, signed links, signatures of incoming hooks."""

from assistance.security.hooks import signed_by_slack
from assistance.security.issuer import DevelopmentIssuer
from assistance.security.links import BadLink, Signer
from assistance.security.tokens.jwks import Jwks
from assistance.security.tokens.keys import ALGORITHMS
from assistance.security.tokens.principal import CannotVerify, InvalidToken, Principal
from assistance.security.tokens.scopes import MissingScopeError
from assistance.security.tokens.source import Fetch, KeySource
from assistance.security.tokens.verifier import TokenVerifier

__all__ = [
    "ALGORITHMS",
    "BadLink",
    "CannotVerify",
    "DevelopmentIssuer",
    "Fetch",
    "InvalidToken",
    "Jwks",
    "KeySource",
    "MissingScopeError",
    "Principal",
    "Signer",
    "TokenVerifier",
    "signed_by_slack",
]
