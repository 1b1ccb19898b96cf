"""How jobs reach AWS."""

from __future__ import annotations

import enum


class NetworkMode(enum.Enum):
    """How jobs reach AWS's APIs and image registries. Nothing from outside reaches them in any mode."""

    PUBLIC = "public"
    """Public subnets: through the internet gateway, from an address of each job or instance. Nothing per hour."""
    NAT = "nat"
    """Private subnets: through NAT gateways, 0.045 USD an hour each, and with them the Internet."""
    ENDPOINTS = "endpoints"
    """Private subnets: through interface endpoints, 0.01 USD an hour each and zone, and nowhere else."""
