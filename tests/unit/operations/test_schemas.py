"""A kind of spec by any of its names."""

from __future__ import annotations

import pytest

from mlctl.errors import NotFoundError
from mlctl.operations.schemas import find_kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("job", "commandJob"),
        ("commandJob", "commandJob"),
        ("command-job", "commandJob"),
        ("COMMANDJOB.schema.json", "commandJob"),
        ("compute", "amlCompute"),
        ("online-deployment", "managedOnlineDeployment"),
        ("autoMLJob", "automlJob"),
        ("hub", "hub"),
    ],
)
def test_a_kind_by_name(name: str, kind: str) -> None:
    assert find_kind(name).name == kind


def test_a_kind_that_is_none() -> None:
    with pytest.raises(NotFoundError) as caught:
        find_kind("comandJob")
    assert "commandJob" in (caught.value.hint or "")
