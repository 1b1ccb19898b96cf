"""Counts the words of texts in S3: a job a text, and one that adds up. metaflow runs it; no test imports it."""

from __future__ import annotations

from metaflow import S3, FlowSpec, Parameter, batch, step


class Words(FlowSpec):
    """The graph: start, a count a text, their sum, end."""

    prefix = Parameter("prefix", help="s3://bucket/key above texts/")

    @step
    def start(self) -> None:
        """Find the texts."""
        with S3() as s3:
            self.texts = sorted(text.url for text in s3.list_paths([f"{self.prefix}/texts/"]))
        self.next(self.count, foreach="texts")

    @batch(cpu=1, memory=2048)
    @step
    def count(self) -> None:
        """The number of words of one text."""
        with S3() as s3:
            self.words = len(s3.get(self.input).text.split())
        if not self.words:
            raise ValueError(f"{self.input}: a text has words, got none")
        self.next(self.add_up)

    @batch(cpu=1, memory=2048)
    @step
    def add_up(self, inputs: list[FlowSpec]) -> None:
        """The sum of all counts, as a file beside the texts."""
        self.words = sum(counted.words for counted in inputs)
        with S3(s3root=self.prefix) as s3:
            s3.put("total.txt", f"{self.words}\n")
        self.next(self.end)

    @step
    def end(self) -> None:
        """Nothing is left to do."""


if __name__ == "__main__":
    Words()
