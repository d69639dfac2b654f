//! The variables of a file: what they hold, and who uses them.

use std::{collections::BTreeMap, ops::Range};

use serde_json::Value as Json;

use super::{
    Given,
    eval::{Fault, Lookup},
    template::{self, Filled},
    value::{self, Value, is_name},
};
use crate::{
    model::{Diagnostic, Span, Spanned, diagnostic::Gathered},
    spec::{
        Format, Source,
        de::{suggest, text::Wrong},
        tree::{self, Node, Scalar},
    },
};

/// The variable that holds the topology's name.
pub const NAME: &str = "name";

/// The longest name of a variable, in bytes.
const NAME_MAX: usize = 64;

/// How much all uses of variables may come to, in bytes: of what is made of itself twice there is soon more than fits anywhere.
const USES_MAX: usize = 48 << 20;

/// How deep variables may be made of others.
const DEPTH_MAX: usize = 64;

/// Among how many variables the one that was meant is looked for, and for how many errors.
const SUGGESTIONS_MAX: usize = 200;

/// All variables that are known at one place of a file.
pub struct Env {
    variables: BTreeMap<String, Variable>,
    given: BTreeMap<String, Given>,
    /// Those of the `for`s around the place, the outermost first.
    pub turns: Vec<(String, Value)>,
    /// Which copy the place is in; 0 for none.
    pub copy: u32,
    /// The files that were read so far, for errors to point into.
    pub sources: Vec<Source>,
    /// What was found wrong.
    pub diagnostics: Gathered,
    /// Whether a file could not be included, in which there may be more variables.
    pub misses_files: bool,
    /// What all uses of variables came to so far.
    used: usize,
    /// The variables that are being worked out, each for the one before.
    working: Vec<String>,
    /// For how many errors it was looked up what may have been meant.
    suggested: usize,
}

/// A variable of `vars`.
struct Variable {
    /// Where it is defined.
    place: Span,
    state: State,
    /// What is to be set in place of the default.
    given: Option<String>,
    used: bool,
}

enum State {
    /// Not asked for yet: the default.
    Written(Node),
    /// Being worked out: whoever asks now goes round in a circle.
    Working,
    Known(Value),
    /// It has been said why it has no value.
    Failed,
}

impl Env {
    /// No variables but the topology's name; `given` is set in place of defaults once there are any.
    pub fn new(name: Option<&str>, given: BTreeMap<String, Given>) -> Self {
        let state = name.map_or(State::Failed, |name| State::Known(Value::Text(name.to_owned())));
        let title = Variable { place: Span::default(), state, given: None, used: true };
        let variables = BTreeMap::from([(NAME.to_owned(), title)]);
        Self {
            variables,
            given,
            turns: Vec::new(),
            copy: 0,
            sources: Vec::new(),
            diagnostics: Gathered::default(),
            misses_files: false,
            used: 0,
            working: Vec::new(),
            suggested: 0,
        }
    }

    /// Takes up the topology's name as a file writes it, unless it is known already.
    pub fn name(&mut self, node: &Node) {
        if let Some(title) = self.variables.get_mut(NAME).filter(|title| matches!(title.state, State::Failed)) {
            (title.place, title.state) = (node.span, State::Written(node.clone()));
        }
    }

    /// Takes up a variable with its default. One that an including file has already keeps what it has there.
    pub fn define(&mut self, key: &Spanned<String>, default: &Node) {
        if let Err(wrong) = name_of_variable(&key.value) {
            self.report(&Node::scalar(key.span, key.value.as_str(), tree::Style::Plain), wrong);
            return;
        }
        let given = self.given.get(&key.value).map(|given| given.text.clone());
        let variable = Variable { place: key.span, state: State::Written(default.clone()), given, used: false };
        self.variables.entry(key.value.clone()).or_insert(variable);
    }

    /// Where a variable of `vars` is defined.
    pub fn place(&self, name: &str) -> Option<Span> {
        self.variables.get(name).map(|variable| variable.place)
    }

    /// Works out every variable, so that what is wrong with one is said though nothing uses it. Returns what was set of what
    /// was given.
    pub fn finish(&mut self) -> BTreeMap<String, String> {
        let names: Vec<String> = self.variables.keys().filter(|name| *name != NAME).cloned().collect();
        for name in &names {
            // What is wrong has been said.
            let _ = self.work_out(name);
        }
        let asked = self.given.iter().filter(|(name, given)| given.must && !names.contains(name));
        let undeclared: Vec<String> = asked.map(|(name, _)| name.clone()).collect();
        if !self.misses_files {
            undeclared.iter().for_each(|name| self.undeclared(name));
        }
        let set = self.variables.iter().filter_map(|(name, it)| Some((name.clone(), it.given.clone()?)));
        set.collect()
    }

