from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from assistance.routing import Hours, parse_hours

ZONES = ["UTC", "Europe/Madrid", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Casablanca"]
DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


def moment(text: str, zone: str = "Europe/Madrid", fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


@st.composite
def hours_texts(draw: st.DrawFn) -> str:
    def days() -> str:
        some = st.lists(
            st.one_of(st.sampled_from(DAYS), st.tuples(*[st.sampled_from(DAYS)] * 2).map("-".join)), min_size=1
        )
        return draw(st.one_of(st.just("Daily"), some.map(",".join)))

    def times() -> str:
        start, end = draw(st.tuples(st.integers(0, 1439), st.integers(1, 1440)).filter(lambda pair: pair[0] != pair[1]))
        return f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"

    ranges = [f"{days()} {times()}" for _ in range(draw(st.integers(1, 3)))]
    return f"{', '.join(ranges)} {draw(st.sampled_from(ZONES))}"


instants = st.floats(0, 4_000_000_000, allow_nan=False) | st.integers(0, 4_000_000_000).map(float)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("Mon-Fri 09:00-18:00 Europe/Madrid", "Mon-Fri 09:00-18:00 Europe/Madrid"),
        ("mon-FRI 9:00 - 18:00  UTC", "Mon-Fri 09:00-18:00 UTC"),
        ("Mon,Wed 08:00-12:00 UTC", "Mon,Wed 08:00-12:00 UTC"),
        ("Mon, Wed-Thu, Sun 08:00-12:00 UTC", "Mon,Wed-Thu,Sun 08:00-12:00 UTC"),
        ("Mon-Fri 09:00-13:00, 15:00-18:00 UTC", "Mon-Fri 09:00-13:00, Mon-Fri 15:00-18:00 UTC"),
        ("Mon-Fri 09:00-13:00, Mon-Thu 15:00-18:00 UTC", "Mon-Fri 09:00-13:00, Mon-Thu 15:00-18:00 UTC"),
        ("Sat-Mon 09:00-10:00 UTC", "Mon,Sat-Sun 09:00-10:00 UTC"),
        ("Mon-Sun 22:00-06:00 UTC", "Daily 22:00-06:00 UTC"),
        ("Sat 22:00-00:00 UTC", "Sat 22:00-24:00 UTC"),
    ],
)
def test_hours_may_be_written_in_several_ways(text: str, canonical: str) -> None:
    """Spelling, spacing and lists of days vary, the hours are the same; the text stays as it was written."""
    assert parse_hours(text) == parse_hours(canonical)
    assert str(parse_hours(text)) == " ".join(text.split())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "days, times and a time zone"),
        ("Mon-Fri 09:00-18:00", "time zone"),
        ("09:00-18:00 UTC", "on which days"),
        ("Mon-Fri UTC", "days, times and a time zone"),
        ("Mon 09:00-10:00, Tue UTC", "days that have no times"),
        ("Mon 09:00-10:00,, UTC", "each range"),
        ("Mon 9-18 UTC", "written 09:00-18:00"),
        ("Mon 09:60-18:00 UTC", "00:00 to 24:00"),
        ("Mon 24:00-06:00 UTC", "00:00 to 24:00"),
        ("Mon 09:00-24:01 UTC", "00:00 to 24:00"),
        ("Mon 09:00-09:00 UTC", "same time"),
        ("Lun-Vie 09:00-18:00 UTC", "days are Mon"),
        ("Mon-Wed-Fri 09:00-18:00 UTC", "days are Mon"),
        ("Mon 09:00-18:00 Europe/Atlantis", "time zone"),
        ("Mon 09:00-18:00 Europe", "time zone"),
        ("Mon 09:00-18:00 ../../etc/passwd", "time zone"),
    ],
)
def test_hours_that_cannot_be_read_say_what_is_expected(text: str, says: str) -> None:
    """Each mistake gets a sentence that shows the right form."""
    with pytest.raises(ValueError, match=says):
        parse_hours(text)


