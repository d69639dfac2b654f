use super::{Format, becomes};

fn yaml(text: &str, wanted: &str) {
    becomes(text, wanted, Format::Yaml);
}

fn stays(text: &str) {
    yaml(text, text);
}

#[test]
fn blocks_are_indented_by_two() {
    yaml(
        "a:\n    b:   1\n    c:\n    - x\n    -   y:  1\n        z: 2\n    -\n        - 1\n        -   - 2\nd:\n- 1\n",
        "a:\n  b: 1\n  c:\n    - x\n    - y: 1\n      z: 2\n    - - 1\n      - - 2\nd:\n  - 1\n",
    );
}

#[test]
fn brackets_stand_on_one_line_where_that_fits() {
    yaml("a: {b: 1,c: [1,2 , 3 ], d: {}, e: [ ]}\n", "a: { b: 1, c: [1, 2, 3], d: {}, e: [] }\n");
    yaml("a: [1,\n 2,\n 3]\nb: [\n 1, 2,\n]\n", "a: [1, 2, 3]\nb: [1, 2]\n");
    yaml("a: { x, y: , [p: 1]: 2 }\n".replace("[p: 1]", "z").as_str(), "a: { x, y, z: 2 }\n");
    // A break after the bracket is the author's, where what is in it has parts of its own.
    yaml("a: [\n {b: 1}, {c: 2}]\n", "a: [\n  { b: 1 },\n  { c: 2 },\n]\n");
    let long = "x".repeat(60);
    yaml(&format!("a: [{long}, {long}, y{long}]\n"), &format!("a: [\n  {long},\n  {long},\n  y{long},\n]\n"));
    yaml("a: [b: 1, c]\n", "a: [{ b: 1 }, c]\n");
}

#[test]
fn comments_stay_where_they_are() {
    stays(
        "# yaml-language-server: $schema=x\n#\n# head\n\nname: x # end\n\n# above\na: # of a\n  # above b\n  b: 1\n  # below b\n\n\
         # above c\nc:\n  # above item\n  - 1 # one\n  # above map\n  - a: 1 # first\n    b: 2\n    # below the map\n  # below the list\n# end\n",
    );
    yaml(
        "k:\n- 1\n# of l\nl:\n-  # of the map\n   m: 1\n-\n\n   # above\n   n: 1\n",
        "k:\n  - 1\n# of l\nl:\n  # of the map\n  - m: 1\n\n  # above\n  - n: 1\n",
    );
    yaml(
        "a: [ # open\n  1, # one\n  2 # two\n  # three\n  ] # all\n",
        "a: [\n  # open\n  1, # one\n  2, # two\n  # three\n] # all\n",
    );
    yaml("a: {b, # x\n c}\n", "a: {\n  b, # x\n  c,\n}\n");
    yaml(
        "a: # of a\n  1\nb:\n  # of b\n  2 # two\nc: # x\n  3 # y\n",
        "a: 1 # of a\n# of b\nb: 2 # two\n# x\nc: 3 # y\n",
    );
    yaml(
        "a:   # nothing\nb:\n  # later\nc: 1\n# one\n\n\n\n# two\n",
        "a: # nothing\nb:\n# later\nc: 1\n# one\n\n# two\n",
    );
    yaml("{a: 1} # x\n# y\n", "{ a: 1 } # x\n# y\n");
}

#[test]
fn comments_in_a_column_keep_it() {
    stays("a: 1      # one\nb:\n  c: 22   # two\n  d: 3    # three\ne: 1 # four\n");
    yaml(
        "a:   1  # one\nbb:  22 # two\nc: {x: 1,  y: 2} # three\n",
        "a: 1    # one\nbb: 22  # two\nc: { x: 1, y: 2 } # three\n",
    );
}

#[test]
fn scalars_stay_as_they_are_written() {
    stays("a: 'it''s'\nb: \"\\u00e9\"\nc: plain words\n'd': 1\n? e\n: 2\n".replace("? e\n: 2", "e: 2").as_str());
    yaml("? e\n: 2\n? f\n", "e: 2\nf:\n");
    yaml("a: long\n      text\n\n\n      again\nb: 'x  \n   y'\n", "a: long\n  text\n\n\n  again\nb: 'x\n  y'\n");
    yaml("a: \"x \\\n    y\\\n   \\ z\"\n", "a: \"x \\\n  y\\\n  \\ z\"\n");
}

