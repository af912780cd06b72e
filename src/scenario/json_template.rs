//! JSON whose texts are templates.

use serde_json::{Map, Value};

use crate::source::{RenderError, Scope, Template};

/// A JSON value whose texts are templates.
#[derive(Clone, Debug, PartialEq)]
pub enum JsonTemplate {
    /// A text.
    Text(Template),
    /// A text that stands for a number.
    Number(Template),
    /// Null, a boolean or a number.
    Plain(Value),
    /// An array.
    Array(Vec<Self>),
    /// An object, in the order of the file.
    Object(Vec<(String, Self)>),
}

impl JsonTemplate {
    /// Reads the texts of a value as templates.
    ///
    /// # Errors
    /// The first text that is no template.
    pub fn parse(value: &Value) -> Result<Self, String> {
        Ok(match value {
            Value::String(text) => match Template::parse(text)? {
                number if number.is_number() => Self::Number(number),
                text => Self::Text(text),
            },
            Value::Array(items) => {
                Self::Array(items.iter().map(Self::parse).collect::<Result<_, _>>()?)
            }
            Value::Object(members) => {
                let members =
                    members.iter().map(|(name, member)| Ok((name.clone(), Self::parse(member)?)));
                Self::Object(members.collect::<Result<_, String>>()?)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => Self::Plain(value.clone()),
        })
    }

    /// Fills the texts.
    ///
    /// # Errors
    /// A name without a value.
    pub fn fill(&self, scope: &Scope<'_>) -> Result<Value, RenderError> {
        Ok(match self {
            Self::Text(template) => Value::String(template.carried(scope)?),
            Self::Number(template) => {
                let text = template.text(scope)?;
                text.parse().map_or_else(|_| Value::String(text), Value::Number)
            }
            Self::Plain(value) => value.clone(),
            Self::Array(items) => {
                Value::Array(items.iter().map(|item| item.fill(scope)).collect::<Result<_, _>>()?)
            }
            Self::Object(members) => {
                let filled =
                    members.iter().map(|(name, member)| Ok((name.clone(), member.fill(scope)?)));
                Value::Object(filled.collect::<Result<Map<_, _>, RenderError>>()?)
            }
        })
    }

    /// The names that it needs.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Number(template) | Self::Text(template) => template.names().collect(),
            Self::Plain(_) => Vec::new(),
            Self::Array(items) => items.iter().flat_map(Self::names).collect(),
            Self::Object(members) => {
                members.iter().flat_map(|(_, member)| member.names()).collect()
            }
        }
    }
}
