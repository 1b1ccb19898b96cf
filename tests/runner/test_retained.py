"""What would stay of a deployment."""

from __future__ import annotations

import pytest

from runner.retained import Retained, retained
from tests.runner.fake_aws import FakeCloudFormation


@pytest.mark.parametrize("is_text", [False, True])
def test_what_templates_keep_is_named(is_text: bool) -> None:
    """By its physical id; what a policy deletes, or says nothing of, is not."""
    cloudformation = FakeCloudFormation({})
    cloudformation.is_text = is_text
    cloudformation.resources = {
        "Bucket": ("AWS::S3::Bucket", "bucket-1", "Retain"),
        "Key": ("AWS::KMS::Key", "0a1b", "RetainExceptOnCreate"),
        "Log": ("AWS::Logs::LogGroup", "log", "Delete"),
        "Queue": ("AWS::Batch::JobQueue", "arn", None),
    }
    assert retained(cloudformation, ["One"]) == [
        Retained("AWS::S3::Bucket", "bucket-1"),
        Retained("AWS::KMS::Key", "0a1b"),
    ]


def test_a_stack_that_is_gone_keeps_nothing() -> None:
    """It may be destroyed already."""
    assert retained(FakeCloudFormation(None), ["Gone", "Gone too"]) == []