    fn undeclared(&mut self, name: &str) {
        let known: Vec<&str> = self.variables.keys().map(String::as_str).filter(|known| *known != NAME).collect();
        let error = Diagnostic::error("vars::undeclared", format!("the file has no variable `{name}` to be set"));
        self.diagnostics.push(match (suggest::nearest(name, known.iter().copied()), known.is_empty()) {
            (Some(near), _) => error.help(format!("did you mean `{near}`?")),
            (None, true) => error.help("it has no `vars`"),
            (None, false) => error.help(format!("it has {}", suggest::all_of(&known))),
        });
    }

    /// Whether nothing asked for some variable. Where something could not be read, it may have been asked for there.
    pub fn has_unused(&self) -> bool {
        !self.diagnostics.has_errors() && self.variables.values().any(|variable| !variable.used)
    }

    /// Counts the variables that are named in an entry as used: also where it is not made this time, is for others, or
    /// another file writes over it.
    pub fn mention(&mut self, key: &str, value: &Node) {
        self.mention_in(key);
        match &value.value {
            tree::Value::Scalar(scalar) => self.mention_in(&scalar.text),
            tree::Value::List(items) => items.iter().for_each(|item| self.mention("", item)),
            tree::Value::Map(entries) => entries.iter().for_each(|entry| self.mention(&entry.key.value, &entry.value)),
            tree::Value::Null | tree::Value::Invalid => {}
        }
    }

    fn mention_in(&mut self, text: &str) {
        template::names(text, |name| {
            if let Some(variable) = self.variables.get_mut(name) {
                variable.used = true;
            }
        });
    }

    /// Warns of variables that nothing asks for.
    pub fn warn_of_unused(&mut self) {
        for (name, variable) in self.variables.iter().filter(|(_, variable)| !variable.used) {
            let warning = Diagnostic::warning("vars::unused", format!("nothing uses the variable `{name}`"));
            let help = format!("write ${name} where it is meant, or take it away");
            self.diagnostics.push(warning.at(variable.place, "not used").help(help));
        }
    }

    /// Reports what is wrong with a part of a scalar.
    pub fn report(&mut self, node: &Node, wrong: Wrong) {
        let text = self.sources.get(node.span.source as usize).map_or("", |source| &source.text);
        let span = wrong.range.map_or(node.span, |range| tree::part(text, node, range));
        let span = Span { copy: self.copy, ..span };
        let error = Diagnostic::error(wrong.code, wrong.message).at(span, wrong.label);
        self.diagnostics.push(match wrong.help {
            Some(help) => error.help(help),
            None => error,
        });
    }

    /// A key with its value, as the file that the place is in would write them.
    pub fn pair(&self, at: Span, key: &str, value: &Json) -> String {
        let source = self.sources.get(at.source as usize);
        source.map_or(Format::Yaml, |source| source.format).pair(key, value)
    }

    /// Reports what has not been said yet of a fault.
    pub fn fault(&mut self, node: &Node, fault: Fault) {
        fault.0.into_iter().for_each(|wrong| self.report(node, wrong));
    }

    /// The value of a scalar, or of a list of scalars. A variable in a list that holds a list stands for its items.
    pub fn value(&mut self, node: &Node) -> Option<Value> {
        let tree::Value::List(nodes) = &node.value else {
            return self.single(node, "a variable holds a number, text, true or false, or a list");
        };
        let mut items = Vec::with_capacity(nodes.len());
        let mut whole = true;
        for node in nodes {
            match self.item(node) {
                Some(Value::List(more)) => items.extend(more),
                Some(item) => items.push(item),
                None => whole = false,
            }
        }
        whole.then_some(Value::List(items))
    }

    /// The value of an item of a list.
    pub fn item(&mut self, node: &Node) -> Option<Value> {
        self.single(node, "a list of values holds numbers, text, true and false")
    }

