"""The house rules that a program can check, over every file under version control."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
MAX_FILE_LINES = 400
MAX_README_LINES = 120
MAX_RESTATING_COMMENTS = 0.10
FORBIDDEN = re.compile(
    r"registry\.npmjs|pypi\.org/simple|/root/|/home/\w+/|AKIA[0-9A-Z]{16}|TODO|FIXME|\bXXX\b|for now\b|placeholder for",
)


def tracked(*suffixes: str) -> list[Path]:
    """Files under version control with one of these endings."""
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=CHECKOUT, check=True, capture_output=True, text=True
    ).stdout.split("\0")
    return [CHECKOUT / name for name in names if name.endswith(suffixes) and (CHECKOUT / name).is_file()]


def test_no_source_file_grows_past_its_ceiling() -> None:
    """400 lines; beyond that a file holds more than one noun."""
    long = {
        str(path.relative_to(CHECKOUT)): count
        for path in tracked(".py", ".sh", ".c", ".j2", ".js")
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > MAX_FILE_LINES
    }
    assert long == {}


def test_the_readme_is_short() -> None:
    """What it is, the demo, the deployment, where to read next: 120 lines."""
    assert len((CHECKOUT / "README.md").read_text(encoding="utf-8").splitlines()) <= MAX_README_LINES


def test_nothing_of_one_machine_and_nothing_unfinished_is_in_the_tree() -> None:
    """No registry host, no absolute home, no key, no unfinished corner."""
    found = [
        f"{path.relative_to(CHECKOUT)}:{number}: {line.strip()[:80]}"
        for path in tracked(
            ".py", ".sh", ".md", ".toml", ".json", ".yaml", ".yml", ".txt", "Makefile", "Dockerfile", ".npmrc"
        )
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if FORBIDDEN.search(line) and "# allowed: " not in line
    ]
    assert found == []


def restating_comments(source: str) -> tuple[list[str], int]:
    """Comment lines of which 60 % of the words stand in the next three lines, and the number of comment lines."""
    lines = source.splitlines()
    restating, comments = [], 0
    for number, line in enumerate(lines):
        text = line.strip()
        if not text.startswith("# ") or text.startswith("# noqa"):
            continue
        comments += 1
        words = re.findall(r"[A-Za-z]{3,}", text.lower())
        following = " ".join(lines[number + 1 : number + 4]).lower()
        if len(words) >= 2 and sum(word in following for word in words) >= 0.6 * len(words):
            restating.append(text)
    return restating, comments


def test_the_comment_checker_knows_a_restating_comment() -> None:
    """The check itself is checked."""
    assert restating_comments("# open the file\nwith open(the_file) as file:\n")[0] == ["# open the file"]
    assert restating_comments("# rmtree follows links on old kernels\nshutil.move(a, b)\n") == ([], 1)


def test_comments_say_why_not_what() -> None:
    """At most one comment in ten repeats the code below it."""
    restating: list[str] = []
    comments = 0
    for path in tracked(".py"):
        repeated, count = restating_comments(path.read_text(encoding="utf-8"))
        restating += [f"{path.relative_to(CHECKOUT)}: {text}" for text in repeated]
        comments += count
    assert len(restating) <= MAX_RESTATING_COMMENTS * max(comments, 1), "\n".join(restating)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_pinned_and_agrees_with_the_constraints(name: str) -> None:
    """A direct dependency has one exact version, the one that was tested with everything else."""
    pins = dict(
        line.split("==")
        for line in (CHECKOUT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line
    )
    normal = {package.lower().replace("_", "-"): version for package, version in pins.items()}
    for line in (CHECKOUT / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith(("#", "-r ")):
            package, _, version = line.partition("==")
            assert version, f"{line}: not pinned"
            assert normal[package.lower().replace("_", "-")] == version
