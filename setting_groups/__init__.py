"""Settings by what they are about: one frozen dataclass a subject, with the rules that its values must keep.

`settings.Settings` is all of them together. Every default is a decision with its cost: prices are on-demand us-east-1
list prices in USD of 2026, as an order of magnitude. Imports nothing of ours but `batch_limits` and
`instance_type_facts`.
"""