    /// The value of a scalar; `expected` says what may stand there.
    fn single(&mut self, node: &Node, expected: &str) -> Option<Value> {
        let value = match &node.value {
            tree::Value::Scalar(scalar) => self.scalar(scalar),
            tree::Value::Invalid => return None,
            tree::Value::Null | tree::Value::List(_) | tree::Value::Map(_) => {
                let message = format!("{expected}, not {}", node.found());
                Err(Wrong::new("vars::value", message, "no value of a variable").into())
            }
        };
        value.map_err(|fault| self.fault(node, fault)).ok()
    }

    fn scalar(&mut self, scalar: &Scalar) -> Result<Value, Fault> {
        if template::is_template(&scalar.text) {
            return Ok(match self.fill(&scalar.text)? {
                Filled::Value(value) => value,
                Filled::Text(text) => Value::Text(text),
            });
        }
        Value::of_scalar(scalar).ok_or_else(|| {
            let message = format!("a variable holds no fractions and no dates: `{}`", scalar.text);
            Wrong::new("vars::value", message, "no value of a variable")
                .help("put it in quotes to have it as text")
                .into()
        })
    }

    /// Text with what its variables hold.
    pub fn fill(&mut self, text: &str) -> Result<Filled, Fault> {
        template::fill(text, self)
    }

    /// The value of a variable of `vars` that is used at `range` of a text.
    fn variable(&mut self, name: &str, range: &Range<usize>) -> Result<Value, Fault> {
        let Some(variable) = self.variables.get_mut(name) else { return Err(self.undefined(name, range)) };
        variable.used = true;
        if self.working.len() >= DEPTH_MAX && matches!(variable.state, State::Written(_)) {
            let message = format!("variables are made of others more than {DEPTH_MAX} deep");
            return Err(Wrong::new("vars::limit", message, "too deep with this one").range(range.clone()).into());
        }
        self.work_out(name)
    }

    fn work_out(&mut self, name: &str) -> Result<Value, Fault> {
        let Some(variable) = self.variables.get_mut(name) else { return Err(Fault::SAID) };
        match &variable.state {
            State::Known(value) => return Ok(value.clone()),
            State::Failed => return Err(Fault::SAID),
            State::Working => {
                variable.state = State::Failed;
                let error = self.cycle(name);
                self.diagnostics.push(error);
                return Err(Fault::SAID);
            }
            State::Written(_) => {}
        }
        let (place, given) = (variable.place, variable.given.clone());
        let State::Written(default) = std::mem::replace(&mut variable.state, State::Working) else {
            return Err(Fault::SAID);
        };
        // A variable of the file knows nothing of the `for`s around the place where it is used.
        let (turns, copy) = (std::mem::take(&mut self.turns), std::mem::take(&mut self.copy));
        self.working.push(name.to_owned());
        let value = match (&default.value, given) {
            (tree::Value::Null, None) => self.missing(name, place),
            (tree::Value::Null, Some(given)) => Some(Value::of_text(&given)),
            (_, None) => self.value(&default),
            (_, Some(given)) => self.value(&default).and_then(|default| self.set(name, place, &given, &default)),
        };
        self.working.pop();
        (self.turns, self.copy) = (turns, copy);
        if let Some(variable) = self.variables.get_mut(name) {
            variable.state = value.clone().map_or(State::Failed, State::Known);
        }
        value.ok_or(Fault::SAID)
    }

    /// `name` is asked for while it is being worked out: each variable from it on needs the next one, and the last one it.
    fn cycle(&self, name: &str) -> Diagnostic {
        let round = self.working.iter().skip_while(|it| *it != name);
        let needed = round.clone().skip(1).map(String::as_str).chain([name]);
        let error = Diagnostic::error("vars::cycle", format!("the variable `{name}` is made of itself"));
        let error = round.zip(needed).fold(error, |error, (who, whom)| {
            let label = if who == whom { "needs itself".to_owned() } else { format!("needs `{whom}`") };
            error.at(self.place(who).unwrap_or_default(), label)
        });
        error.help("write one of the values out")
    }

    fn missing(&mut self, name: &str, place: Span) -> Option<Value> {
        let error = Diagnostic::error("vars::missing", format!("the variable `{name}` has no value"));
        let help = format!("give it one here, or with -var {name}=VALUE or NETWRIGHT_VAR_{name}");
        self.diagnostics.push(error.at(place, "no default here").help(help));
        None
    }

