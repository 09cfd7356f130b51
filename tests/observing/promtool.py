"""Prometheus's own tool, which evaluates our rules over figures that a test gives it."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "alerts.yaml"
BEFORE = AFTER = 30
"""Minutes for which the figures are those of before and of after the fault."""

Figures = Mapping[str, float]


def promtool(*arguments: str | Path) -> str:
    """What it says; skips where it is not installed, fails where it fails."""
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    done = subprocess.run([tool, *arguments], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rules() -> list[dict[str, str]]:
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return list(group["rules"])


def metrics_of(expression: str) -> set[str]:
    """The names of our metrics in a PromQL expression, without a histogram's endings."""
    return {re.sub(r"_(bucket|count|sum)$", "", name) for name in re.findall(r"assistance_\w+", expression)}


def figures(text: str, at: float) -> dict[str, float]:
    """The series of a scrape made at the instant `at`; instants among them are seconds from then."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ", ".join(f'{name}="{value}"' for name, value in {"instance": "a", **sample.labels}.items())
            value = sample.value - at if sample.name.endswith("_timestamp_seconds") else sample.value
            found[f"{sample.name}{{{labels}}}"] = value
    return found


def firing(rule: str, before: Figures, after: Figures, folder: Path) -> None:
    """Fail unless the rule is silent as long as the figures are those of `before`, and then fires on `after`."""
    looked_at = set().union(*(metrics_of(each["expr"]) for each in rules()))
    test = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": name, "values": _values(name, before, after)}
                    for name in sorted({*before, *after})
                    if metrics_of(name) & looked_at
                ],
                "promql_expr_test": [
                    _expect(rule, f"{BEFORE - 1}m", fires=False),
                    _expect(rule, f"{BEFORE + AFTER - 1}m", fires=True),
                ],
            }
        ],
    }
    file = folder / "fault.yaml"
    file.write_text(yaml.safe_dump(test), encoding="utf-8")
    promtool("test", "rules", file)


def _values(name: str, before: Figures, after: Figures) -> str:
    minutes = [(before.get(name), minute) for minute in range(BEFORE)]
    minutes += [(after.get(name), minute) for minute in range(BEFORE, BEFORE + AFTER)]
    instant = "_timestamp_seconds{" in name
    return " ".join("_" if value is None else repr(value + 60 * minute * instant) for value, minute in minutes)


def _expect(rule: str, at: str, *, fires: bool) -> dict[str, object]:
    expression = f'max(max_over_time(ALERTS{{alertname="{rule}", alertstate="firing"}}[{BEFORE - 1}m]))'
    return {"expr": expression, "eval_time": at, "exp_samples": [{"labels": "{}", "value": 1}] if fires else []}
