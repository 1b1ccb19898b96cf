"""AWS::EC2::VPCEndpoint: replaced where AWS replaces it, and described with its groups and its private DNS names.

MiniStack keeps both for a stack's endpoint, but shows neither and changes every property in place. No packet passes
an endpoint here, and it has no network interface.
Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-vpcendpoint.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from local_batch.host.seams import MiniStack

TYPE: Final = "AWS::EC2::VPCEndpoint"
REPLACING: Final = (
    "ResourceConfigurationArn",
    "ServiceName",
    "ServiceNetworkArn",
    "ServiceRegion",
    "VpcEndpointType",
    "VpcId",
)


def install(ministack: MiniStack) -> None:
    """Complete the type and DescribeVpcEndpoints."""
    ministack.provisioners.REPLACING_PROPERTIES[TYPE] = REPLACING
    plain, groups = ministack.ec2.vpce_fields_xml, ministack.ec2.security_groups

    def with_groups(endpoint: Mapping[str, Any], tag: str = "item") -> str:
        ids = endpoint.get("SecurityGroupIds") or ()
        items = "".join(
            f"<item><groupId>{group_id}</groupId><groupName>{(groups.get(group_id) or {}).get('GroupName', '')}"
            "</groupName></item>"
            for group_id in ids
        )
        private_dns = str(endpoint.get("PrivateDnsEnabled", False)).lower()
        more = f"<groupSet>{items}</groupSet><privateDnsEnabled>{private_dns}</privateDnsEnabled>"
        return str(plain(endpoint, tag)).removesuffix(f"</{tag}>") + f"{more}</{tag}>"

    ministack.replace("services.ec2", "_vpce_fields_xml", with_groups)
