"""ECR's DescribeImages for a tag that is not there: an error, as on AWS, where MiniStack answers an empty list.

The cdk command pushes an image asset only if it gets that error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from local_batch.host.seams import MiniStack


def install(ministack: MiniStack) -> None:
    """Answer DescribeImages with ImageNotFoundException where images were named and one is missing."""
    describe = ministack.ecr.describe_images

    def describe_images(request: Mapping[str, Any]) -> Any:
        status, headers, body = describe(request)
        wanted = request.get("imageIds") or ()
        if status != 200 or len(json.loads(body)["imageDetails"]) >= len(wanted):
            return status, headers, body
        for image_id in wanted:
            one_status, _, one = describe({**request, "imageIds": [image_id]})
            if one_status == 200 and not json.loads(one)["imageDetails"]:
                shown = ", ".join(f"{name}:'{image_id.get(name, 'null')}'" for name in ("imageDigest", "imageTag"))
                repository = request.get("repositoryName", "")
                return ministack.responses.error_response_json(
                    "ImageNotFoundException",
                    f"The image with imageId {{{shown}}} does not exist within the repository with name "
                    f"'{repository}' in the registry with id '{request.get('registryId', _account(ministack))}'",
                    400,
                )
        return status, headers, body

    ministack.replace("services.ecr", "_describe_images", describe_images)


def _account(ministack: MiniStack) -> str:
    account: str = ministack.responses.get_account_id()
    return account
