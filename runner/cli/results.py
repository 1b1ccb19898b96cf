"""`hpc results`: what a run left in the bucket."""

from __future__ import annotations

from pathlib import Path

import click

from runner import results as stored
from runner.cli.opened_run import open_run
from runner.cli.options import Context, common_options, pass_context


@click.command()
@click.argument("run", metavar="[RUN]", required=False)
@click.option(
    "--download", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Fetch the objects into DIR."
)
@common_options
@pass_context
def results(context: Context, *, run: str | None, download: Path | None) -> None:
    """The objects that a run wrote under its prefix; --download fetches them.

    The prefix is results/<run id>/: ${prefix} in a workflow. RUN is a run's id or the beginning of it; left out, the
    newest run of this directory.
    """
    opened = open_run(context, run)
    record = opened.run.record
    found = list(stored.list_objects(opened.clients.s3, record.bucket, record.prefix))
    documents = []
    for entry in found:
        document: dict[str, object] = {"key": entry.key, "size_bytes": entry.size_bytes}
        if download is not None:
            path = stored.download(opened.clients.s3, record.bucket, record.prefix, entry, download)
            document["path"] = str(path)
            context.say(f"wrote {path}")
        documents.append(document)
    text = "\n".join(f"{entry.size_bytes:>12}  s3://{record.bucket}/{entry.key}" for entry in found)
    context.emit({"run": record.run_id, "bucket": record.bucket, "objects": documents}, text=text)
    if not found:
        context.say(f"s3://{record.bucket}/{record.prefix} holds no objects (yet)")
