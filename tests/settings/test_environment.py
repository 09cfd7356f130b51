"""Settings from the environment: what is read, what goes first, and what a refusal says."""

import re
from ipaddress import ip_network
from itertools import pairwise
from pathlib import Path

import pytest

from assistance.settings import Settings, SettingsError, load_settings
from assistance.settings.development import AUDIENCE, DATABASE, ISSUER

GOOD = {
    "ASSISTANCE_OIDC_ISSUER": "https://issuer.example/",
    "ASSISTANCE_OIDC_AUDIENCE": "https://api.example",
    "ASSISTANCE_SECRET_KEY": "new-key, old-key",
}


def load(**more: str) -> Settings:
    return load_settings({**GOOD, **more}, None, dev=False)


def refusal(**more: str) -> str:
    with pytest.raises(SettingsError) as refused:
        load(**more)
    return str(refused.value)


def test_the_defaults_are_those_of_the_contract():
    """What is not set has the documented value."""
    settings = load()
    assert settings.config == Path("assistance.yaml")
    assert settings.database_url.get_secret_value() == "sqlite:///var/assistance.db"
    assert settings.oidc_algorithms == ("RS256",)
    assert settings.oidc_jwks_url is None
    assert settings.public_url == "http://127.0.0.1:8000"
    assert (settings.log_format, settings.log_level) == (None, "info")
    assert (settings.rate_limit, settings.rate_limit_unauthenticated) == (None, 100.0)
    assert (settings.trusted_proxies, settings.max_concurrency) == ((), 1000)


def test_lists_are_comma_separated_and_secrets_show_nowhere():
    """Each list setting splits at commas, and no secret is part of the settings' `repr`."""
    settings = load(
        ASSISTANCE_TRUSTED_PROXIES="10.0.0.0/8, ::1",
        ASSISTANCE_OIDC_ALGORITHMS="RS256,ES256",
        ASSISTANCE_DATABASE_URL="postgresql://user:hunter2@db/assistance",
    )
    assert settings.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1"))
    assert settings.oidc_algorithms == ("RS256", "ES256")
    assert [key.get_secret_value() for key in settings.secret_key] == ["new-key", "old-key"]
    assert not re.search("hunter2|new-key", repr(settings) + str(settings) + settings.model_dump_json())


def test_the_environment_goes_before_the_file(tmp_path: Path):
    """A variable in the environment hides the same one in `.env`; both are there for `env:` secrets."""
    (tmp_path / ".env").write_text("ASSISTANCE_LOG_LEVEL=debug\nASSISTANCE_LOG_FORMAT=console\nSLACK_TOKEN=a$b{c}\n")
    settings = load_settings({**GOOD, "ASSISTANCE_LOG_LEVEL": "error"}, tmp_path / ".env", dev=False)
    assert (settings.log_level, settings.log_format) == ("error", "console")
    assert settings.environ["SLACK_TOKEN"] == "a$b{c}"


def test_an_empty_variable_counts_as_not_set():
    """`NAME=` in a composition file gives the default, or counts as missing."""
    assert load(ASSISTANCE_LOG_LEVEL="").log_level == "info"
    assert "ASSISTANCE_SECRET_KEY" in refusal(ASSISTANCE_SECRET_KEY="")
    assert "ASSISTANCE_SECRET_KEY" in refusal(ASSISTANCE_SECRET_KEY=" ,")


@pytest.mark.parametrize(
    ("given", "issuer"),
    [
        ({"AUTH0_DOMAIN": "t.auth0.com"}, "https://t.auth0.com/"),
        ({"AUTH0_DOMAIN": "t.auth0.com", "AUTH0_ISSUER": "https://i.example/"}, "https://i.example/"),
        ({"AUTH0_ISSUER": "https://i.example/", "ASSISTANCE_OIDC_ISSUER": "https://own/"}, "https://own/"),
    ],
)
def test_the_original_names_work_and_ours_go_first(given: dict[str, str], issuer: str):
    """The issuer is taken from the first name that is set, in the documented order."""
    rest = {"ASSISTANCE_SECRET_KEY": "k", "AUTH0_API_AUDIENCE": "aud", "AUTH0_ALGORITHMS": "RS256,PS256"}
    settings = load_settings({**rest, **given}, None, dev=False)
    assert settings.oidc_issuer == issuer
    assert (settings.oidc_audience, settings.oidc_algorithms) == ("aud", ("RS256", "PS256"))


