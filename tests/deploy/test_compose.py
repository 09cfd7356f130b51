"""The composition without a container engine: its files are checked, and an API process runs with its settings."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.deploy.bots import Bots
from tests.deploy.running import process
from tests.fakes.cluster import BINARIES, cluster, migrate
from tests.fakes.process import surroundings
from tests.telemetry.collector import collector

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "deploy/compose"
FILE = COMPOSE / "compose.yaml"
SHIPPED_LATER = {"../grafana", "../prometheus"}
MADE_BY_THE_OPERATOR = {"./routing", "./tls/chain.pem", "./tls/key.pem", "../../.env"}
FILLED_IN = {"POSTGRES_PASSWORD": "of-postgres", "GRAFANA_PASSWORD": "of-grafana"}
COMPOSER = Path(sys.executable).parent / "podman-compose"


@cache
def composed() -> dict[str, Any]:
    """The file with its anchors merged and its variables filled in, as a user with only the passwords set has it."""

    def fill(found: re.Match[str]) -> str:
        return FILLED_IN.get(found[1]) or found[2] or ""

    text = re.sub(r"\$\{(\w+)(?::[-?]([^}]*))?\}", fill, FILE.read_text(encoding="utf-8"))
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


SERVICES: dict[str, dict[str, Any]] = composed()["services"]
PROCESSES = ("api-1", "api-2", "dispatcher-1", "dispatcher-2")


@pytest.mark.skipif(not COMPOSER.exists(), reason="podman-compose is not installed")
def test_a_compose_implementation_reads_the_file(tmp_path: Path) -> None:
    """podman-compose finds the same services, networks and volumes, with every variable filled in."""
    copy = tmp_path / "a" / "b" / "compose.yaml"
    copy.parent.mkdir(parents=True)
    shutil.copy(FILE, copy)
    (tmp_path / ".env").touch()
    # It asks the engine only for its version, and ends without one.
    engine = tmp_path / "podman"
    engine.write_text("#!/bin/sh\necho podman version 5.0.0\n", encoding="utf-8")
    engine.chmod(0o755)
    done = subprocess.run(
        [COMPOSER, "--podman-path", engine, "--file", copy, "config"],
        env={**os.environ, **FILLED_IN},
        capture_output=True,
        text=True,
        check=True,
    )
    read = yaml.safe_load(done.stdout)
    assert set(read["services"]) == set(SERVICES)
    assert set(read["networks"]) >= set(composed()["networks"])
    assert "${" not in done.stdout
    assert read["services"]["api-2"]["environment"] == SERVICES["api-2"]["environment"]


ALLOWED = {
    *("build", "cap_drop", "command", "depends_on", "deploy", "env_file", "environment", "healthcheck", "image"),
    *("logging", "networks", "platform", "ports", "read_only", "restart", "secrets", "security_opt", "shm_size"),
    *("stop_grace_period", "tmpfs", "user", "volumes"),
}
"""The keys of the Compose specification that are in use: a misspelt one is found here."""


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_hardened_limited_and_pinned(name: str) -> None:
    """Read-only root, no capabilities, no new privileges, limits of CPU, memory and processes, an exact version."""
    service = SERVICES[name]
    assert set(service) <= ALLOWED
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    ours = service["image"] in {"assistance", "assistance-edge"}
    assert ours or re.fullmatch(r"[\w/-]+:v?\d+\.\d+(\.\d+)?(-\w+)?", service["image"])


def test_only_the_edge_is_published() -> None:
    """The edge listens on every address; Grafana and Prometheus on loopback; nothing else is reached from outside."""
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {
        "edge": ["443:8443"],
        "prometheus": ["127.0.0.1:9090:9090"],
        "grafana": ["127.0.0.1:3000:3000"],
    }


def test_each_network_holds_only_those_who_talk_over_it() -> None:
    """The edge reaches only the API; only the service reaches the database; both networks are internal."""
    networks = composed()["networks"]
    members = {
        network: {name for name, service in SERVICES.items() if network in (service.get("networks") or ())}
        for network in networks
    }
    assert members["api"] == {"edge", "api-1", "api-2"}
    assert members["front"] == {"edge"}
    assert members["data"] == {*PROCESSES, "migrate", "postgres"}
    assert members["outside"] == set(PROCESSES)
    assert members["operators"] == {"prometheus", "grafana"}
    assert {name for name, network in networks.items() if (network or {}).get("internal")} == {
        "api",
        "data",
        "telemetry",
    }


def test_whoever_is_waited_for_can_be() -> None:
    """Each dependency exists; one that must be healthy has a health check; one that must complete ends by itself."""
    for service in SERVICES.values():
        for other, wanted in service.get("depends_on", {}).items():
            if wanted["condition"] == "service_healthy":
                assert "test" in SERVICES[other]["healthcheck"]
            if wanted["condition"] == "service_completed_successfully":
                assert SERVICES[other]["command"] == ["migrate"]


def _mounted() -> Iterator[str]:
    for service in SERVICES.values():
        yield from (volume.split(":")[0] for volume in service.get("volumes", ()) if volume.startswith("."))
        yield from filter(None, [service.get("build"), service.get("env_file")])
    yield from (secret["file"] for secret in composed()["secrets"].values())


@pytest.mark.parametrize("path", sorted(set(_mounted())))
def test_every_file_that_is_mounted_is_there(path: str) -> None:
    """What the composition mounts or builds is in the repository, or the README says how to make it."""
    if path in MADE_BY_THE_OPERATOR:
        assert path.removeprefix("./").split("/")[0] in (COMPOSE / "README.md").read_text(encoding="utf-8")
    elif path in SHIPPED_LATER and not (COMPOSE / path).exists():
        pytest.skip("not in the repository yet")
    else:
        assert (COMPOSE / path).exists()


def test_every_variable_is_a_known_one() -> None:
    """Settings of the service and of the edge are documented where each of them lists its own."""
    settings = (ROOT / ".env.example").read_text(encoding="utf-8")
    edge = (ROOT / "deploy/edge/start").read_text(encoding="utf-8")
    names = {name for each in PROCESSES for name in SERVICES[each]["environment"]}
    assert [name for name in names if f"{name}=" not in settings] == []
    assert [name for name in SERVICES["edge"]["environment"] if f"{name}:" not in edge] == []
    own = (COMPOSE / ".env.example").read_text(encoding="utf-8")
    wanted = set(re.findall(r"\$\{(\w+)", FILE.read_text(encoding="utf-8")))
    assert wanted == set(re.findall(r"^(?:# )?([A-Z_]+)=", own, re.MULTILINE))


def test_only_the_edge_is_believed() -> None:
    """ASSISTANCE_TRUSTED_PROXIES is the edge's fixed address on the network that it shares with the API."""
    address = SERVICES["edge"]["networks"]["api"]["ipv4_address"]
    assert {SERVICES[each]["environment"]["ASSISTANCE_TRUSTED_PROXIES"] for each in PROCESSES} == {address}
    assert SERVICES["edge"]["environment"]["EDGE_UPSTREAMS"] == "api-1:8000 api-2:8000"


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_accepts_its_configuration(tmp_path: Path) -> None:
    """`promtool check config` passes; the part on OTLP, younger than some promtools, is left out for an old one."""
    config = yaml.safe_load((COMPOSE / "prometheus.yaml").read_text(encoding="utf-8"))
    version = subprocess.run(["promtool", "--version"], capture_output=True, text=True, check=True).stdout
    if re.search(r"version 2\.", version):
        del config["otlp"]
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(config))
    subprocess.run(["promtool", "check", "config", tmp_path / "prometheus.yaml"], check=True)


