use super::{Format, becomes};

fn toml(text: &str, wanted: &str) {
    becomes(text, wanted, Format::Toml);
}

#[test]
fn pairs_and_headers_are_spaced() {
    toml(
        "a=1\n  b . c   =  'x'\n\n\n\n[ x . \"y z\" ]   # why\n   k=true\n[[ l ]]\n",
        "a = 1\nb.c = 'x'\n\n[x.\"y z\"] # why\nk = true\n[[l]]\n",
    );
}

#[test]
fn blank_lines_at_the_end_go() {
    toml("a = 1 # x\n\n \n", "a = 1 # x\n");
    toml("a = 1\n\n# x\n\n", "a = 1\n\n# x\n");
}

#[test]
fn brackets_stand_on_one_line_where_that_fits() {
    toml("a = [1,2 ,3,]\nb={x=1,y={}}\nc = [\n1,\n2]\n", "a = [1, 2, 3]\nb = { x = 1, y = {} }\nc = [1, 2]\n");
    toml("a = [\n{x=1},{y=2}]\n", "a = [\n  { x = 1 },\n  { y = 2 },\n]\n");
    toml("a = {\n  x = 1, # one\n\n  # two\n  y.z = [ ]\n}\n", "a = {\n  x = 1, # one\n\n  # two\n  y.z = [],\n}\n");
}

#[test]
fn comments_stay_where_they_are() {
    let text = "#:schema x\n#\n# head\n\nname = \"x\" # end\n\n# of a\n[a] # too\n# of b\nb = 1\n# below\n\n# end\n";
    toml(text, text);
    toml(
        "a = [ # open\n 1 # one\n , # comma\n 2\n # last\n\n]\n# x",
        "a = [\n  # open\n  1, # one\n  # comma\n  2,\n  # last\n]\n# x\n",
    );
    let aligned = "a = 1    # one\nbb = 22  # two\n";
    toml(aligned, aligned);
}

#[test]
fn texts_stay_as_they_are_written() {
    let text = "a = '''\n  x\n    y  \n'''\nb = \"\"\"\\\n   z\"\"\" # why\nc = 0x1F\nd = 1979-05-27T07:32:00Z\n";
    toml(text, text);
    toml("a = [\n  '''\nx\n''', 1]\r\nb = 1\r\n", "a = [\n  '''\nx\n''',\n  1,\n]\nb = 1\n");
}

#[test]
fn dotted_keys_and_tables_keep_their_places() {
    let text = "a.x = 1\nb = 2\na.y = 3\n\n[c.d]\n[e]\n[c.f]\n";
    toml(text, text);
}

#[test]
fn a_key_and_its_value_come_onto_one_line() {
    toml("a = { x # one\n = # two\n 1, y\n= 2 }\n", "a = {\n  # one\n  # two\n  x = 1,\n  y = 2,\n}\n");
}
