//! What differs between the file and the kernel, as data: the parts of a plan.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Address, Diagnostic, Severity, event::Action};

/// An attribute's value as people and machines read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Value {
    /// On or off.
    Bool(bool),
    /// A count, a size.
    Number(u64),
    /// Anything with a text form.
    Text(String),
    /// Several, in an order that means something or is sorted.
    List(Vec<String>),
}

/// One attribute that differs, or that comes or goes with its resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AttributeChange {
    /// Its name, such as `mtu` or `web:eth0.addresses`.
    pub name: Cow<'static, str>,
    /// The value in the kernel; `None` where there is none.
    pub before: Option<Value>,
    /// The value in the file; `None` where it goes.
    pub after: Option<Value>,
    /// Whether the kernel cannot change it in place.
    #[serde(default)]
    pub forces_replacement: bool,
    /// A few words on it, such as `borrowed, given back on destroy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// One resource that will not stay as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Which.
    pub address: Address,
    /// What is done to it.
    pub action: Action,
    /// What differs; for creates and deletes everything it has.
    pub attributes: Vec<AttributeChange>,
    /// How many of its attributes stay as they are.
    pub unchanged: usize,
    /// Why, where the attributes do not say it (`link.web:eth0 is replaced`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who notices: what loses carrier, addresses or its route for a moment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disrupts: Vec<String>,
}

/// Something that the plan's reader should know, and that may forbid applying it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// `error` forbids the apply.
    pub severity: Severity,
    /// A stable name, such as `conflict::name_taken`.
    pub code: String,
    /// What, where, why.
    pub message: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl From<&Diagnostic> for Finding {
    /// Of what is about no place of a file.
    fn from(diagnostic: &Diagnostic) -> Self {
        Self {
            severity: diagnostic.severity,
            code: diagnostic.code.to_owned(),
            message: diagnostic.message.clone(),
            help: diagnostic.help.clone(),
        }
    }
}

/// The name of an attribute of a part, such as `web:eth0.mtu`.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a>(pub &'a str, pub &'a str);

impl From<Named<'_>> for Cow<'static, str> {
    fn from(Named(part, attribute): Named<'_>) -> Self {
        format!("{part}.{attribute}").into()
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Number(value.into())
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Vec<String>> for Value {
    fn from(value: Vec<String>) -> Self {
        Self::List(value)
    }
}

/// Collects what differs between two states of one resource, either of which may be absent.
#[derive(Debug, Default)]
pub struct Comparison {
    /// What differs.
    pub changes: Vec<AttributeChange>,
    /// How many attributes are alike.
    pub unchanged: usize,
}

impl Comparison {
    /// Compares one attribute that the kernel can change in place.
    pub fn attribute(&mut self, name: impl Into<Cow<'static, str>>, before: Option<Value>, after: Option<Value>) {
        self.push(name, before, after, false, None);
    }

    /// The same by what the attribute is in truth, of which a value is made where it differs.
    pub fn of<T: PartialEq>(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        before: Option<T>,
        after: Option<T>,
        value: impl Fn(T) -> Value,
    ) {
        if before == after {
            self.unchanged += usize::from(before.is_some());
        } else {
            self.push(name, before.map(&value), after.map(&value), false, None);
        }
    }

    /// Compares one attribute whose change makes the thing anew.
    pub fn forcing(&mut self, name: impl Into<Cow<'static, str>>, before: Option<Value>, after: Option<Value>) {
        self.push(name, before, after, true, None);
    }

    /// Compares what a resource is told by: shown only where it differs, since its address says it already.
    pub fn identity<T: PartialEq + Into<Value>>(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        before: Option<T>,
        after: Option<T>,
        forces: bool,
    ) {
        if before.is_some() && after.is_some() && before != after {
            self.push(name, before.map(Into::into), after.map(Into::into), forces, None);
        }
    }

    /// Adds an attribute with a few words on it, whether or not it differs.
    pub fn noted(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        before: Option<Value>,
        after: Option<Value>,
        note: impl Into<String>,
    ) {
        self.changes.push(AttributeChange {
            name: name.into(),
            before,
            after,
            forces_replacement: false,
            note: Some(note.into()),
        });
    }

    fn push(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        before: Option<Value>,
        after: Option<Value>,
        forces: bool,
        note: Option<String>,
    ) {
        if before == after {
            self.unchanged += usize::from(before.is_some());
            return;
        }
        let forces_replacement = forces && before.is_some() && after.is_some();
        self.changes.push(AttributeChange { name: name.into(), before, after, forces_replacement, note });
    }

    /// Whether the two states are alike.
    pub fn is_same(&self) -> bool {
        self.changes.is_empty()
    }

    /// Whether the kernel cannot get from the one to the other in place.
    pub fn forces_replacement(&self) -> bool {
        self.changes.iter().any(|change| change.forces_replacement)
    }
}