    /// What is given in place of a default is of its kind.
    fn set(&mut self, name: &str, place: Span, given: &str, default: &Value) -> Option<Value> {
        let of_kind = |text: &str, like: &Value| match (like, Value::of_text(text)) {
            (Value::Int(_), value @ Value::Int(_)) | (Value::Bool(_), value @ Value::Bool(_)) => Some(value),
            (Value::Text(_), _) => Some(Value::Text(text.to_owned())),
            _ => None,
        };
        let value = match default {
            Value::List(items) => {
                let like = items.first().cloned().unwrap_or_else(|| Value::Text(String::new()));
                let items = given.split(',').map(str::trim).filter(|item| !item.is_empty());
                items.map(|item| of_kind(item, &like)).collect::<Option<_>>().map(Value::List)
            }
            other => of_kind(given, other),
        };
        if value.is_none() {
            let what = format!("`{given}` is given for `{name}`, which is {} here", default.kind());
            let error = Diagnostic::error("vars::kind", what).at(place, format!("{name} = {}", default.shown()));
            self.diagnostics.push(error.help("give a value of the same kind as the default"));
        }
        value
    }

    fn undefined(&mut self, name: &str, range: &Range<usize>) -> Fault {
        if self.misses_files {
            return Fault::SAID;
        }
        // Whoever has that many errors is not helped by a suggestion, and each costs a look at every variable.
        self.suggested += 1;
        let looked_at = if self.suggested > SUGGESTIONS_MAX { 0 } else { SUGGESTIONS_MAX };
        let turns = self.turns.iter().map(|(name, _)| name.as_str());
        let known: Vec<&str> = turns.chain(self.variables.keys().map(String::as_str)).take(looked_at).collect();
        let shorter = known.iter().filter(|known| name.starts_with(**known)).max_by_key(|known| known.len());
        let error = Wrong::new("vars::undefined", format!("there is no variable `{name}`"), "not defined");
        let error = error.range(range.clone());
        match (suggest::nearest(name, known.iter().copied()), shorter) {
            (Some(near), _) => error.help(format!("did you mean `{near}`?")),
            (None, Some(shorter)) => {
                error.help(format!("write ${{{shorter}}}{} if `{shorter}` is meant", name.trim_start_matches(*shorter)))
            }
            (None, None) => error.help(format!("define it under `vars`, or write $${name} for a dollar sign")),
        }
        .into()
    }
}

impl Lookup for Env {
    fn get(&mut self, name: &str, range: &Range<usize>) -> Result<Value, Fault> {
        if self.used > USES_MAX {
            return Err(Fault::SAID);
        }
        let turn = self.turns.iter().rev().find(|(turn, _)| turn == name);
        let value = match turn.map(|(_, value)| value.clone()) {
            Some(value) => value,
            None => self.variable(name, range)?,
        };
        self.used += value.cost();
        if self.used <= USES_MAX { Ok(value) } else { Err(used_up(range)) }
    }

    fn knows(&self, name: &str) -> bool {
        self.turns.iter().any(|(turn, _)| turn == name) || self.variables.contains_key(name)
    }
}

fn used_up(range: &Range<usize>) -> Fault {
    let message = format!("the uses of variables come to more than {} MiB", USES_MAX >> 20);
    let wrong = Wrong::new("vars::limit", message, "too much with this one").range(range.clone());
    wrong.help("is a variable made of others that are made of others, more often than was meant?").into()
}

/// Refuses what no variable can be called.
pub fn name_of_variable(name: &str) -> Result<(), Wrong> {
    let error = |message: String| Err(Wrong::new("vars::name", message, "not the name of a variable"));
    match name {
        NAME => error("`name` is the topology's name, in every file".to_owned()),
        _ if name.len() > NAME_MAX => error(format!("a variable's name has at most {NAME_MAX} letters")),
        _ if is_name(name) && !matches!(name, "true" | "false") => Ok(()),
        _ => error(format!("`{}` cannot be a variable: a name has letters, digits and `_`", name.escape_debug())),
    }
}

/// Reads `1..4`.
pub fn range(text: &str) -> Result<(i64, i64), Wrong> {
    let (first, last) = text.split_once("..").unwrap_or((text, ""));
    match [first.trim(), last.trim()].map(value::integer) {
        [Some(first), Some(last)] => Ok((first, last)),
        // The text may have come of variables: where in the file its parts stand is not known.
        _ => Err(Wrong::new("for::values", format!("`{}` is no range of numbers", value::shown(text)), "not a range")
            .help("write 1..4, both ends included; a variable in it needs its dollar sign: 1..$n")),
    }
}
