use super::{Format, becomes};

#[test]
fn short_is_on_one_line_and_breaks_are_kept() {
    becomes(
        "{\"a\":[1,\n2],\"b\":{\"c\":null,\"d\":{}},\"e\":[\n{\"x\":\"\\u00e9\"}],\"f\":{\n\"g\":1}}",
        "{\n  \"a\": [1, 2],\n  \"b\": { \"c\": null, \"d\": {} },\n  \"e\": [\n    { \"x\": \"\\u00e9\" }\n  ],\n  \"f\": { \"g\": 1 }\n}\n",
        Format::Json,
    );
}

#[test]
fn scalars_stay_as_they_are_written() {
    becomes(" { \"a\":[ 1 , 2.50 , -1e3 ]}", "{\n  \"a\": [1, 2.50, -1e3]\n}\n", Format::Json);
}
