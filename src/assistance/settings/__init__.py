"""The service's settings, and the secrets that the routing file refers to."""

from assistance.settings.environment import Settings, SettingsError, check_installed, known_variables, load_settings
from assistance.settings.secret import MissingSecretError, Secret

__all__ = [
    "MissingSecretError",
    "Secret",
    "Settings",
    "SettingsError",
    "check_installed",
    "known_variables",
    "load_settings",
]
