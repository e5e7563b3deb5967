"""A set of row numbers takes a bit a row."""

from hypothesis import given
from hypothesis import strategies as st

from asyncapi.bulk.indices import Indices


@given(st.lists(st.integers(0, 5000)))
def test_it_is_a_set_of_numbers(numbers):
    indices = Indices()
    for number in numbers:
        indices.add(number)
    assert len(indices) == len(set(numbers))
    assert all((number in indices) == (number in numbers) for number in range(5100))
