"""What is taken for a credential, and what is not. Examples are put together here, so that no scanner finds one."""

from __future__ import annotations

import secrets
import string

import pytest

from runner.credentials import in_command, in_environment, kind_of_credential, shown
from runner.errors import InputError
from runner.workflow import Workflow

KEY_ID = "AK" + "IA" + "Q3EXAMPLE7EXAMPL"
SECRET = "wJalrXUtnFEMI/K7MDENG" + "/bPxRfiCYzX9aB3cD4e"
PRIVATE = "-----BEGIN " + "RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (KEY_ID, "an AWS access key id"),
        (f"--id={KEY_ID.replace('AK', 'AS', 1)}", "an AWS access key id"),
        (SECRET, "an AWS secret access key"),
        (f"x={SECRET};", "an AWS secret access key"),
        (f"{PRIVATE}\nMIIE", "a private key"),
        ("gh" + "p_" + "a1B2" * 9, "a GitHub token"),
        ("gl" + "pat-" + "a1B2" * 5, "a GitLab token"),
        ("xo" + "xb-123456789012-abc", "a Slack token"),
        ("eyJhbGciOiJI" + ".eyJzdWIiOiIx" + ".c2lnbmF0dXJl", "a JSON web token"),
        ("postgres://user:" + "hunter2@db/x", "a URL with a password"),
    ],
)
def test_known_kinds_are_recognised(text: str, kind: str) -> None:
    """By their published forms."""
    assert kind_of_credential(text) == kind


@pytest.mark.parametrize(
    "text",
    [
        "",
        "results/dopi-20261123-061919-cb9949/dopi.txt",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "s3://bucket/some/very/long/path/with/Many/Parts/And/2/numbers1",
        "arn:aws:batch:eu-central-1:111122223333:job-definition/CloudHpc-BatchJobDopiDefinition1FED:1",
        "https://example.org:8080/path",
        "aaaaaaaaaaaaaaaaaaaaAAAAAAAAAAAAAAAAAAA1",
    ],
)
def test_ordinary_values_are_not_taken_for_credentials(text: str) -> None:
    """Hashes, paths, ARNs, addresses."""
    assert kind_of_credential(text) is None


def test_random_secret_keys_are_recognised() -> None:
    """Nearly always: 40 random characters rarely repeat so often that they look like words."""
    alphabet = string.ascii_letters + string.digits + "/+"
    made = ["".join(secrets.choice(alphabet) for _ in range(40)) for _ in range(300)]
    assert sum(kind_of_credential(text) is not None for text in made) >= 295


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_SESSION_TOKEN", "anything"),
        ("DB_PASSWORD", "hunter2"),
        ("api-key", "abcdef"),
        ("GITHUB_TOKEN", "abcdef"),
        ("HARMLESS", KEY_ID),
    ],
)
def test_a_variable_that_carries_one_is_found(name: str, value: str) -> None:
    """By its name or by its value."""
    ((found, text),) = in_environment({"PATH": "/bin", name: value})
    assert found == name
    assert "Secrets Manager" in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DB_SECRET", "arn:aws:secretsmanager:eu-central-1:111122223333:secret:db"),
        ("TOKEN", "12"),
        ("API_KEY", "/run/secrets/key"),
        ("USE_TOKEN", "true"),
        ("TOKENIZER", "bert"),
        ("PASSWORD_FILE", "x"),
    ],
)
def test_a_variable_that_only_says_where_a_secret_is_passes(name: str, value: str) -> None:
    """A reference is how it is done right."""
    assert list(in_environment({name: value})) == []


@pytest.mark.parametrize(
    ("command", "index"),
    [
        (["run", "--password", "hunter2"], 1),
        (["--api-key=abcdef"], 0),
        (["sh", "-c", f"export X={SECRET}"], 2),
    ],
)
def test_a_command_that_carries_one_is_found(command: list[str], index: int) -> None:
    """As an option's value, or anywhere in a text."""
    assert [found for found, _ in in_command(command)] == [index]


def test_options_that_give_none_pass() -> None:
    """A path to a file, an option without value, a following option."""
    assert list(in_command(["--password", "/run/secret", "--token", "--verbose", "--secret"])) == []


@pytest.mark.parametrize(
    "keys",
    [
        {"command": ["--id", KEY_ID]},
        {"environment": {"K": SECRET}},
        {"foreach": {"token": ["abcdef"]}},
        {"environment": {"K": f"{PRIVATE} x"}, "vcpus": 1},
    ],
)
def test_a_workflow_that_carries_one_is_refused_without_repeating_it(keys: dict[str, object]) -> None:
    """Neither in the message nor in the error's chain."""
    workflow = Workflow("w", defaults={"job_definition": "d", "queue": "q"})
    workflow.task("t", **keys)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="a request carries no credential") as caught:
        workflow.graph()
    for secret in (KEY_ID, SECRET, PRIVATE, "abcdef"):
        assert secret not in str(caught.value)


def test_a_wrong_value_is_not_repeated_either_where_it_holds_one() -> None:
    """A key pasted where a number belongs."""
    with pytest.raises(InputError, match="looks like an AWS access key id") as caught:
        Workflow("w").task("t", vcpus=KEY_ID)  # type: ignore[arg-type]
    assert KEY_ID not in str(caught.value)
    assert shown("x" * 200).endswith("...")