#[test]
fn traps_get_quotes() {
    yaml(
        "a: fd00::1/64\nb: [no, 22:22, 010, 1e3, fd00:1::2]\nc: true\nd: 8088\nmac: 02:00:00:00:00:01\non: 1\ne: w:eth0 fd00::1/64\n",
        "a: \"fd00::1/64\"\nb: [\"no\", \"22:22\", \"010\", \"1e3\", \"fd00:1::2\"]\nc: true\nd: 8088\nmac: \"02:00:00:00:00:01\"\n\"on\": 1\ne: \"w:eth0 fd00::1/64\"\n",
    );
}

#[test]
fn what_a_blank_would_make_a_mark_gets_quotes() {
    yaml("a: {?}\nb: [?, c?]\n", "a: { \"?\" }\nb: [\"?\", c?]\n");
}

#[test]
fn block_scalars_keep_their_text() {
    yaml(
        "a: |   # text\n      one\n        two\n\n\n      three  \n\n\nb: >-\n x\n\n y\nc: 1\n",
        "a: | # text\n  one\n    two\n\n\n  three  \n\nb: >-\n  x\n\n  y\nc: 1\n",
    );
    yaml("l:\n- |+\n  x\n\n\n- |2-\n      y\n     z\n", "l:\n  - |+\n    x\n\n\n  - |2-\n        y\n       z\n");
    yaml("a:\n    b: |1\n        x\n", "a:\n  b: |2\n       x\n");
    yaml("a: |\nb: |+\n\n\nc: |\n  x\n# y\n", "a: |\nb: |+\n\n\nc: |\n  x\n# y\n");
}

#[test]
fn anchors_tags_and_merges_are_kept() {
    yaml(
        "x: &a   {b: 1}\ny:\n   <<:   *a\n   c: !!str   5\nz: &l\n- &i 1\n- *i\n- &m\n  k: 1\n-   !!map {}\nw: &d # deep\n  v: 1\n? *i\n: 2\n",
        "x: &a { b: 1 }\ny:\n  <<: *a\n  c: !!str 5\nz: &l\n  - &i 1\n  - *i\n  - &m\n    k: 1\n  - !!map {}\nw: &d # deep\n  v: 1\n*i : 2\n",
    );
}

#[test]
fn comments_behind_an_anchor_stay_with_its_value() {
    yaml(
        "a: &x # one\n  5\nb: &y   # two\n  # three\n  [1]\nc: 1\n",
        "a: &x 5 # one\n# three\nb: &y [1] # two\nc: 1\n",
    );
    yaml("a:\n- &x # one\n  5\n- !!str # two\n  x # three\n", "a:\n  - &x 5 # one\n  # two\n  - !!str x # three\n");
    yaml(
        "a: &x # one\n  |\n  t\nb: &y # two\nc: &z # three\n  k: 1\n",
        "a: &x | # one\n  t\nb: &y # two\nc: &z # three\n  k: 1\n",
    );
}

#[test]
fn a_key_in_brackets_keeps_its_last_colon() {
    yaml("a: [b::,c]\nd: {e: , f::}\n", "a: [{ b:: }, c]\nd: { e, f:: }\n");
}

#[test]
fn marks_of_documents_are_kept() {
    yaml("%YAML 1.2\n---\na: 1\n...\n", "%YAML 1.2\n---\na: 1\n");
    yaml("# x\n\n--- # y\na: 1\n", "# x\n\n---\n# y\na: 1\n");
    yaml("--- &a\nb: 1\n", "--- &a\nb: 1\n");
}

#[test]
fn line_ends_and_blanks_are_made_plain() {
    yaml("\u{feff}\r\n\r\na: 1  \r\n\r\n\r\n\r\nb: 2\t \r\n\r\n", "a: 1\n\nb: 2\n");
    yaml("a: 1", "a: 1\n");
    yaml("a: 1\rb: 2 # x\rc: 3", "a: 1\nb: 2 # x\nc: 3\n");
}
