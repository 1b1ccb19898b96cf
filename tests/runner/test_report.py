"""The report: complete, self-contained, safe to open, the same bytes for the same input."""

from __future__ import annotations

import html.parser
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.graph_layout import lay_out
from runner.logs import LogLine, LogReader
from runner.report import MAX_DRAWN_TASKS, MAX_TAILS, render, tails
from runner.run_state import RunState
from runner.timeline import timeline
from tests.runner.fake_aws import FakeLogs
from tests.runner.fake_batch import FakeBatch
from tests.runner.made_runs import alone, request, submitted
from tests.runner.planned import planned
from tests.runner.told_jobs import described

HOSTILE = '</pre><script>alert(1)</script><img src=x onerror=alert(2)> & "quoted"'


def state_of(
    home: Path, tasks: dict[str, Any], exit_codes: dict[str, list[int]] | None = None, looks: int = 40
) -> RunState:
    """The state of these tasks after some looks."""
    batch = FakeBatch(exit_codes)
    run = submitted(home, batch, alone(tasks))
    for _ in range(looks):
        state = run.look(2000)
    return state


FAILING = {"a": {"retries": {"attempts": 2}}, "b": {"needs": ["a"]}, "c": {}}


class Page(html.parser.HTMLParser):
    """Collects tags, what they would load, and the text of the table's rows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.handlers: list[str] = []
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Every element."""
        self.tags.append(tag)
        self.loads += [str(value) for name, value in attrs if name in {"src", "href", "xlink:href", "action"}]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        if tag == "tr":
            self.rows.append([])
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Back to what encloses it."""
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        """Text of cells."""
        if self.rows and {"td", "th"} & set(self.open[-3:]) and data.strip():
            self.rows[-1].append(data.strip())


def test_the_table_tells_every_outcome(tmp_path: Path) -> None:
    """Task, status, note, attempt, exit code, waiting and running time, id."""
    state = state_of(tmp_path, FAILING, {"-a": [1, 3]})
    page = Page(render(state, {}, 2000.0))
    rows = {row[0]: row[1:] for row in page.rows[1:]}
    assert list(rows) == ["a", "c", "b"]
    assert rows["a"][:6] == ["FAILED", "exit code 3", "2 of 2", "3", "3.0 s", "2.0 s"]
    assert rows["b"][:2] == ["NOT RUN", "not run: its dependency a failed"]
    assert rows["c"][0] == "SUCCEEDED"
    assert rows["c"][-1] == state.tasks["c"].job_id


def test_the_page_loads_nothing_and_runs_nothing(tmp_path: Path) -> None:
    """No script, no link, no image; what a job prints or is called cannot change that."""
    state = state_of(tmp_path, FAILING, {"-a": [1, 3]})
    text = render(state, {"a": [LogLine(1, HOSTILE)], "c": [LogLine(2, HOSTILE)]}, 2000.0)
    page = Page(text)
    assert page.loads == []
    assert page.handlers == []
    assert {"script", "img", "link", "iframe", "a"}.isdisjoint(page.tags)
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert text.count("&lt;script&gt;alert(1)") == 3
    assert "url(" not in text.replace("url(#arrow)", "")


def test_the_same_state_gives_the_same_bytes(tmp_path: Path) -> None:
    """The moment of writing is an argument."""
    state = state_of(tmp_path, FAILING, {"-a": [1, 3]})
    assert render(state, {}, 2000.0) == render(state, {}, 2000.0)


def test_the_drawing_is_well_formed_and_told_in_words(tmp_path: Path) -> None:
    """A title, a description and a box with a title for every task: for those who do not see it."""
    text = render(state_of(tmp_path, FAILING, {"-a": [1, 3]}), {}, 2000.0)
    svg = ET.fromstring(text[text.index("<svg") : text.index("</svg>") + len("</svg>")])
    name = "{http://www.w3.org/2000/svg}"
    assert svg.get("role") == "img"
    assert svg.findtext(f"{name}desc") == "b needs a. "
    groups = {str(group.findtext(f"{name}title")): group.get("class") for group in svg.iter(f"{name}g")}
    assert groups == {
        "a: FAILED, exit code 3": "failed",
        "b: NOT RUN, not run: its dependency a failed": "not-run",
        "c: SUCCEEDED": "succeeded",
    }


def test_a_run_that_is_under_way_has_a_report(tmp_path: Path) -> None:
    """Running bars reach to now; what has not started waits."""
    state = state_of(tmp_path, {"a": {}, "b": {"needs": ["a"]}}, looks=3)
    lines = timeline(state, 1_010_000.0)
    assert lines is not None
    assert [[bar.kind for bar in row.bars] for row in lines.rows] == [["wait", "running"], ["wait"]]
    assert lines.rows[0].bars[-1].left_percent + lines.rows[0].bars[-1].width_percent == pytest.approx(100)
    text = render(state, {}, 1010.0)
    assert "RUNNING" in text
    assert "Running for" in text


def test_a_timeline_shows_every_attempt(tmp_path: Path) -> None:
    """The failed one and the one after it, and the waiting in between."""
    state = state_of(tmp_path, {"a": {"retries": {"attempts": 2}}}, {"-a": [1, 0]})
    lines = timeline(state, 9e6)
    assert lines is not None
    (row,) = lines.rows
    assert [bar.kind for bar in row.bars] == ["wait", "failed", "wait", "succeeded"]
    assert [bar.text for bar in row.bars] == [
        "waited 3.0 s",
        "attempt 1 ran 1.0 s",
        "waited 3.0 s",
        "attempt 2 ran 1.0 s",
    ]
    assert [tick.label for tick in lines.ticks] == ["0 s", "2 s", "4 s", "6 s", "8 s"]


def test_nothing_submitted_is_no_timeline(tmp_path: Path) -> None:
    """Jobs that Batch does not know have no times."""
    run = submitted(tmp_path, FakeBatch(), alone({"a": {}}))
    state = type(run)(run.ledger, FakeBatch()).look(1.0)
    assert timeline(state, 1.0) is None
    assert "UNKNOWN" in render(state, {}, 1.0)


def test_many_tasks_are_told_group_by_group_but_for_those_that_failed(tmp_path: Path) -> None:
    """A page stays a page; failed tasks' output comes first."""
    count = MAX_DRAWN_TASKS + 1
    tasks: dict[str, Any] = {"t": {"foreach": {"n": list(range(count))}}, "end": {"needs": ["t"]}}
    batch = FakeBatch({"-t:250": [1]})
    run = submitted(tmp_path, batch, planned(tasks))
    for _ in range(10):
        run.look(2000)
    state = run.in_full()
    streams = {str(task.job.log_stream): ["x"] for task in state.tasks.values() if task.job}
    found = tails(state, LogReader(FakeLogs(streams)))
    assert list(found) == ["t-250"]
    text = render(state, found, 2000.0)
    page = Page(text)
    assert [row[0] for row in page.rows] == ["Tasks", "t", "end", "Task", "t-250", "end"]
    assert page.rows[1][1:] == ["251", "250 SUCCEEDED", "1 FAILED"]
    svg = ET.fromstring(text[text.index("<svg") : text.index("</svg>") + len("</svg>")])
    assert svg.findtext("{http://www.w3.org/2000/svg}desc") == "end needs t. "
    assert "more:" not in text
    lines = timeline(state, 9e6, by_group=True)
    assert lines is not None
    assert [(row.name, [bar.kind for bar in row.bars][-1]) for row in lines.rows] == [("t", "failed"), ("end", "wait")]


