//! The outcomes of checks: as text, as one JSON document, as JUnit XML.

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::{
    kind::check::Expect,
    probe::{Outcome, Status},
};

/// The version of the JSON document. The minor part grows with compatible additions.
const FORMAT_VERSION: &str = "1.0";

fn word(expect: Expect) -> &'static str {
    match expect {
        Expect::Reachable => "reachable",
        Expect::Blocked => "blocked",
    }
}

/// How many hold, how many do not.
fn counts(outcomes: &[Outcome]) -> (usize, usize) {
    let passed = outcomes.iter().filter(|outcome| outcome.status == Status::Pass).count();
    (passed, outcomes.len() - passed)
}

/// Text for a person, with colours (which whoever prints it may strip): a line a check, and a summary.
pub fn text(outcomes: &[Outcome]) -> String {
    let wide = outcomes.iter().map(|outcome| outcome.title.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for outcome in outcomes {
        let (style, status) = match outcome.status {
            Status::Pass => (AnsiColor::Green.on_default(), "ok  "),
            Status::Fail => (AnsiColor::Red.on_default().bold(), "FAIL"),
        };
        let told = match (outcome.status, outcome.expected) {
            (Status::Pass, Expect::Reachable) => outcome.got.clone(),
            (Status::Pass, Expect::Blocked) => format!("blocked: {}", outcome.got),
            (Status::Fail, expected) => format!("expected {}: {}", word(expected), outcome.got),
        };
        text += &format!("{style}{status}{style:#}  {:wide$}  {told}\n", outcome.title);
    }
    let (passed, failed) = counts(outcomes);
    let style = match (passed, failed) {
        (0, 0) => return "No checks.\n".into(),
        (_, 0) => AnsiColor::Green.on_default(),
        _ => Style::new().bold(),
    };
    text += &format!("\n{style}{passed} passed, {failed} failed{style:#}\n");
    text
}

#[derive(Serialize)]
struct Document<'a> {
    format_version: &'a str,
    passed: usize,
    failed: usize,
    checks: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    title: &'a str,
    status: Status,
    expected: Expect,
    got: &'a str,
    elapsed_ms: f64,
}

/// One JSON document.
pub fn json(outcomes: &[Outcome]) -> serde_json::Result<String> {
    let (passed, failed) = counts(outcomes);
    let checks = outcomes
        .iter()
        .map(|outcome| Entry {
            title: &outcome.title,
            status: outcome.status,
            expected: outcome.expected,
            got: &outcome.got,
            elapsed_ms: (outcome.elapsed.as_secs_f64() * 1e6).round() / 1e3,
        })
        .collect();
    let document = Document { format_version: FORMAT_VERSION, passed, failed, checks };
    serde_json::to_string_pretty(&document).map(|text| text + "\n")
}

/// JUnit XML, as CI services read it: one test suite named after the topology, one test case a check.
pub fn junit(topology: &str, outcomes: &[Outcome]) -> String {
    let (_, failed) = counts(outcomes);
    let suite = escape(topology);
    // Checks run at the same time: the longest says more about the whole than their sum.
    let time = outcomes.iter().map(|outcome| outcome.elapsed).max().unwrap_or_default().as_secs_f64();
    let totals = format!("tests=\"{}\" failures=\"{failed}\" errors=\"0\" time=\"{time:.3}\"", outcomes.len());
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    xml += &format!("<testsuites name=\"netwright\" {totals}>\n");
    xml += &format!("  <testsuite name=\"{suite}\" {totals} skipped=\"0\">\n");
    for outcome in outcomes {
        let (title, got) = (escape(&outcome.title), escape(&outcome.got));
        let time = outcome.elapsed.as_secs_f64();
        let case = format!("    <testcase classname=\"{suite}\" name=\"{title}\" time=\"{time:.3}\">\n");
        let body = match outcome.status {
            Status::Pass => format!("      <system-out>{got}</system-out>\n"),
            Status::Fail => {
                let expected = word(outcome.expected);
                format!("      <failure type=\"{expected}\" message=\"expected {expected}: {got}\">{got}</failure>\n")
            }
        };
        xml += &format!("{case}{body}    </testcase>\n");
    }
    xml + "  </testsuite>\n</testsuites>\n"
}

/// Text for an attribute or an element of XML. What XML 1.0 cannot hold in any form becomes U+FFFD.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // As they are, an attribute's reader would turn them into spaces.
            '\t' | '\n' | '\r' => escaped += &format!("&#{};", u32::from(c)),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn outcomes() -> Vec<Outcome> {
        let outcome = |title: &str, status, expected, got: &str, ms| Outcome {
            title: title.into(),
            status,
            expected,
            got: got.into(),
            elapsed: Duration::from_micros(ms),
        };
        vec![
            outcome("web -> db ping", Status::Pass, Expect::Reachable, "answered by 192.168.0.3 in 0.2 ms", 240),
            outcome("web -> host tcp 80", Status::Pass, Expect::Blocked, "no answer in 1.0 s", 1_000_100),
            outcome("a & \"b\"", Status::Fail, Expect::Reachable, "answered by something that says \"<\"", 1_234),
        ]
    }

    #[test]
    fn text_is_aligned_and_summed_up() {
        insta::assert_snapshot!(anstream::adapter::strip_str(&text(&outcomes())).to_string(), @r#"
        ok    web -> db ping      answered by 192.168.0.3 in 0.2 ms
        ok    web -> host tcp 80  blocked: no answer in 1.0 s
        FAIL  a & "b"             expected reachable: answered by something that says "<"

        2 passed, 1 failed
        "#);
        assert_eq!(text(&[]), "No checks.\n");
    }

    #[test]
    fn json_is_one_document() {
        let document: serde_json::Value = serde_json::from_str(&json(&outcomes()).unwrap()).unwrap();
        assert_eq!((&document["passed"], &document["failed"]), (&2.into(), &1.into()));
        insta::assert_snapshot!(serde_json::to_string_pretty(&document["checks"][1]).unwrap(), @r#"
        {
          "title": "web -> host tcp 80",
          "status": "pass",
          "expected": "blocked",
          "got": "no answer in 1.0 s",
          "elapsed_ms": 1000.1
        }
        "#);
    }

    #[test]
    fn junit_is_escaped() {
        insta::assert_snapshot!(junit("web-lab", &outcomes()), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="netwright" tests="3" failures="1" errors="0" time="1.000">
          <testsuite name="web-lab" tests="3" failures="1" errors="0" time="1.000" skipped="0">
            <testcase classname="web-lab" name="web -&gt; db ping" time="0.000">
              <system-out>answered by 192.168.0.3 in 0.2 ms</system-out>
            </testcase>
            <testcase classname="web-lab" name="web -&gt; host tcp 80" time="1.000">
              <system-out>no answer in 1.0 s</system-out>
            </testcase>
            <testcase classname="web-lab" name="a &amp; &quot;b&quot;" time="0.001">
              <failure type="reachable" message="expected reachable: answered by something that says &quot;&lt;&quot;">answered by something that says &quot;&lt;&quot;</failure>
            </testcase>
          </testsuite>
        </testsuites>
        "#);
        assert_eq!(escape("\u{1b}[1m\0\n'é"), "\u{fffd}[1m\u{fffd}&#10;'é");
    }
}
