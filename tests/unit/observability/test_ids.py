"""Ids are different in every call, in every process and whatever the application does with `random`."""

import os
import random
import subprocess
import sys

import pytest

from app.observability.ids import random_hex


def test_an_id_has_two_digits_for_each_byte() -> None:
    assert len(random_hex(40)) == 80
    assert set(random_hex(400)) == set("0123456789abcdef")


def test_an_application_that_seeds_random_does_not_make_ids_repeat() -> None:
    random.seed(7)
    first = random_hex(16)
    random.seed(7)
    assert random_hex(16) != first


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_forked_process_makes_ids_of_its_own() -> None:
    code = (
        "import os\nfrom app.observability.ids import random_hex\n"
        "os.fork()\nos.write(1, (random_hex(16) + chr(10)).encode())\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    first, second = ran.stdout.split()
    assert first != second
