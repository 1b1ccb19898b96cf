"""CloudFormation's properties become the API's requests."""

from __future__ import annotations

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel, StructureShape

from local_batch.host.property_names import PropertyError, to_request

MODEL = ServiceModel(Loader().load_service_model("batch", "service-2"), "batch")


def shape(operation: str) -> StructureShape:
    """The operation's input."""
    found = MODEL.operation_model(operation).input_shape
    assert isinstance(found, StructureShape)
    return found


def test_names_are_the_apis_and_keys_of_maps_stay() -> None:
    """Tags, parameters and log options are data, however they are spelled."""
    request = to_request(
        {
            "ContainerProperties": {
                "LogConfiguration": {"LogDriver": "awslogs", "Options": {"awslogs-group": "G", "Mode": "x"}},
                "ResourceRequirements": [{"Type": "VCPU", "Value": 1}],
            },
            "Parameters": {"InputKey": "k"},
            "Tags": {"cloud-hpc:Deployment": "D"},
            "RetryStrategy": {},
        },
        shape("RegisterJobDefinition"),
    )
    assert request == {
        "containerProperties": {
            "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "G", "Mode": "x"}},
            "resourceRequirements": [{"type": "VCPU", "value": "1"}],
        },
        "parameters": {"InputKey": "k"},
        "tags": {"cloud-hpc:Deployment": "D"},
        "retryStrategy": {},
    }


def test_spellings_with_inner_capitals_and_text_numbers() -> None:
    """MaxvCpus is maxvCpus, and a template may write a number or a boolean as text."""
    resources = to_request(
        {"ComputeResources": {"MaxvCpus": "32", "Ec2Configuration": [{"ImageType": "ECS_AL2023"}]}},
        shape("CreateComputeEnvironment"),
    )["computeResources"]
    assert resources == {"maxvCpus": 32, "ec2Configuration": [{"imageType": "ECS_AL2023"}]}
    container = {"ReadonlyRootFilesystem": "true"}
    request = to_request({"ContainerProperties": container}, shape("RegisterJobDefinition"))
    assert request["containerProperties"] == {"readonlyRootFilesystem": True}


def test_cloudformations_own_properties_are_left_out() -> None:
    """The API has never heard of them."""
    request = to_request({"Priority": 1, "UpdatePolicy": {"X": 1}}, shape("CreateJobQueue"), without=["UpdatePolicy"])
    assert request == {"priority": 1}


@pytest.mark.parametrize(
    ("properties", "text"),
    [
        ({"Prioritie": 1}, r"#: extraneous key \[Prioritie\]"),
        ({"ComputeEnvironmentOrder": {}}, "#/ComputeEnvironmentOrder: expected type: JSONArray, found: dict"),
        ({"ComputeEnvironmentOrder": [{"Order": "one"}]}, "Order/0/Order: expected type: Integer, found: str"),
        ({"Tags": "x"}, "#/Tags: expected type: JSONObject, found: str"),
        ({"State": []}, "#/State: expected type: String, found: list"),
    ],
)
def test_wrong_properties_are_named(properties: dict[str, object], text: str) -> None:
    """The stack's event says which property and what it should be."""
    with pytest.raises(PropertyError, match=text):
        to_request(properties, shape("CreateJobQueue"))