def test_one_line_names_everything_at_once_and_no_value():
    """A refusal lists all that is missing and all that is wrong, and echoes nothing of it."""
    with pytest.raises(SettingsError) as refused:
        load_settings(
            {"ASSISTANCE_DATABASE_URL": "mysql://u:hunter2@h", "ASSISTANCE_RATE_LIMIT": "fast"}, None, dev=False
        )
    text = str(refused.value)
    for name in ("OIDC_ISSUER", "OIDC_AUDIENCE", "SECRET_KEY", "DATABASE_URL", "RATE_LIMIT"):
        assert f"ASSISTANCE_{name}" in text
    assert "\n" not in text
    assert not re.search("hunter2|mysql|fast", text)
    assert refused.value.__suppress_context__ or "hunter2" not in str(refused.value.__context__)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OIDC_ISSUER", "http://issuer.example/"),
        ("OIDC_ISSUER", "issuer.example"),
        ("OIDC_JWKS_URL", "http://issuer.example/jwks"),
        ("OIDC_JWKS_URL", "ftp://issuer.example/jwks"),
        ("OIDC_ALGORITHMS", "none"),
        ("OIDC_ALGORITHMS", "RS256,HS256"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("DATABASE_URL", "sqlite:///"),
        ("DATABASE_URL", "postgresql+psycopg://host/db"),
        ("DATABASE_URL", "postgresql://host/db?nonsense=1"),
        ("PUBLIC_URL", "javascript:alert(1)"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("RATE_LIMIT", "0/s"),
        ("RATE_LIMIT", "5/m"),
        ("RATE_LIMIT_UNAUTHENTICATED", "-1/s"),
        ("TRUSTED_PROXIES", "proxy.example"),
        ("MAX_CONCURRENCY", "0"),
        ("MAX_CONCURRENCY", "many"),
    ],
)
def test_a_wrong_value_is_refused_by_name_only(name: str, value: str):
    """A refusal says which setting is wrong, and never what stood there."""
    text = refusal(**{f"ASSISTANCE_{name}": value})
    assert text.startswith(f"ASSISTANCE_{name}: ")
    assert ";" not in text
    assert not re.search(re.escape(value) + r"(?!:|\w)", text) or value in ("sqlite:///", "0/s")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9000/", "http://localhost/", "http://[::1]:1/", "https://a.b/"])
def test_plain_http_is_for_an_issuer_on_loopback(url: str):
    """The issuer and its keys may be plain http on this machine; a key set may be a file."""
    assert load(ASSISTANCE_OIDC_ISSUER=url, ASSISTANCE_OIDC_JWKS_URL=url).oidc_issuer == url
    assert load(ASSISTANCE_OIDC_JWKS_URL="file:/etc/jwks.json").oidc_jwks_url == "file:/etc/jwks.json"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:password@host/db",
        "postgresql:///db?host=/socket/folder",
        "postgres://h1:1,h2:2/db?target_session_attrs=read-write",
        "sqlite:////var/lib/assistance.db",
    ],
)
def test_any_libpq_uri_is_a_database(url: str):
    """Every form that libpq takes is taken, several hosts and sockets included."""
    assert load(ASSISTANCE_DATABASE_URL=url).database_url.get_secret_value() == url


def test_development_mode_never_looks_at_production(tmp_path: Path):
    """With `dev` the database, the issuer and the audience are its own; `.env` is not read, and no key is needed."""
    (tmp_path / ".env").write_text("ASSISTANCE_LOG_LEVEL=debug\nSLACK_TOKEN=real\n")
    environ = {
        "ASSISTANCE_DATABASE_URL": "postgresql://production/db",
        "ASSISTANCE_OIDC_ISSUER": "nonsense",
        "ASSISTANCE_DEAD_MAN_URL": "https://monitor.example/ping/8a1c",
        "AUTH0_DOMAIN": "production.auth0.com",
        "AUTH0_ALGORITHMS": "none",
        "ASSISTANCE_RATE_LIMIT": "5/s",
    }
    settings = load_settings(environ, tmp_path / ".env", dev=True)
    assert settings.database_url.get_secret_value() == DATABASE
    assert (settings.oidc_issuer, settings.oidc_audience, settings.secret_key) == (ISSUER, AUDIENCE, ())
    assert settings.oidc_algorithms == ("RS256",)
    assert settings.dead_man_url is None
    assert (settings.log_level, settings.rate_limit) == ("info", 5.0)
    assert "SLACK_TOKEN" not in settings.environ


def test_an_unreadable_file_is_a_refusal(tmp_path: Path):
    """A `.env` that is no text ends in one plain line, not in a traceback."""
    (tmp_path / ".env").write_bytes(b"A=\xff\xfe")
    with pytest.raises(SettingsError, match="UTF-8"):
        load_settings(GOOD, tmp_path / ".env", dev=False)


def test_the_example_file_lists_every_setting_with_a_comment_and_no_other():
    """`.env.example` and the settings name the same variables, each below a comment."""
    lines = (Path(__file__).parents[2] / ".env.example").read_text().splitlines()
    named = [match[1] for line in lines if (match := re.match(r"(?:# )?([A-Z][A-Z0-9_]+)=", line))]
    ours = {field.alias or name for name, field in Settings.model_fields.items() if name != "environ"}
    auth0 = {"AUTH0_ISSUER", "AUTH0_DOMAIN", "AUTH0_API_AUDIENCE", "AUTH0_ALGORITHMS"}
    standard = {f"OTEL_{name}_EXPORTER" for name in ("TRACES", "METRICS", "LOGS")}
    standard |= {"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_SERVICE_NAME"}
    client = {"ASSISTANCE_TOKEN", "TEST_CLIENT_ID", "TEST_CLIENT_SECRET"}
    assert sorted(named) == sorted(ours | auth0 | standard | client)
    for before, line in pairwise(lines):
        if re.match(r"(?:# )?[A-Z][A-Z0-9_]+=", line):
            assert before.startswith("# "), f"{line} has no comment"
