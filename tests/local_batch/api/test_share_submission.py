"""SubmitJob and share identifiers: asked for on queues with a fair-share policy, refused on others."""

from __future__ import annotations

from typing import Any

import pytest

from local_batch.api.errors import ApiError
from tests.local_batch.api.front import Front, ec2_definition


@pytest.fixture
def fair(front: Front) -> Front:
    """With a queue `fair` on EC2, and a definition `ranked` that has a priority."""
    front.shared_queue("fair")
    front.call("RegisterJobDefinition", **ec2_definition("ranked", schedulingPriority=7))
    return front


def submit(front: Front, **more: Any) -> str:
    """A job on the queue `fair`."""
    return front.submit(**{"jobQueue": "fair", "jobDefinition": "ranked", "shareIdentifier": "blue", **more})


@pytest.mark.parametrize(("more", "priority"), [({}, 7), ({"schedulingPriorityOverride": 0}, 0)])
def test_share_and_priority_are_the_jobs(fair: Front, more: dict[str, Any], priority: int) -> None:
    """The submission's priority before the definition's."""
    job = fair.job(submit(fair, **more))
    assert (job["shareIdentifier"], job["schedulingPriority"]) == ("blue", priority)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"shareIdentifier": None}, "shareIdentifier must be specified."),
        ({"shareIdentifier": ""}, "shareIdentifier must be specified."),
        *(
            ({"shareIdentifier": name}, "ShareIdentifier name should match a valid pattern.")
            for name in ("a b", "a*b", "a-b", "a_b", "a" * 256)
        ),
        (
            {"jobDefinition": "tool"},
            "Either schedulingPriority in job definition or schedulingPriorityOverride should be specified.",
        ),
        ({"schedulingPriorityOverride": -1}, "Scheduling priority must be between 0 and 9999."),
        ({"schedulingPriorityOverride": 10_000}, "Scheduling priority must be between 0 and 9999."),
        ({"jobQueue": "ec2"}, "shareIdentifier must not be specified: JobQueue ec2 has no fair-share"),
    ],
)
def test_shares_that_do_not_go_with_the_queue_are_refused(fair: Front, change: dict[str, Any], text: str) -> None:
    """In the service's words where they are known."""
    with pytest.raises(ApiError, match=text):
        submit(fair, **change)
    assert fair.dispatcher.engine.jobs == {}


def test_a_priority_means_nothing_on_a_queue_without_a_policy(fair: Front) -> None:
    """It is taken there, as the service documents, and not shown."""
    job = fair.job(fair.submit(jobQueue="ec2", jobDefinition="ranked", schedulingPriorityOverride=5))
    assert not {"shareIdentifier", "schedulingPriority"} & job.keys()


def test_a_queue_has_five_hundred_active_shares(fair: Front) -> None:
    """One more fails the submission; those that are active go on."""
    for number in range(500):
        submit(fair, shareIdentifier=f"share{number}")
    with pytest.raises(ApiError, match=r"JobQueue fair has 500 active share identifiers, .* got oneMore"):
        submit(fair, shareIdentifier="oneMore")
    submit(fair, shareIdentifier="share0")
    assert len(fair.dispatcher.engine.jobs) == 501
