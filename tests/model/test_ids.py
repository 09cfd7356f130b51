"""Identifiers."""

from concurrent.futures import ThreadPoolExecutor
from uuid import RFC_4122, UUID

from assistance.model import first_uuid7, uuid7


def test_ids_are_uuids_of_version_7_in_the_order_of_time():
    """The first 48 bits are the milliseconds, so that ids sort by creation."""
    now = 1_795_457_756.167
    found = UUID(uuid7(now))
    assert (found.version, found.variant) == (7, RFC_4122)
    assert found.int >> 80 == 1_795_457_756_167
    assert uuid7(now) < uuid7(now + 0.001)


def test_ids_differ_though_many_threads_make_them_at_once():
    """No random part is used twice, across refills of the pool as well."""
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(uuid7, [1.0] * 20_000))
    assert len(set(made)) == 20_000


def test_the_first_id_of_an_instant_is_below_all_of_it():
    """And above all before it; an instant out of range gives the first or the last id."""
    now = 1_795_457_756.167
    assert uuid7(now - 0.001) < first_uuid7(now) < uuid7(now)
    assert UUID(first_uuid7(-1e9)).int >> 80 == 0
    assert UUID(first_uuid7(1e12)).int >> 80 == 0xFFFF_FFFF_FFFF
