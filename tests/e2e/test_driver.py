"""The case driver itself: what must not pass does not."""
import pytest

import cases


@pytest.mark.parametrize("expected,actual", [
    ({"a": 1}, {"a": 2}),
    ({"a": 1}, {}),
    ({"a": True}, {"a": 1}),
    ([1, 2], [1]),
    ("~^x$", "xy"),
    ({"a": {"b": "c"}}, {"a": "b"}),
])
def test_a_different_document_is_a_mismatch(expected, actual):
    assert cases.mismatch(expected, actual) is not None


@pytest.mark.parametrize("expected,actual", [
    ({"a": 1}, {"a": 1, "b": 2}),
    ([{"a": "~^x"}], [{"a": "xyz"}]),
    (None, None),
])
def test_a_document_with_all_that_is_expected_is_a_match(expected, actual):
    assert cases.mismatch(expected, actual) is None


def test_a_misspelt_key_is_an_error(tmp_path):
    path = tmp_path / "misspelt.yaml"
    path.write_text("cases: [{name: n, request: {path: /}, expect: {statsu: 200}}]")
    with pytest.raises(AssertionError, match="statsu"):
        cases.load(path)


def test_a_frame_is_taken_apart():
    vector = bytes.fromhex(
        "000000750000004bb51e28ce0b3a6576656e742d747970650700056368756e6b0d3a636f6e74656e742d747970650700106170706c6963617469"
        "6f6e2f6a736f6e0d3a6d6573736167652d747970650700056576656e747b226279746573223a226533303d222c2270223a22616263227d8bcd2fab")
    assert cases.events_of(vector) == [{"type": "chunk", "json": {"bytes": {}, "p": "abc"}}]
