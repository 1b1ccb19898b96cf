"""Which settings of observation go together."""

from __future__ import annotations

from typing import Any

import pytest

from setting_groups.observation import ObservationSettings, observation_findings
from settings import Settings, SettingsError, checked_settings

WATCHED: dict[str, Any] = {"alarm_email": "lab@example.org", "queue_metrics_minutes": 5, "counts_ended_jobs": True}


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"alarm_email": "a.b+c@mail.example.org"},
        {"counts_ended_jobs": True, "has_dashboard": True},
        {"queue_metrics_minutes": 60, "has_dashboard": True},
        {**WATCHED, "stuck_alarm_minutes": 1440, "failure_rate_alarm": 1.0, "failure_rate_jobs": 1},
        {**WATCHED, "monthly_budget_usd": 1, "has_dashboard": True},
        {"container_insights": True},
    ],
)
def test_what_goes_together_is_taken(changed: dict[str, Any]) -> None:
    """No finding, at the bounds either."""
    assert list(observation_findings(ObservationSettings(**changed))) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"alarm_email": "lab"}, "alarm_email: an e-mail address, one, got 'lab'"),
        ({"alarm_email": "a@b.org, c@d.org"}, "alarm_email: an e-mail address, one"),
        ({"alarm_email": ""}, "alarm_email: an e-mail address, one"),
        ({"queue_metrics_minutes": 0}, "queue_metrics_minutes: 1 to 60 minutes"),
        ({"queue_metrics_minutes": 61}, "queue_metrics_minutes: 1 to 60 minutes"),
        ({"has_dashboard": True}, "has_dashboard: a dashboard shows metrics of this deployment, got True"),
        ({"monthly_budget_usd": 50}, "monthly_budget_usd: what alarms has an alarm_email to tell, got 50"),
        ({**WATCHED, "monthly_budget_usd": 0}, "monthly_budget_usd: a budget is 1 USD a month or more, got 0"),
        ({**WATCHED, "stuck_alarm_minutes": 0}, "stuck_alarm_minutes: 1 to 1440 minutes, got 0"),
        ({**WATCHED, "stuck_alarm_minutes": 1441}, "stuck_alarm_minutes: 1 to 1440 minutes, got 1441"),
        (
            {"alarm_email": "a@b.org", "stuck_alarm_minutes": 5},
            "stuck_alarm_minutes: the alarm looks at what queue_metrics_minutes reports, got 5",
        ),
        ({**WATCHED, "failure_rate_alarm": 0}, "failure_rate_alarm: a share of the ended jobs, above 0 and up to 1"),
        ({**WATCHED, "failure_rate_alarm": 20}, "failure_rate_alarm: a share of the ended jobs, above 0 and up to 1"),
        (
            {"alarm_email": "a@b.org", "failure_rate_alarm": 0.1},
            "failure_rate_alarm: the alarm looks at what counts_ended_jobs counts, got 0.1",
        ),
        ({"failure_rate_jobs": 0}, "failure_rate_jobs: a share is of 1 job or more, got 0"),
    ],
)
def test_a_broken_rule_is_one_finding(changed: dict[str, Any], said: str) -> None:
    """With the setting, the rule, the value and what to do."""
    (finding,) = observation_findings(ObservationSettings(**changed))
    assert str(finding).startswith(said)
    assert "; " in str(finding)


def test_everything_wrong_is_said_at_once() -> None:
    """A profile is put right in one go: each finding on a line."""
    settings = Settings(stuck_alarm_minutes=30, failure_rate_alarm=0.2, has_dashboard=True)
    with pytest.raises(SettingsError) as caught:
        checked_settings(settings)
    names = [line.partition(":")[0] for line in str(caught.value).splitlines()]
    assert sorted(names) == sorted(
        ["stuck_alarm_minutes", "failure_rate_alarm", "has_dashboard", "stuck_alarm_minutes", "failure_rate_alarm"]
    )
    checked_settings(Settings())
