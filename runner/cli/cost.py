"""`hpc cost`: what a deployment costs at rest, from its templates alone; and today's prices for it."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

import click

from runner.assembly.cloud_assembly import read_assembly
from runner.assembly.cost_text import comparison_table, notes, resource_table
from runner.assembly.idle_cost import IdleCost, idle_cost
from runner.assembly.price_table import REGION, price_table, users_copy
from runner.cli.deploy import cdk_app
from runner.cli.options import Context, common_options, pass_context
from runner.cli.text_table import terminal_width, text_table
from runner.errors import InputError


@click.command()
@click.option("--idle", is_flag=True, help="What is billed while nothing runs, per hour and per month of 730 hours.")
@click.option(
    "--settings",
    "profiles",
    metavar="PROFILE",
    multiple=True,
    help="Price this profile of settings.py instead of cdk.out; given more than once, side by side.",
)
@click.option(
    "--assembly",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Price the templates in this folder, as they are (default: cdk.out, synthesised first).",
)
@click.option(
    "--refresh",
    is_flag=True,
    help="Read today's list prices from AWS (pricing:GetProducts) and keep them in the directory of runs.",
)
@common_options
@pass_context
def cost(context: Context, *, idle: bool, profiles: tuple[str, ...], folder: Path | None, refresh: bool) -> None:
    """What the deployment costs at rest, resource by resource, from its templates: no account is asked.

    Prices are list prices of us-east-1 in USD without tax: the repository's dated table, or your copy of it
    once --refresh has made one. What the table does not know is listed as not priced.
    """
    _check(context, idle=idle, refresh=refresh, profiles=profiles, folder=folder)
    if refresh:
        _refresh(context, quiet=idle)
    if idle:
        if folder is None:
            what = f"profiles {', '.join(profiles)}" if len(profiles) > 1 else f"profile {(*profiles, 'default')[0]}"
            context.say(f"{what} of settings.py, from the templates; no account is asked")
        _tell(context, _costs(context, profiles, folder))


def _check(context: Context, *, idle: bool, refresh: bool, profiles: tuple[str, ...], folder: Path | None) -> None:
    if not idle and not refresh:
        raise InputError("--idle, --refresh: say what is asked, one of them at least, got neither; add --idle")
    if context.local:
        option = "--refresh" if refresh else "--idle"
        raise InputError(
            f"--local: a local cloud has no prices and costs nothing, got it with {option}; leave --local out"
        )
    if context.region not in {None, REGION}:
        raise InputError(f"--region: prices here are those of {REGION}, got {context.region!r}; leave it out")
    if folder is not None and profiles:
        raise InputError(f"--assembly: is synthesised already, got --settings {profiles[0]} too; give one of them")
    if not idle and (folder is not None or profiles):
        raise InputError("--settings, --assembly: say what --idle looks at, got no --idle; add it")


def _costs(context: Context, profiles: tuple[str, ...], folder: Path | None) -> dict[str, IdleCost]:
    prices = price_table(context.home)
    if profiles:
        apps = {profile: cdk_app(context, os.environ, profile) for profile in dict.fromkeys(profiles)}
        for app in apps.values():
            app.synth()
        return {profile: idle_cost(read_assembly(app.assembly), prices) for profile, app in apps.items()}
    if folder is not None:
        return {str(folder): idle_cost(read_assembly(folder), prices)}
    app = cdk_app(context, os.environ)
    app.synth()
    return {app.assembly.name: idle_cost(read_assembly(app.assembly, str(app.assembly)), prices)}


def _tell(context: Context, costs: dict[str, IdleCost]) -> None:
    prices = price_table(context.home)
    headings, rows = comparison_table(costs) if len(costs) > 1 else resource_table(next(iter(costs.values())))
    width = terminal_width()
    sentences = [textwrap.fill(sentence, width) if width else sentence for sentence in notes(prices, costs)]
    text = "\n".join([text_table(headings, rows, width=width), "", *sentences])
    document = {
        "prices": {"region": prices.region, "currency": "USD", "date": prices.date, "from": prices.origin},
        "profiles": {name: cost.document() for name, cost in costs.items()},
    }
    context.emit(document, text=text)


def _refresh(context: Context, *, quiet: bool) -> None:
    from runner.assembly.price_refresh import refreshed_table  # noqa: PLC0415 - only this asks AWS

    refreshed = refreshed_table(context.connect().pricing)
    refreshed.write(users_copy(context.home))
    for name, reason in refreshed.kept.items():
        context.say(f"kept as of {refreshed.table.prices[name].checked}: {name}: {reason}")
    context.say(f"{users_copy(context.home)}: {len(refreshed.table.prices)} prices, {len(refreshed.kept)} kept")
    if not quiet:
        context.emit({"written": str(users_copy(context.home)), "kept": refreshed.kept}, text="")
