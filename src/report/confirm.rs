//! The question before anything is done, as Terraform asks it.

use std::io::{self, BufRead, Write};

use crate::report::{
    style::{BOLD, paint},
    words::Operation,
};

/// What became of the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// `yes`.
    Approved,
    /// Anything else.
    Declined,
    /// Nobody was there to answer; counts as declined.
    EndOfInput,
}

/// What is said on stderr where there was nobody to ask.
pub const NOBODY: &str = "no answer could be read: standard input has ended. Where nobody is there to be asked, run it \
                          with -auto-approve, or apply a plan that was saved with `netwright plan -out`";

/// An answer is read no further than this; what is longer is no "yes".
const LONGEST: u64 = 4096;

/// Asks on `out` and reads the answer from `input`. What follows is the caller's: [`Operation::cancelled`] on stdout
/// and [`NOBODY`] on stderr, exit 1.
pub fn ask(operation: Operation, topology: &str, input: &mut impl BufRead, out: &mut impl Write) -> io::Result<Answer> {
    let (head, body) = match operation {
        Operation::Apply => (
            "Do you want to perform these actions?",
            "  netwright will perform the actions described above.\n  Only 'yes' will be accepted to approve."
                .to_owned(),
        ),
        Operation::Destroy => (
            "Do you really want to destroy all resources?",
            format!(
                "  netwright will destroy what \"{topology}\" owns, as shown above.\n  There is no undo. Only 'yes' \
                 will be accepted to approve."
            ),
        ),
    };
    write!(out, "\n{}\n{body}\n\n  {} ", paint(BOLD, head), paint(BOLD, "Enter a value:"))?;
    out.flush()?;
    let answer = read(input)?;
    writeln!(out)?;
    out.flush()?;
    Ok(answer)
}

fn read(input: &mut impl BufRead) -> io::Result<Answer> {
    let mut line = Vec::new();
    io::Read::take(input, LONGEST).read_until(b'\n', &mut line)?;
    Ok(match line.trim_ascii_end() {
        b"" if line.is_empty() => Answer::EndOfInput,
        b"yes" => Answer::Approved,
        _ => Answer::Declined,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::style::plain;

    fn asked(operation: Operation, input: &str) -> (Answer, String) {
        let mut out = Vec::new();
        let answer = ask(operation, "web-lab", &mut input.as_bytes(), &mut out).unwrap();
        (answer, plain(&String::from_utf8(out).unwrap()))
    }

    #[test]
    fn only_yes_is_yes() {
        for yes in ["yes\n", "yes", "yes\r\n", "yes \n", "yes\nno\n"] {
            assert_eq!(asked(Operation::Apply, yes).0, Answer::Approved, "{yes:?}");
        }
        for no in ["y\n", "Yes\n", "YES\n", "\n", "no\n", "yes please\n", "\nyes\n", " yes\n"] {
            assert_eq!(asked(Operation::Apply, no).0, Answer::Declined, "{no:?}");
        }
        let long = "yes".to_owned() + &" ".repeat(10_000) + "no\n";
        assert_eq!(asked(Operation::Apply, &long[3..]).0, Answer::Declined);
        assert_eq!(asked(Operation::Apply, "").0, Answer::EndOfInput);
    }

    #[test]
    fn what_is_no_text_is_no_yes() {
        let answer = ask(Operation::Apply, "x", &mut &b"\xff\xfe\n"[..], &mut Vec::new()).unwrap();
        assert_eq!(answer, Answer::Declined);
    }

    #[test]
    fn only_the_answers_line_is_read() {
        let mut input = &b"yes\nleft\n"[..];
        ask(Operation::Apply, "x", &mut input, &mut Vec::new()).unwrap();
        assert_eq!(input, b"left\n");
    }

    #[test]
    fn the_question_is_terraforms() {
        insta::assert_snapshot!(asked(Operation::Apply, "yes\n").1, @r"

        Do you want to perform these actions?
          netwright will perform the actions described above.
          Only 'yes' will be accepted to approve.

          Enter a value: 
        ");
        insta::assert_snapshot!(asked(Operation::Destroy, "no\n").1, @r#"

        Do you really want to destroy all resources?
          netwright will destroy what "web-lab" owns, as shown above.
          There is no undo. Only 'yes' will be accepted to approve.

          Enter a value: 
        "#);
    }
}
