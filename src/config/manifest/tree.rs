//! A TOML document whose every value knows where it was written.

use std::ops::Range;

use indexmap::IndexMap;
use toml::de::{DeTable, DeValue};

use super::de::Problem;

/// Where something stands: which of the two files, which bytes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// Index of the source.
    pub(super) source: usize,
    /// Bytes of the source.
    pub(super) span: Range<usize>,
}

/// One value.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Where it was written.
    pub(super) origin: Origin,
    /// What was written.
    pub(super) kind: Kind,
}

/// The kinds of TOML values.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// A string.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction; no key takes one.
    Float(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// A date or time, as it was written; no key takes one.
    Datetime(String),
    /// An array.
    List(Vec<Node>),
    /// A table; with each key, where the key stands.
    Table(IndexMap<String, (Origin, Node)>),
}

impl Node {
    /// Parses source number `source`. The parser bounds the depth (80), so walking the tree recursively is safe.
    pub(super) fn parse(source: usize, text: &str) -> Result<Self, Problem> {
        let document = DeTable::parse(text).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            Problem::at(Origin { source, span }, error.message().replace('\n', "; "))
        })?;
        let span = document.span();
        Ok(Self { origin: Origin { source, span }, kind: table(source, document.get_ref())? })
    }

    /// Lays `over` over `self`: tables are merged, arrays of named tables are matched by `name`, all else is replaced.
    pub(super) fn overlay(&mut self, over: Self) -> Result<(), Problem> {
        match (&mut self.kind, over.kind) {
            (Kind::Table(under), Kind::Table(over)) => {
                for (key, (origin, value)) in over {
                    match under.get_mut(&key) {
                        Some((_, known)) => known.overlay(value)?,
                        None => drop(under.insert(key, (origin, value))),
                    }
                }
            }
            (Kind::List(under), Kind::List(over)) if is_tables(under) && is_tables(&over) => {
                overlay_named(under, over)?;
            }
            (_, kind) => *self = Self { origin: over.origin, kind },
        }
        Ok(())
    }

    fn name(&self) -> Option<&str> {
        let Kind::Table(table) = &self.kind else { return None };
        match &table.get("name")?.1.kind {
            Kind::Text(name) => Some(name),
            _ => None,
        }
    }
}

fn is_tables(list: &[Node]) -> bool {
    !list.is_empty() && list.iter().all(|node| matches!(node.kind, Kind::Table(_)))
}

fn overlay_named(under: &mut Vec<Node>, over: Vec<Node>) -> Result<(), Problem> {
    for node in over {
        let Some(name) = node.name() else {
            return Err(Problem::at(node.origin, "a `name` is missing: it says which entry is meant".to_owned()));
        };
        match under.iter_mut().find(|known| known.name() == Some(name)) {
            Some(known) => known.overlay(node)?,
            None => under.push(node),
        }
    }
    Ok(())
}

fn table(source: usize, table: &DeTable<'_>) -> Result<Kind, Problem> {
    let mut result = IndexMap::with_capacity(table.len());
    for (key, value) in table {
        let origin = Origin { source, span: key.span() };
        result.insert(key.get_ref().to_string(), (origin, node(source, value.span(), value.get_ref())?));
    }
    Ok(Kind::Table(result))
}

fn node(source: usize, span: Range<usize>, value: &DeValue<'_>) -> Result<Node, Problem> {
    let origin = Origin { source, span };
    let kind = match value {
        DeValue::String(text) => Kind::Text(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Kind::Integer(number),
            Err(_) => return Err(Problem::at(origin, format!("{number} is too large"))),
        },
        DeValue::Float(number) => Kind::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(value) => Kind::Boolean(*value),
        DeValue::Datetime(value) => Kind::Datetime(value.to_string()),
        DeValue::Array(list) => {
            Kind::List(list.iter().map(|value| node(source, value.span(), value.get_ref())).collect::<Result<_, _>>()?)
        }
        DeValue::Table(entries) => table(source, entries)?,
    };
    Ok(Node { origin, kind })
}
