"""moto's STS, for which the server's own access key is that of a role's session and not of a user.

SageMaker's SDK takes the caller's role as the execution role, and accepts no user.
"""

from __future__ import annotations

from moto.sts.models import STSBackend

from mlci_emulator.server.sdk_configuration import ROLE_NAME

_ANYBODY = ":user/moto"


class MotoSts(STSBackend):
    """The backend of one account."""

    __module__ = STSBackend.__module__  # where moto looks for a backend's URLs

    def get_caller_identity(self, access_key_id: str, region: str) -> tuple[str, str, str]:
        user_id, arn, account = super().get_caller_identity(access_key_id, region)
        if not arn.endswith(_ANYBODY):  # a key that STS or IAM issued
            return user_id, arn, account
        return f"AROAMLCI:{ROLE_NAME}", f"arn:aws:sts::{account}:assumed-role/{ROLE_NAME}/{ROLE_NAME}", account
