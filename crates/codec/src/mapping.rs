//! Where the fields of an event are in somebody's own JSON, as the settings say.

use std::collections::BTreeMap;

use model::{CountField, FlagField, TextField};
use serde::{Deserialize, Serialize};

use crate::json::{Json, Unit};
use crate::meaning::tokens::Convention;

/// Where the fields of an event are in somebody's own JSON.
///
/// A field that is named here is looked for there and nowhere else; all others are looked for under
/// the names that such things usually have. A path is names with dots between (`usage.prompt`),
/// numbers for elements of arrays (`choices.0.model`), or a JSON pointer where names have dots
/// (`/http/x.request.id`).
///
/// ```
/// let mapping: codec::Mapping = serde_json::from_str(r#"{
///     "fields": {"key": "auth.credential", "input_tokens": "meter.in", "cost_usd": "meter.price"},
///     "constants": {"provider": "openai", "service": "checkout"},
///     "cost_unit": "cents",
///     "input_tokens": "exclusive"
/// }"#).unwrap();
/// # assert_eq!(serde_json::from_str::<codec::Mapping>(r#"{"fields":{"kye":"a"}}"#).unwrap_err().to_string(),
/// # "no field of an event has the name \"kye\"; did you mean \"key\"?");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawMapping", into = "RawMapping")]
pub struct Mapping {
    paths: Vec<(Target, String)>,
    constants: Vec<(TextField, String)>,
    raw: RawMapping,
}

/// A mapping as it is typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawMapping {
    /// The path of a field, by its name in the native event; also `total_tokens`, for checking.
    fields: BTreeMap<String, String>,
    /// The text of a field where its path has none.
    constants: BTreeMap<String, String>,
    /// The path of another unit, by its name.
    other_units: BTreeMap<String, String>,
    /// The path of what is kept beside the fields, by the name it is kept under.
    extra: BTreeMap<String, String>,
    /// What `cost_usd` is counted in where it is found.
    cost_unit: Unit,
    /// Whether input tokens include cached ones.
    input_tokens: Convention,
}

/// Why a mapping is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// A name that no field has.
    #[error("no field of an event has the name \"{name}\"{}", .nearest.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default())]
    UnknownField {
        /// The name that was typed.
        name: String,
        /// The nearest name of a field.
        nearest: Option<&'static str>,
    },
    /// A constant for what is no text.
    #[error("the field \"{0}\" has no constant, because it holds no text")]
    ConstantIsNoText(String),
}

/// What a path is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Time,
    TimeStart,
    TimeEnd,
    Cost,
    TotalTokens,
    Text(TextField),
    Count(CountField),
    Flag(FlagField),
}

const OTHER_TARGETS: [(&str, Target); 5] = [
    ("time", Target::Time),
    ("time_start", Target::TimeStart),
    ("time_end", Target::TimeEnd),
    ("cost_usd", Target::Cost),
    ("total_tokens", Target::TotalTokens),
];

impl Target {
    fn of(name: &str) -> Result<Self, MappingError> {
        let other = OTHER_TARGETS.iter().find(|(other, _)| *other == name);
        let target = other.map(|(_, target)| *target);
        let target = target.or_else(|| TextField::from_name(name).map(Self::Text));
        let target = target.or_else(|| CountField::from_name(name).map(Self::Count));
        let target = target.or_else(|| FlagField::from_name(name).map(Self::Flag));
        target.ok_or_else(|| MappingError::UnknownField {
            name: name.to_owned(),
            nearest: nearest(name),
        })
    }
}

fn nearest(name: &str) -> Option<&'static str> {
    let names = OTHER_TARGETS.iter().map(|(name, _)| *name);
    let names = names.chain(TextField::ALL.iter().map(|field| field.name()));
    let names = names.chain(CountField::ALL.iter().map(|field| field.name()));
    let names = names.chain(FlagField::ALL.iter().map(|field| field.name()));
    names
        .map(|near| (strsim::damerau_levenshtein(name, near), near))
        .filter(|(distance, _)| *distance <= 3)
        .min()
        .map(|(_, near)| near)
}

impl TryFrom<RawMapping> for Mapping {
    type Error = MappingError;

    fn try_from(raw: RawMapping) -> Result<Self, MappingError> {
        let paths = raw.fields.iter();
        let paths = paths.map(|(name, path)| Ok((Target::of(name)?, path.clone())));
        let constants = raw
            .constants
            .iter()
            .map(|(name, text)| match Target::of(name)? {
                Target::Text(field) => Ok((field, text.clone())),
                _ => Err(MappingError::ConstantIsNoText(name.clone())),
            });
        Ok(Self {
            paths: paths.collect::<Result<_, _>>()?,
            constants: constants.collect::<Result<_, _>>()?,
            raw,
        })
    }
}

impl From<Mapping> for RawMapping {
    fn from(mapping: Mapping) -> Self {
        mapping.raw
    }
}

impl Mapping {
    /// Returns whether a field is named here, by a path or a constant.
    pub(crate) fn covers(&self, target: Target) -> bool {
        let constant = |field| self.constants.iter().any(|(other, _)| *other == field);
        self.paths.iter().any(|(other, _)| *other == target)
            || matches!(target, Target::Text(field) if constant(field))
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = (Target, &str)> {
        self.paths
            .iter()
            .map(|(target, path)| (*target, path.as_str()))
    }

    pub(crate) fn constants(&self) -> impl Iterator<Item = (TextField, &str)> {
        self.constants
            .iter()
            .map(|(field, text)| (*field, text.as_str()))
    }

    pub(crate) fn other_units(&self) -> impl Iterator<Item = (&str, &str)> {
        self.raw
            .other_units
            .iter()
            .map(|(unit, path)| (unit.as_str(), path.as_str()))
    }

    pub(crate) fn extra(&self) -> impl Iterator<Item = (&str, &str)> {
        self.raw
            .extra
            .iter()
            .map(|(name, path)| (name.as_str(), path.as_str()))
    }

    pub(crate) fn cost_unit(&self) -> Unit {
        self.raw.cost_unit
    }

    pub(crate) fn convention(&self) -> Convention {
        self.raw.input_tokens
    }
}

/// Follows a path: names with dots between, or a JSON pointer.
pub(crate) fn at<'t>(json: Json<'t>, path: &str) -> Json<'t> {
    let step = |json: Json<'t>, name: &str| match name.parse::<usize>() {
        Ok(index) if json.is_array() => json.items().nth(index).unwrap_or(json.get("")),
        _ => json.get(name),
    };
    match path.strip_prefix('/') {
        Some(pointer) => pointer.split('/').fold(json, |json, name| {
            step(json, &name.replace("~1", "/").replace("~0", "~"))
        }),
        None => path.split('.').fold(json, step),
    }
}
