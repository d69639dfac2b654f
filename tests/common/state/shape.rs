//! What attributes are called and how they are written. Those that no table names are written as bytes, so that nothing
//! is overlooked that a kernel has to tell.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, Ipv6Addr},
};

use super::wire::{attributes, text, u32_at};

/// How a value is written.
#[derive(Clone, Copy)]
pub enum Shape {
    /// Not at all: it differs between two readings of a network that is the same.
    Volatile,
    Text,
    Number,
    Address,
    /// An index, written as the name of the device that has it.
    Device,
    Nest(Table),
    /// An array of numbers, by the name of each.
    Array(&'static [&'static str]),
    Bytes,
}

/// The attributes of one kind of message that are more than bytes.
pub type Table = &'static [(u16, &'static str, Shape)];

/// The names of a namespace's devices.
pub type Names = HashMap<u32, String>;

/// Writes every attribute, `path = value` each.
pub fn lines(bytes: &[u8], table: Table, path: &str, names: &Names, lines: &mut Vec<String>) {
    for (number, value) in attributes(bytes) {
        let known = table.iter().find(|it| it.0 == number);
        let (name, shape) = known.map_or((None, Shape::Bytes), |&(_, name, shape)| (Some(name), shape));
        let path = match name {
            Some("") => path.to_owned(),
            Some(name) => format!("{path}{name}"),
            None => format!("{path}attribute {number}"),
        };
        match shape {
            Shape::Volatile => {}
            Shape::Nest(table) if path.is_empty() => self::lines(value, table, "", names, lines),
            Shape::Nest(table) => self::lines(value, table, &format!("{path} "), names, lines),
            Shape::Array(known) => array(value, known, &path, lines),
            _ => lines.push(format!("{path} = {}", one(value, shape, names))),
        }
    }
}

/// Writes all attributes of a small thing on one line.
pub fn words(bytes: &[u8], table: Table, names: &Names) -> String {
    let mut found = Vec::new();
    lines(bytes, table, "", names, &mut found);
    found.iter().map(|line| line.replacen(" = ", " ", 1)).collect::<Vec<_>>().join(", ")
}

fn array(value: &[u8], known: &[&str], path: &str, lines: &mut Vec<String>) {
    for (at, number) in value.chunks_exact(4).enumerate() {
        let number = u32_at(number, 0) as i32;
        lines.push(match known.get(at).copied().unwrap_or_default() {
            "" => format!("{path} {at} = {number}"),
            name => format!("{path} {name} = {number}"),
        });
    }
}

fn one(value: &[u8], shape: Shape, names: &Names) -> String {
    match (shape, value.len()) {
        (Shape::Text, _) => text(value),
        (Shape::Device, 4) => device(u32_at(value, 0), names),
        (Shape::Number, 1) => value[0].to_string(),
        (Shape::Number, 2) => u16::from_ne_bytes([value[0], value[1]]).to_string(),
        (Shape::Number, 4) => u32_at(value, 0).to_string(),
        (Shape::Address, _) => address(value),
        _ => printable(value),
    }
}

pub fn device(index: u32, names: &Names) -> String {
    names.get(&index).cloned().unwrap_or_else(|| if index == 0 { "none".into() } else { "unknown".into() })
}

/// An address of any family by its length; a hardware address too.
pub fn address(bytes: &[u8]) -> String {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        Ipv4Addr::from(four).to_string()
    } else if let Ok(sixteen) = <[u8; 16]>::try_from(bytes) {
        Ipv6Addr::from(sixteen).to_string()
    } else {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
    }
}

fn hex(digit: u8) -> char {
    char::from_digit(digit.into(), 16).unwrap_or('?')
}

/// Bytes in which text can be read: all others in hex, many zeros as their number.
pub fn printable(bytes: &[u8]) -> String {
    let is_text = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'{' | b'}');
    let mut written = String::with_capacity(bytes.len() * 2);
    let mut rest = bytes;
    while let Some(first) = rest.first() {
        let kind = if is_text(first) { 1 } else { i32::from(*first == 0) * 2 };
        let same = |byte: &u8| if is_text(byte) { kind == 1 } else { kind == i32::from(*byte == 0) * 2 };
        let length = rest.iter().position(|byte| !same(byte)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(length);
        match kind {
            1 => written.extend(run.iter().map(|&byte| char::from(byte))),
            2 => written.push_str(&format!("{{0*{length}}}")),
            _ => {
                written.push('{');
                written.extend(run.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(hex));
                written.push('}');
            }
        }
        rest = after;
    }
    written
}
