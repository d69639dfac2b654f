//! Terraform's single dash: `-auto-approve` is made `--auto-approve` before clap sees it.

use std::ffi::{OsStr, OsString};

/// The arguments with every `-long-flag` written `--long-flag`, up to a bare `--`: what follows that is another
/// command's. Single letters stay, and so does what is no flag by its form: `-`, `-5`.
///
/// A word that is the value of the flag before it is treated alike; none of our values begins with a dash.
pub fn normalise(argv: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut ours = true;
    let word = |word: OsString| {
        ours &= word != "--";
        if ours && is_long_with_one_dash(&word) { dashed(&word) } else { word }
    };
    argv.into_iter().map(word).collect()
}

/// A dash, a letter, and at least one more character that a flag's name may hold. Flags that do not exist are taken
/// along, since clap then says which one was probably meant.
fn is_long_with_one_dash(word: &OsStr) -> bool {
    match word.as_encoded_bytes() {
        [b'-', first, second, ..] => {
            first.is_ascii_lowercase() && (second.is_ascii_lowercase() || matches!(second, b'-' | b'='))
        }
        _ => false,
    }
}

fn dashed(word: &OsStr) -> OsString {
    let mut long = OsString::from("-");
    long.push(word);
    long
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalised(argv: &str) -> String {
        let words = normalise(argv.split(' ').map(OsString::from));
        words.iter().map(|w| w.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn one_dash_is_as_good_as_two() {
        for (typed, taken) in [
            ("plan f.toml -out p", "plan f.toml --out p"),
            ("plan -out=p -var=K=-V", "plan --out=p --var=K=-V"),
            ("apply --auto-approve -no-color", "apply --auto-approve --no-color"),
            ("-no-color plan", "--no-color plan"),
            ("-help", "--help"),
            ("-version", "--version"),
            ("plan -detailed-exitcode -refresh-only", "plan --detailed-exitcode --refresh-only"),
            ("destroy -all", "destroy --all"),
            // Misspelt ones too, so that the right one is suggested.
            ("apply -auto-aprove", "apply --auto-aprove"),
            // Single letters and what is no flag.
            ("-h", "-h"),
            ("-V plan", "-V plan"),
            ("validate - --format yaml", "validate - --format yaml"),
            ("apply -5", "apply -5"),
            // Another command's words are its own.
            ("sandbox -- ip -json link", "sandbox -- ip -json link"),
            ("sandbox -no-color -- ls -la -- -json", "sandbox --no-color -- ls -la -- -json"),
        ] {
            assert_eq!(normalised(typed), taken);
        }
    }

    #[cfg(unix)]
    #[test]
    fn words_that_are_no_text_pass_unchanged() {
        use std::os::unix::ffi::OsStringExt;
        let word = OsString::from_vec(vec![b'-', 0xff, 0xfe, b'a']);
        assert_eq!(normalise([word.clone()]), [word]);
    }
}
