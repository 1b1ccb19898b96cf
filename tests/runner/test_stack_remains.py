"""What would stay of a deployment, and what has to be emptied before it goes."""

from __future__ import annotations

import pytest

from runner.stack_remains import Held, Remains, stack_remains
from tests.runner.fake_aws import FakeCloudFormation


@pytest.mark.parametrize("is_text", [False, True])
def test_what_templates_keep_is_named(is_text: bool) -> None:
    """By its physical id; what a policy deletes, or says nothing of, is not, but buckets among it are to be emptied."""
    cloudformation = FakeCloudFormation({})
    cloudformation.is_text = is_text
    cloudformation.resources = {
        "Bucket": ("AWS::S3::Bucket", "bucket-1", "Retain"),
        "Key": ("AWS::KMS::Key", "0a1b", "RetainExceptOnCreate"),
        "Scratch": ("AWS::S3::Bucket", "bucket-2", "Delete"),
        "Log": ("AWS::Logs::LogGroup", "log", "Delete"),
        "Queue": ("AWS::Batch::JobQueue", "arn", None),
    }
    assert stack_remains(cloudformation, ["One"]) == Remains(
        (Held("AWS::S3::Bucket", "bucket-1"), Held("AWS::KMS::Key", "0a1b")), ("bucket-2",)
    )


def test_a_stack_that_is_gone_keeps_nothing() -> None:
    """It may be destroyed already."""
    assert stack_remains(FakeCloudFormation(None), ["Gone", "Gone too"]) == Remains((), ())
