"""The one account and region that a local cloud plays."""

from __future__ import annotations

from typing import Final

ACCOUNT_ID: Final = "123456789012"
REGION: Final = "us-east-1"

OWNER_KEY: Final = "local"
"""Access key and secret of who started the local cloud: the account's root, whatever is enforced of others."""
