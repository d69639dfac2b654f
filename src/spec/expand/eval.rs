//! What an expression comes to.

use super::{
    expr::{Expr, Operator, Term, wrong},
    value::{self, Value},
};
use crate::spec::de::{meant, text::Wrong};

/// How many faults of one text are said.
const FAULTS_MAX: usize = 20;

/// Why there is no value: all that is wrong with the text, each with the bytes that it is about. Nothing where it follows
/// from something that has been said already.
#[derive(Debug)]
pub struct Fault(pub Vec<Wrong>);

impl Fault {
    /// What follows from something that has been said already.
    pub const SAID: Self = Self(Vec::new());

    /// This and another one; what is wrong in the same way is said once.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        for wrong in other.0 {
            if self.0.len() < FAULTS_MAX && !self.0.iter().any(|it| it.message == wrong.message) {
                self.0.push(wrong);
            }
        }
        self
    }
}

impl From<Wrong> for Fault {
    fn from(wrong: Wrong) -> Self {
        Self(vec![wrong])
    }
}

/// Two values, or why there are not both.
fn both<A, B>(a: Result<A, Fault>, b: Result<B, Fault>) -> Result<(A, B), Fault> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(a), Err(b)) => Err(a.and(b)),
        (Err(fault), Ok(_)) | (Ok(_), Err(fault)) => Err(fault),
    }
}

/// Where variables are looked up.
pub trait Lookup {
    /// The value of a variable, which stands at `range` of the text.
    fn get(&mut self, name: &str, range: &std::ops::Range<usize>) -> Result<Value, Fault>;

    /// Whether there is a variable of that name.
    fn knows(&self, name: &str) -> bool;
}

/// What a condition comes to.
const TRUTH: &str = "true or false";

/// The value of an expression.
pub fn eval(expr: &Expr, scope: &mut dyn Lookup) -> Result<Value, Fault> {
    match &expr.term {
        Term::Int(number) => Ok(Value::Int(*number)),
        Term::Bool(truth) => Ok(Value::Bool(*truth)),
        Term::Text(text) => Ok(Value::Text(text.clone())),
        Term::Word(word) if scope.knows(word) => {
            let error = wrong(format!("`{word}` is a word here, not the variable"), "a word", expr.range.clone());
            Err(error.help(format!("write ${word} for the variable, or '{word}' for the word")).into())
        }
        Term::Word(word) => Ok(Value::Text(word.clone())),
        Term::Variable(name) => scope.get(name, &expr.range),
        Term::Negative(inner) => {
            let number = int(inner, scope)?;
            number.checked_neg().map(Value::Int).ok_or_else(|| too_large(expr))
        }
        Term::Not(inner) => Ok(Value::Bool(!truth(inner, scope)?)),
        Term::Binary(operator, left, right) => binary(expr, *operator, (left, right), scope),
    }
}

/// The value of an expression that must be true or false.
pub fn truth(expr: &Expr, scope: &mut dyn Lookup) -> Result<bool, Fault> {
    match eval(expr, scope)? {
        Value::Bool(truth) => Ok(truth),
        other => Err(unfit(expr, TRUTH, &other)),
    }
}

fn int(expr: &Expr, scope: &mut dyn Lookup) -> Result<i64, Fault> {
    match eval(expr, scope)? {
        Value::Int(number) => Ok(number),
        other => Err(unfit(expr, "a number", &other)),
    }
}

fn unfit(expr: &Expr, expected: &str, found: &Value) -> Fault {
    let message = format!("{expected} is expected, and this is {}: `{}`", found.kind(), found.shown());
    let wrong = wrong(message, format!("expected {expected}"), expr.range.clone());
    let help = match found {
        Value::Text(text) if expected == TRUTH => meant::truth(text).map(|truth| format!("write {truth}")),
        Value::Text(text) => meant::advice(text),
        Value::Int(_) | Value::Bool(_) | Value::List(_) => None,
    };
    Wrong { help, ..wrong }.into()
}

fn too_large(expr: &Expr) -> Fault {
    wrong("the result is too large for a number", "too large", expr.range.clone()).into()
}

/// Refuses to compare a number, or true or false, with text that only looks like one: it would never be equal.
fn never_equal(whole: &Expr, a: &Value, b: &Value) -> Option<Wrong> {
    let (text, other) = match (a, b) {
        (Value::Text(text), other @ (Value::Int(_) | Value::Bool(_))) => (text, other),
        (other @ (Value::Int(_) | Value::Bool(_)), Value::Text(text)) => (text, other),
        _ => return None,
    };
    let meant = match other {
        Value::Int(_) if value::integer(text).is_some() => Some("write both with quotes, or both without".to_owned()),
        Value::Int(_) => meant::advice(text),
        _ => meant::truth(text).map(|truth| format!("write {truth}, without quotes")),
    };
    let message = format!("{} is compared with text: `{text}`", other.kind());
    meant.map(|help| wrong(message, "never equal", whole.range.clone()).help(help))
}

fn binary(
    whole: &Expr,
    operator: Operator,
    (left, right): (&Expr, &Expr),
    scope: &mut dyn Lookup,
) -> Result<Value, Fault> {
    use Operator::{And, AtLeast, AtMost, Divide, Equal, Greater, Less, Minus, Or, Plus, Remainder, Times, Unequal};
    match operator {
        // What stands right is not looked at where the left decides, so that it may rely on it.
        And => Ok(Value::Bool(truth(left, scope)? && truth(right, scope)?)),
        Or => Ok(Value::Bool(truth(left, scope)? || truth(right, scope)?)),
        Equal | Unequal => {
            let (a, b) = both(eval(left, scope), eval(right, scope))?;
            if let Some(error) = never_equal(whole, &a, &b) {
                return Err(error.into());
            }
            Ok(Value::Bool((a == b) == (operator == Equal)))
        }
        Less | AtMost | Greater | AtLeast => {
            let (a, b) = both(int(left, scope), int(right, scope))?;
            let order = a.cmp(&b);
            Ok(Value::Bool(match operator {
                Less => order.is_lt(),
                AtMost => order.is_le(),
                Greater => order.is_gt(),
                _ => order.is_ge(),
            }))
        }
        Plus | Minus | Times | Divide | Remainder => {
            let (a, b) = both(int(left, scope), int(right, scope))?;
            if b == 0 && matches!(operator, Divide | Remainder) {
                return Err(wrong("this divides by zero", "is 0", right.range.clone()).into());
            }
            let result = match operator {
                Plus => a.checked_add(b),
                Minus => a.checked_sub(b),
                Times => a.checked_mul(b),
                Divide => a.checked_div(b),
                _ => a.checked_rem(b),
            };
            result.map(Value::Int).ok_or_else(|| too_large(whole))
        }
    }
}
