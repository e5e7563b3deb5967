"""Alt-Svc (RFC 7838): what is read, what is refused, what is remembered and for how long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.http import altsvc
from asyncapi.sansio.http.altsvc import Alternative, AltServices, Offer, parse

ORIGIN = ("https", "h.example", 443)
HERE = Alternative("", 443)
FIELD = ['h3=":443"']
DAY = 86_400


def h3(host="", port=443, age=DAY, *, persist=False):
    return Offer(Alternative(host, port), age, persist)


READ = [
    # caddy's, nginx's, Cloudflare's, Google's, and the examples of RFC 7838
    (['h3=":443"; ma=2592000'], [h3(age=2_592_000)]),
    (['h3=":8443"; ma=86400'], [h3(port=8443)]),
    (['h3=":443"; ma=2592000,h3-29=":443"; ma=2592000'], [h3(age=2_592_000)]),
    (['h3=":443"; ma=2592000; persist=1'], [h3(age=2_592_000, persist=True)]),
    (['h2="alt.example.com:8000", h2=":443"; ma=3600'], []),
    (['h3="alt.example.com:8000", h3=":443"; ma=3600'], [h3("alt.example.com", 8000), h3(age=3600)]),
    (['w%3Dx%3Ay#z=":443"', 'x%25y=":443"'], []),
    # several lines are one list
    (['h2=":443"', 'h3=":443"'], [h3()]),
    # its grammar: optional blanks, quoted parameters, unknown parameters, empty elements
    (['h3=":443";ma=60'], [h3(age=60)]),
    (['h3=":443" \t; \tma=60'], [h3(age=60)]),
    (['h3=":443"; ma="60"'], [h3(age=60)]),
    (['h3=":443"; MA=60; v="46,43"; x=y'], [h3(age=60)]),
    ([', ,h3=":443",,'], [h3()]),
    ([r'h3="\:44\3"'], [h3()]),
    (['h3=":443"; persist=2'], [h3()]),
    (['h3=":443"; ma=0'], [h3(age=0)]),
    (['h3=":443"; ma=99999999999999999999'], [h3(age=2**31)]),
    # hosts
    (['h3="ALT.Example.com:443"'], [h3("alt.example.com")]),
    (['h3="192.0.2.1:443"'], [h3("192.0.2.1")]),
    (['h3="[2001:DB8::1]:443"'], [h3("2001:db8::1")]),
    # other protocols, and other spellings of this one
    (['h2=":443"'], []),
    (['H3=":443"'], []),
    (['h3-29=":443"'], []),
    # clear, which goes before anything else in the field
    (["clear"], []),
    (['h3=":443", clear'], []),
    (['h3=":443"', "clear"], []),
    ([""], []),
    ([], []),
]


@pytest.mark.parametrize(("values", "offers"), READ)
def test_a_valid_field_is_read(values, offers):
    assert parse(values) == tuple(offers)


REFUSED = [
    "h3",
    "h3=",
    "h3=:443",
    'h3=":443',
    'h3 =":443"',
    'h3= ":443"',
    "h3=':443'",
    "CLEAR",
    "clear; x=y",
    'h3=":443" ma=60',
    'h3=":443";',
    'h3=":443"; ma',
    'h3=":443"; ma=',
    'h3=":443"; ma = 60',
    'h3=":443"; ma=-1',
    'h3=":443"; ma=1.5',
    'h3=":443"; ma=\u0661',
    'h3=":443"; ma=60; ma=70',
    'h3=":443"; ma=60; MA=70',
    'h3=":0"',
    'h3=":65536"',
    'h3=":123456"',
    'h3=""',
    'h3="443"',
    'h3="h.example"',
    'h3="https://h.example:443"',
    'h3="user@h.example:443"',
    'h3="h.example:443/"',
    'h3="h%2Eexample:443"',
    'h3="[::1:443"',
    'h3="[1.2.3.4]:443"',
    'h3="::1:443"',
    'h3="h.example\u0100:443"',
    'h3="h.exa\x00mple:443"',
    # protocol ids: percent-encoded where they need it, and only there, with upper-case digits
    '%683=":443"',
    '%zz=":443"',
    'w%3dx=":443"',
    'w%=":443"',
    'h3=":443"; ma="6\r\n0"',
]


@pytest.mark.parametrize("element", REFUSED)
@pytest.mark.parametrize("form", ["{}", 'h3=":443", {}', '{}, h3=":443"'])
def test_a_field_with_one_invalid_element_changes_nothing(element, form):
    assert parse([form.format(element)]) is None
    memory = AltServices()
    memory.learn(ORIGIN, FIELD, 0.0)
    memory.learn(ORIGIN, [form.format(element)], 0.0)
    assert memory.of(ORIGIN, 1.0) == HERE


def test_a_field_that_is_too_long_is_not_read():
    assert parse(['h3=":443"; x="' + "a" * 20_000 + '"']) is None
    assert parse(['h3=":443"'] * 2000) is None


def test_only_so_many_alternatives_of_an_origin_are_kept():
    offers = parse([f'h3=":{port}"' for port in range(1, 100)])
    assert offers == tuple(h3(port=port) for port in range(1, altsvc.MOST + 1))


@given(st.lists(st.text(max_size=60), max_size=4))
def test_no_field_breaks_the_reader(values):
    assert parse(values) is None or all(0 < each.alternative.port < 65_536 for each in parse(values))


TOKENS = st.text("abcXYZ019!#$&'*+-.^_`|~", min_size=1, max_size=8)
HOSTS = st.one_of(st.just(""), st.text("abc019.-", min_size=1, max_size=12), st.ip_addresses(v=6).map("[{}]".format))


@given(
    st.lists(
        st.tuples(
            st.one_of(st.just("h3"), TOKENS), HOSTS, st.integers(1, 65_535), st.integers(0, 10**8), st.booleans()
        ),
        max_size=altsvc.MOST,
    ),
    st.data(),
)
def test_what_is_written_by_the_grammar_is_read_back(wanted, data):
    def space():
        return data.draw(st.text(" \t", max_size=2))

    elements = [
        f'{protocol}="{host}:{port}"{space()};{space()}ma={age}{space()}'
        f"{f';{space()}persist=1' if persist else ''}{space()}"
        for protocol, host, port, age, persist in wanted
    ]
    cut = data.draw(st.integers(0, len(elements)))
    offers = parse([",".join(elements[:cut]), ",".join(elements[cut:])])
    assert offers == tuple(
        h3(host.strip("[]"), port, age, persist=persist)
        for protocol, host, port, age, persist in wanted
        if protocol == "h3"
    )


# The memory


def test_an_alternative_is_known_until_it_is_stale():
    memory = AltServices()
    memory.learn(ORIGIN, ['h3=":443"; ma=60'], 1000.0)
    assert memory.of(ORIGIN, 1059.0) == HERE
    assert memory.of(ORIGIN, 1060.0) is None
    assert memory.of(("https", "other.example", 443), 1000.0) is None


def test_the_time_that_a_response_spent_in_caches_counts():
    memory = AltServices()
    memory.learn(ORIGIN, ['h3=":443"; ma=60'], 1000.0, age=50)
    assert memory.of(ORIGIN, 1009.0) == HERE
    assert memory.of(ORIGIN, 1010.0) is None


def test_only_https_origins_have_alternatives():
    memory, plain = AltServices(), ("http", "h.example", 80)
    memory.learn(plain, FIELD, 0.0)
    assert memory.of(plain, 0.0) is None


@pytest.mark.parametrize("field", [["clear"], ["h2=':443'".replace("'", '"')], [""]])
def test_a_field_without_h3_forgets_the_origin(field):
    memory = AltServices()
    memory.learn(ORIGIN, FIELD, 0.0)
    assert memory.knows(ORIGIN)
    memory.learn(ORIGIN, field, 1.0)
    assert memory.of(ORIGIN, 1.0) is None
    assert not memory.knows(ORIGIN)


def test_a_field_replaces_what_was_known():
    memory = AltServices()
    memory.learn(ORIGIN, ['h3=":1", h3=":2"'], 0.0)
    memory.learn(ORIGIN, ['h3=":3"'], 0.0)
    assert memory.of(ORIGIN, 0.0) == Alternative("", 3)


def test_the_next_alternative_is_used_while_the_first_is_broken():
    memory = AltServices()
    memory.learn(ORIGIN, ['h3=":1", h3=":2"'], 0.0)
    memory.failed(ORIGIN, Alternative("", 1), 0.0)
    assert memory.of(ORIGIN, 1.0) == Alternative("", 2)
    memory.failed(ORIGIN, Alternative("", 2), 1.0)
    assert memory.of(ORIGIN, 2.0) is None
    assert [memory.broken(now) for now in (2.0, 300.0, 301.0)] == [2, 1, 0]
    assert memory.of(ORIGIN, 300.0) == Alternative("", 1)


def test_a_broken_alternative_stays_broken_though_the_server_names_it_again():
    memory = AltServices()
    memory.learn(ORIGIN, FIELD, 0.0)
    memory.failed(ORIGIN, HERE, 0.0)
    memory.learn(ORIGIN, FIELD, 1.0)
    assert memory.of(ORIGIN, 1.0) is None


def test_each_failure_doubles_the_time_up_to_a_day_and_a_success_clears_it():
    memory, now = AltServices(), 0.0
    memory.learn(ORIGIN, ['h3=":443"; ma=2147483648'], now)
    for seconds in [300, 600, 1200, 2400, 4800, 9600, 19_200, 38_400, 76_800, DAY, DAY]:
        memory.failed(ORIGIN, HERE, now)
        memory.failed(ORIGIN, HERE, now + 1.0)  # another call that had begun before: no second failure
        assert memory.of(ORIGIN, now + seconds - 1) is None
        now += seconds
        assert memory.of(ORIGIN, now) == HERE
    memory.worked(ORIGIN, HERE)
    memory.failed(ORIGIN, HERE, now)
    assert memory.of(ORIGIN, now + 300) == HERE


def test_marks_are_of_one_origin():
    memory, other = AltServices(), ("https", "other.example", 443)
    for origin in (ORIGIN, other):
        memory.learn(origin, ['h3="alt.example:443"'], 0.0)
    memory.failed(ORIGIN, Alternative("alt.example", 443), 0.0)
    assert memory.of(other, 0.0) == Alternative("alt.example", 443)


def test_a_misdirected_request_forgets_the_origin():
    memory = AltServices()
    memory.learn(ORIGIN, FIELD, 0.0)
    memory.forget(ORIGIN)
    memory.forget(ORIGIN)
    assert memory.of(ORIGIN, 0.0) is None


def test_the_memory_is_bounded():
    memory = AltServices()
    for number in range(altsvc.ORIGINS + 10):
        origin = ("https", f"h{number}.example", 443)
        memory.learn(origin, FIELD, 0.0)
        memory.failed(origin, Alternative("", 1), 0.0)
    assert len(memory._known) == len(memory._broken) == altsvc.ORIGINS
    assert memory.of(("https", "h0.example", 443), 0.0) is None
    assert memory.of(("https", f"h{altsvc.ORIGINS}.example", 443), 0.0) == HERE