@pytest.mark.parametrize(
    ("text", "at", "is_open"),
    [
        ("Mon-Fri 09:00-18:00 Europe/Madrid", "2026-11-23T08:59:59", False),
        ("Mon-Fri 09:00-18:00 Europe/Madrid", "2026-11-23T09:00:00", True),
        ("Mon-Fri 09:00-18:00 Europe/Madrid", "2026-11-23T17:59:59", True),
        ("Mon-Fri 09:00-18:00 Europe/Madrid", "2026-11-23T18:00:00", False),
        ("Mon-Fri 09:00-18:00 Europe/Madrid", "2026-11-22T12:00:00", False),
        ("Sun 22:00-06:00 Europe/Madrid", "2026-11-23T05:59:59", True),
        ("Sun 22:00-06:00 Europe/Madrid", "2026-11-22T05:59:59", False),
        ("Daily 00:00-24:00 Europe/Madrid", "2026-11-22T23:59:59", True),
    ],
)
def test_a_moment_is_open_from_the_first_second_to_before_the_last(text: str, at: str, *, is_open: bool) -> None:
    """The beginning is inside, the end is not, and a range over midnight belongs to the day it begins on."""
    assert parse_hours(text).is_open(moment(at)) is is_open


@pytest.mark.parametrize(
    ("text", "at", "opens"),
    [
        ("Mon-Fri 09:00-18:00 Europe/Madrid", moment("2026-11-20T18:00:00"), moment("2026-11-23T09:00:00")),
        # Clocks go from 02:00 to 03:00 on 2026-03-29: 09:00 is an hour nearer.
        ("Mon-Sun 09:00-18:00 Europe/Madrid", moment("2026-03-28T18:00:00"), moment("2026-03-29T09:00:00")),
        # 02:30 is left out: it opens when the clock jumps to 03:00.
        ("Sun 02:30-04:00 Europe/Madrid", moment("2026-03-29T01:00:00"), moment("2026-03-29T03:00:00")),
        # 02:00-03:00 is left out as a whole: the next is a week later.
        ("Sun 02:00-03:00 Europe/Madrid", moment("2026-03-29T01:00:00"), moment("2026-04-05T02:00:00")),
        # Clocks go from 03:00 back to 02:00 on 2026-10-25: 02:30 comes twice.
        ("Sun 02:30-04:00 Europe/Madrid", moment("2026-10-25T02:00:00", fold=1), moment("2026-10-25T02:30:00", fold=1)),
    ],
)
def test_the_next_opening_follows_the_clock_on_the_wall(text: str, at: float, opens: float) -> None:
    """Summer time moves, removes and repeats hours; the opening is where the wall clock shows it."""
    assert parse_hours(text).next_open(at) == opens


@given(hours_texts())
def test_the_text_of_hours_reads_back_as_the_same_hours(text: str) -> None:
    """`parse_hours(str(hours))` is `hours`, and the text stays as it is."""
    hours = parse_hours(text)
    assert parse_hours(str(hours)) == hours
    assert str(parse_hours(str(hours))) == str(hours)


@given(hours_texts(), instants)
@example("Sun 02:10-02:20 Europe/Madrid", moment("2026-03-29T01:00:00"))
def test_open_and_next_opening_agree(text: str, at: float) -> None:
    """Open now means no next opening; otherwise it is closed until then, and open then."""
    hours = parse_hours(text)
    opens = hours.next_open(at)
    assert (opens is None) is hours.is_open(at)
    if opens is not None:
        assert at < opens < at + 15 * 86_400
        assert hours.is_open(opens)
        assert not hours.is_open(opens - 0.001)


@given(hours_texts(), st.integers(20_454, 24_000))
def test_no_opening_is_passed_over(text: str, day: int) -> None:
    """A walk in steps of ten minutes finds no open moment before the next opening."""
    hours = parse_hours(text)
    at = day * 86_400.0
    opens = hours.next_open(at)
    if opens is not None:
        assert not any(hours.is_open(at + minute * 60) for minute in range(0, int((opens - at) / 60), 10))


@given(hours_texts())
def test_hours_that_cover_the_whole_week_never_close(text: str) -> None:
    """`whole_week` holds exactly where every minute of a week is open."""
    hours: Hours = parse_hours(text.rsplit(" ", 1)[0] + " UTC")
    week = range(345_600, 345_600 + 7 * 86_400, 60)
    assert hours.whole_week is all(hours.is_open(minute) for minute in week)
