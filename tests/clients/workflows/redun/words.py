"""Counts the words of texts in S3: a job a text, and one that adds up. redun runs it; no test imports it."""

import os
import posixpath
import time

from redun import File, script, task
from redun.file import glob_file

redun_namespace = "words"


@task(executor="batch")
def count(text: File, counts: str) -> File:
    """The number of words of one text, as a file."""
    words = len(text.read().split())
    if not words:
        raise ValueError(f"{text.path}: a text has words, got none")
    counted = File(posixpath.join(counts, posixpath.basename(text.path)))
    counted.write(f"{words}\n")
    return counted


@task(executor="batch")
def add_up(counts: list[File], total: str) -> File:
    """The sum of all counts, as a file."""
    words = sum(int(count.read()) for count in counts)
    added = File(total)
    added.write(f"{words}\n")
    return added


@task()
def main(prefix: str) -> File:
    """All texts under the prefix, each counted, the counts added up."""
    texts = sorted(glob_file(f"{prefix}/texts/*.txt"))
    return add_up([count(File(text), f"{prefix}/counts") for text in texts], f"{prefix}/total.txt")


@task()
def longest(prefix: str) -> File:
    """The longest word of a text, found by a shell script."""
    return script(
        "tr ' ' '\\n' < text | awk 'length > length(word) { word = $0 } END { print word }' > longest",
        executor="batch",
        inputs=[File(f"{prefix}/texts/a.txt").stage("text")],
        outputs=File(f"{prefix}/longest.txt").stage("longest"),
    )


@task(executor="batch", num_nodes=2)
def gang(prefix: str) -> str:
    """What each node is, as a file of its own; the main node waits for the other's, and its result is the task's."""
    index, nodes = int(os.environ["AWS_BATCH_JOB_NODE_INDEX"]), int(os.environ["AWS_BATCH_JOB_NUM_NODES"])
    File(f"{prefix}/nodes/{index}-of-{nodes}").write("")
    if index == int(os.environ["AWS_BATCH_JOB_MAIN_NODE_INDEX"]):
        # When the main node ends, so does all that still runs.
        while not File(f"{prefix}/nodes/1-of-{nodes}").exists():
            time.sleep(0.2)
    return f"{index} of {nodes}"
