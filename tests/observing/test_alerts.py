"""What is shipped for operators fits together and to the code: rules, unit tests, runbook, dashboard."""

import json
import re
from pathlib import Path

import pytest
import yaml
from tests.observing.promtool import ROOT, RULES, metrics_of, promtool, rules

from assistance.telemetry.catalogue import CATALOGUE

RUNBOOK = ROOT / "docs" / "runbook.md"
DASHBOARD = ROOT / "deploy" / "grafana" / "dashboard.json"
UNIT_TESTS = RULES.with_name("alerts_test.yaml")
NAMES = {metric.name for metric in CATALOGUE}


def queries() -> list[str]:
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", [])]


def test_prometheus_takes_the_rules_and_their_unit_tests_pass():
    """`promtool` reads the file, and each alert fires and stays silent where its unit tests say so."""
    promtool("check", "rules", RULES)
    promtool("test", "rules", UNIT_TESTS)


def test_every_rule_has_a_unit_test_in_which_it_fires():
    """No alert is shipped that was never seen to fire."""
    tested = re.findall(r'alertname="(\w+)"', UNIT_TESTS.read_text(encoding="utf-8"))
    assert {rule["alert"] for rule in rules()} == set(tested)


def test_rules_and_dashboard_look_at_metrics_that_exist():
    """No query asks for a name that the service does not have; the dashboard shows all of them."""
    assert set().union(*(metrics_of(rule["expr"]) for rule in rules())) <= NAMES
    assert set().union(*(metrics_of(query) for query in queries())) == NAMES


def test_prometheus_can_read_every_query_of_the_dashboard(tmp_path: Path):
    """Each is valid PromQL once Grafana has put its own variable in."""
    recorded = [
        {"record": f"query_{number}", "expr": query.replace("$__rate_interval", "5m")}
        for number, query in enumerate(queries())
    ]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}), encoding="utf-8")
    promtool("check", "rules", file)


def test_the_panels_of_the_dashboard_do_not_overlap():
    """Each panel has an id and a place of its own on the grid of 24 columns."""
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_rule_leads_to_its_entry_in_the_runbook(rule: dict[str, dict[str, str]]):
    """The entry says what the alert means, what to look at or what is found, and what to do."""
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert ROOT / page == RUNBOOK
    entries = re.split(r"^## ", RUNBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    (entry,) = [entry for entry in entries if entry.partition("\n")[0].lower() == anchor]
    assert anchor == str(rule["alert"]).lower()
    assert "**Means**" in entry
    assert ("**Look at**" in entry and "**Do**" in entry) or "- `" in entry


def test_the_runbook_has_no_entry_without_a_rule():
    """What is no alert any more leaves the runbook."""
    entries = re.findall(r"^## (\w+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    assert entries == [rule["alert"] for rule in rules()]
