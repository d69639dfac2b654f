//! The page as it is written: parts with sections, one a code, each with its examples.

use std::{collections::BTreeSet, fs};

use netwright::{model::Severity, spec::Format};

use super::HOST;

/// The page, from the root of the repository.
pub const PAGE: &str = "docs/diagnostics.md";

/// All of it.
pub struct Page {
    /// Its parts: `## Title`.
    pub parts: Vec<Part>,
}

/// Codes that have to do with each other.
pub struct Part {
    /// Its heading.
    pub title: String,
    /// Its sections.
    pub sections: Vec<Section>,
}

/// What is said of one code.
pub struct Section {
    /// The code: ``### `area::what` ``.
    pub code: String,
    /// The line of its heading.
    pub line: usize,
    /// How bad it may be.
    pub severities: BTreeSet<Severity>,
    /// What it means.
    pub prose: String,
    /// Its examples, in their order.
    pub examples: Vec<Example>,
}

/// What is to be said of an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Its code.
    Wrong,
    /// Nothing.
    Right,
}

/// A fenced block: "```yaml wrong", or `right`. `-var NAME=VALUE` after that sets a variable, and `-to FORMAT` converts the file.
pub struct Example {
    /// The line of its fence.
    pub line: usize,
    /// What is to be said of it.
    pub verdict: Verdict,
    /// Its notation.
    pub format: Format,
    /// The file.
    pub text: String,
    /// Files beside it, by their names: each a block "```yaml file=NAME" behind it.
    pub beside: Vec<(String, String)>,
    /// What the command line sets.
    pub vars: Vec<(String, String)>,
    /// The notation that it is converted to.
    pub to: Option<Format>,
}

impl Example {
    /// What the file is called.
    pub fn name(&self) -> String {
        format!("lab.{}", self.format.as_str())
    }

    /// Where it stands on the page.
    pub fn place(&self) -> String {
        format!("{PAGE}:{}", self.line)
    }
}

impl Page {
    /// Reads it.
    pub fn read() -> Self {
        let path = format!("{}/{PAGE}", env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(path).unwrap();
        let mut parts: Vec<Part> = Vec::new();
        let mut lines = text.lines().enumerate();
        while let Some((index, line)) = lines.next() {
            let number = index + 1;
            if let Some(title) = line.strip_prefix("## ") {
                parts.push(Part { title: title.to_owned(), sections: Vec::new() });
            } else if let Some(heading) = line.strip_prefix("### ") {
                let code = heading.trim_matches('`').to_owned();
                let section = Section {
                    code,
                    line: number,
                    severities: BTreeSet::new(),
                    prose: String::new(),
                    examples: Vec::new(),
                };
                parts.last_mut().unwrap_or_else(|| panic!("{PAGE}:{number}: no part")).sections.push(section);
            } else if let Some(section) = parts.last_mut().and_then(|part| part.sections.last_mut()) {
                match line.strip_prefix("```") {
                    Some(info) => {
                        let block = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
                        let text: String = block.flat_map(|line| [line, "\n"]).collect();
                        section.block(number, info, text);
                    }
                    None => section.say(line),
                }
            }
        }
        Self { parts }
    }

    /// All sections of all parts.
    pub fn sections(&self) -> impl Iterator<Item = &Section> {
        self.parts.iter().flat_map(|part| &part.sections)
    }

    /// What to write for a code that the page has not.
    pub fn ask_for(&self, code: &str, file: &str) -> String {
        let area = |code: &str| code.split("::").next().map(str::to_owned);
        let near = |part: &Part| part.sections.iter().filter(|section| area(&section.code) == area(code)).count();
        let (title, next) = match self.parts.iter().max_by_key(|part| near(part)).filter(|part| near(part) > 0) {
            Some(part) => (part.title.as_str(), part.sections.iter().find(|section| *section.code > *code)),
            None => ("a part of its own", None),
        };
        let place = next.map_or_else(|| "at its end".to_owned(), |next| format!("before `{}`", next.code));
        format!(
            "{PAGE} lacks `{code}` of {file}. Write under \"{title}\", {place} (or under \"{HOST}\", without the examples, if no \
             file shows it alone):\n\n### `{code}`\n\n**Error.** What it means, and why it is refused (or **Warning.**, \
             **Error or warning.**).\n\n```yaml wrong\nname: lab\n```\n\n```yaml right\nname: lab\n```\n"
        )
    }
}

impl Section {
    fn say(&mut self, line: &str) {
        let words = [("**Error.** ", "e"), ("**Warning.** ", "w"), ("**Error or warning.** ", "ew")];
        let said = words.iter().find_map(|(words, which)| Some((line.strip_prefix(words)?, *which)));
        if let (Some((_, which)), true) = (said, self.prose.is_empty()) {
            self.severities.extend(which.contains('e').then_some(Severity::Error));
            self.severities.extend(which.contains('w').then_some(Severity::Warning));
        }
        self.prose.push_str(said.map_or(line, |(rest, _)| rest));
    }

    fn block(&mut self, line: usize, info: &str, text: String) {
        let mut words = info.split(' ');
        let named = words.next().unwrap_or_default();
        let format = |name: &str| {
            Format::of_path(format!("x.{name}")).unwrap_or_else(|| panic!("{PAGE}:{line}: no format: {name}"))
        };
        let verdict = match words.next() {
            Some("wrong") => Verdict::Wrong,
            Some("right") => Verdict::Right,
            Some(other) if other.starts_with("file=") => {
                let example = self.examples.last_mut().unwrap_or_else(|| panic!("{PAGE}:{line}: beside what?"));
                example.beside.push((other.trim_start_matches("file=").to_owned(), text));
                return;
            }
            // Such as what is printed.
            _ => return,
        };
        let (vars, beside) = (Vec::new(), Vec::new());
        let mut example = Example { line, verdict, format: format(named), text, beside, vars, to: None };
        while let (Some(flag), Some(value)) = (words.next(), words.next()) {
            match (flag, value.split_once('=')) {
                ("-var", Some((name, value))) => example.vars.push((name.to_owned(), value.to_owned())),
                ("-to", None) => example.to = Some(format(value)),
                _ => panic!("{PAGE}:{line}: what is {flag} {value}?"),
            }
        }
        self.examples.push(example);
    }
}