def test_prometheus_looks_at_every_process() -> None:
    """Its targets are the processes of the service and the collector, each at the port it listens on."""
    config = yaml.safe_load((COMPOSE / "prometheus.yaml").read_text(encoding="utf-8"))
    targets = {
        target for job in config["scrape_configs"] for each in job["static_configs"] for target in each["targets"]
    }
    assert targets == {*(f"{name}:8000" for name in PROCESSES), "collector:8888", "localhost:9090"}


def test_every_pipeline_of_the_collector_is_made_of_what_is_defined() -> None:
    """Each part that a pipeline names exists, is limited and batched, and sends to a service of the composition."""
    config = yaml.safe_load((ROOT / "deploy/collector/collector.yaml").read_text(encoding="utf-8"))
    used: set[str] = set()
    for pipeline in config["service"]["pipelines"].values():
        assert pipeline["processors"] == ["memory_limiter", "batch"]
        assert set(pipeline["receivers"]) <= {*config["receivers"], *config["connectors"]}
        assert set(pipeline["exporters"]) <= {*config["exporters"], *config["connectors"]}
        used |= {*pipeline["receivers"], *pipeline["exporters"]}
    assert used == {*config["receivers"], *config["exporters"], *config["connectors"]}
    hosts = {re.sub(r"https?://([\w.-]+):.*", r"\1", each["endpoint"]) for each in config["exporters"].values()}
    assert hosts == {"loki", "prometheus"}
    assert SERVICES["api-1"]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector:4318"


def test_loki_and_grafana_are_configured_for_each_other() -> None:
    """Loki keeps structured metadata, as OTLP needs; Grafana's sources are services, its dashboards are mounted."""
    loki = yaml.safe_load((COMPOSE / "loki.yaml").read_text(encoding="utf-8"))
    assert loki["limits_config"]["allow_structured_metadata"]
    assert (loki["schema_config"]["configs"][0]["schema"], loki["auth_enabled"]) == ("v13", False)
    provisioning = COMPOSE / "grafana/provisioning"
    sources = yaml.safe_load((provisioning / "datasources/sources.yaml").read_text(encoding="utf-8"))["datasources"]
    assert {each["url"] for each in sources} == {"http://prometheus:9090", "http://loki:3100"}
    (folder,) = yaml.safe_load((provisioning / "dashboards/folder.yaml").read_text(encoding="utf-8"))["providers"]
    assert f"../grafana:{folder['options']['path']}:ro" in SERVICES["grafana"]["volumes"]
    for dashboard in (ROOT / "deploy/grafana").glob("*.json"):
        assert json.loads(dashboard.read_text(encoding="utf-8"))["title"]


@pytest.mark.skipif(BINARIES is None, reason="PostgreSQL's programs are not installed")
async def test_the_api_starts_with_the_settings_that_it_gets(tmp_path: Path) -> None:
    """A real API process with the composition's environment, hosts replaced: ready, stores, sends traces and logs."""
    environment = dict(SERVICES["api-1"]["environment"])
    with cluster() as server, collector() as (url, received):
        server.make("")
        database = environment.pop("ASSISTANCE_DATABASE_URL")
        assert database == "postgresql://assistance:of-postgres@postgres/assistance"
        environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = url
        del environment["ASSISTANCE_CONFIG"]
        await migrate(server.url)
        async with (
            surroundings(tmp_path) as around,
            process(around, server.url, role="api", **environment) as api,
        ):
            bots = Bots(around.session, api.url, around.token)
            await bots.ask()
            assert bots.statuses == {201: 1}
            # Batches leave at the end at the latest.
            api.signal(signal.SIGTERM)
            assert await api.ended() == 0
    paths = {received.get_nowait()[0] for _ in range(received.qsize())}
    assert paths == {"/v1/traces", "/v1/logs"}, "no metrics: Prometheus reads them from each process"