def test_output_is_shown_for_some_tasks_only(tmp_path: Path) -> None:
    """Those that failed first: each costs a call."""
    count = MAX_TAILS + 5
    state = state_of(tmp_path, {"t": {"foreach": {"n": list(range(count))}}}, {f"-t-{count - 1}": [1]}, looks=5)
    streams = {str(task.job.log_stream): ["x"] for task in state.tasks.values() if task.job}
    found = tails(state, LogReader(FakeLogs(streams)))
    assert len(found) == MAX_TAILS
    assert next(iter(found)) == f"t-{count - 1}"


def test_failures_without_end_are_counted(tmp_path: Path) -> None:
    """The page holds the first ten of them in full, a thousand in its table."""
    batch = FakeBatch()
    run = submitted(tmp_path, batch, [request("map", size=3000)])
    for child in range(2500):
        described(batch, f"{run.record.job_ids[0]}:{child}", "FAILED", startedAt=1, container={"exitCode": 9})
    whole = {"size": 3000, "statusSummary": {"SUCCEEDED": 500, "FAILED": 2500}}
    described(batch, run.record.job_ids[0], "FAILED", createdAt=1, arrayProperties=whole)
    text = render(run.look(2000), {}, 2000.0)
    assert "map: 2,490 more failed: exit code 9" in text
    assert "1,500 more: <code>hpc status" in text
    assert text.count("<article>") == 10


def test_a_task_that_waits_for_all_is_drawn_behind_the_last_ones(tmp_path: Path) -> None:
    """A line from each would be a tangle."""
    requests = [request("a"), request("b", 0), request("c", 0), request("end", waits_for=(0, 1, 2), is_finally=True)]
    text = render(submitted(tmp_path, FakeBatch(), requests).look(2000), {}, 2000.0)
    assert "end needs b. end needs c." in text
    assert "end needs a." not in text


@given(st.lists(st.lists(st.integers(0, 20), unique=True, max_size=4), min_size=1, max_size=15))
def test_boxes_do_not_overlap_and_lines_lead_to_the_right(edges: list[list[int]]) -> None:
    """For any graph: inside the drawing, apart from one another, what is needed on the left."""
    needs = {f"t{n}": [f"t{m}" for m in earlier if m < n] for n, earlier in enumerate(edges)}
    layout = lay_out(needs)
    boxes = {box.name: box for box in layout.boxes}
    assert set(boxes) == set(needs)
    for box in boxes.values():
        assert 0 <= box.x <= box.x + box.width <= layout.width
        assert 0 <= box.y <= box.y + box.height <= layout.height
        for other in boxes.values():
            apart = box.x + box.width <= other.x or other.x + other.width <= box.x
            apart = apart or box.y + box.height <= other.y or other.y + other.height <= box.y
            assert apart or other is box
    for line in layout.lines:
        assert boxes[line.source].x + boxes[line.source].width < boxes[line.target].x


def test_long_names_are_cut_in_the_drawing_but_keep_their_ends() -> None:
    """foreach values are at the end."""
    (box,) = lay_out({"a" * 50 + "-seed-17": ()}).boxes
    assert len(box.label) == 30
    assert box.label.endswith("…-seed-17")
