//! Values as a program takes them that expects each of its sources to be careless.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A text that borrows unless it has escapes.
#[derive(Deserialize)]
#[serde(transparent)]
#[allow(dead_code, reason = "only reading it is measured")]
pub(super) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A text, or what else an id or a time may be.
#[derive(Default)]
#[allow(dead_code, reason = "only reading it is measured")]
pub(super) enum Scalar<'a> {
    Text(Cow<'a, str>),
    Whole(u64),
    Real(f64),
    Flag(bool),
    #[default]
    Nothing,
}

impl Scalar<'_> {
    fn number(&self) -> Option<f64> {
        match self {
            Self::Text(text) => text.parse().ok(),
            Self::Real(number) => Some(*number),
            Self::Whole(number) => Some(*number as f64),
            Self::Flag(_) | Self::Nothing => None,
        }
    }
}

/// A count, also one in a text or with a fraction.
#[allow(dead_code, reason = "only reading it is measured")]
pub(super) struct Count(Option<u64>);

/// An amount, also one in a text.
#[allow(dead_code, reason = "only reading it is measured")]
pub(super) struct Amount(Option<f64>);

/// A truth value, also one in a text or as 0 and 1.
#[allow(dead_code, reason = "only reading it is measured")]
pub(super) struct Flag(Option<bool>);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let scalar = Scalar::deserialize(deserializer)?;
        Ok(Self(match &scalar {
            Scalar::Whole(count) => Some(*count),
            Scalar::Text(text) if let Ok(count) = text.parse() => Some(count),
            other => other.number().map(|number| number as u64),
        }))
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Scalar::deserialize(deserializer).map(|scalar| Self(scalar.number()))
    }
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match Scalar::deserialize(deserializer)? {
            Scalar::Flag(flag) => Some(flag),
            Scalar::Text(text) => Some(text.eq_ignore_ascii_case("true") || text == "1"),
            Scalar::Whole(number) => Some(number == 1),
            _ => None,
        }))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Scalar<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Text(Cow::Owned(text.to_owned())))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Whole(number))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Real(number as f64))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Real(number))
            }
            fn visit_bool<E>(self, flag: bool) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Flag(flag))
            }
            fn visit_unit<E>(self) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Nothing)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Scalar<'de>, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Scalar::Nothing)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar<'de>, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Scalar::Nothing)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// One value, a list of them, or a text in which there may be one; the text is not opened.
#[allow(dead_code, reason = "only reading it is measured")]
pub(super) enum Loose<T> {
    One(T),
    Many(Vec<T>),
    Closed,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Loose<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Any<T> {
            type Value = Loose<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object, a list or a text")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Loose<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Loose::One)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Loose<T>, A::Error> {
                let mut many = Vec::new();
                while let Some(one) = list.next_element()? {
                    many.push(one);
                }
                Ok(Loose::Many(many))
            }
            fn visit_str<E: Error>(self, _: &str) -> Result<Loose<T>, E> {
                Ok(Loose::Closed)
            }
        }
        deserializer.deserialize_any(Any(PhantomData))
    }
}

/// Members of any names.
#[allow(dead_code, reason = "only reading it is measured")]
pub(super) struct Members<'a, V = Scalar<'a>>(Vec<(Text<'a>, V)>);

impl<'de: 'a, 'a, V: Deserialize<'de>> Deserialize<'de> for Members<'a, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Object<V> {
            type Value = Members<'de, V>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de, V>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object(PhantomData))
    }
}

/// What OpenTelemetry wraps into an object of one member.
#[allow(dead_code, reason = "only reading it is measured")]
pub(super) enum AnyValue<'a> {
    Scalar(Scalar<'a>),
    Real(Amount),
    Flag(Flag),
    List(Loose<Box<AnyValue<'a>>>),
    Nothing,
}

impl<'de: 'a, 'a> Deserialize<'de> for AnyValue<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = AnyValue<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of one member")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AnyValue<'de>, A::Error> {
                let mut value = AnyValue::Nothing;
                while let Some(Text(kind)) = map.next_key()? {
                    value = match &*kind {
                        "stringValue" | "string_value" | "intValue" | "int_value" => {
                            AnyValue::Scalar(map.next_value()?)
                        }
                        "doubleValue" | "double_value" => AnyValue::Real(map.next_value()?),
                        "boolValue" | "bool_value" => AnyValue::Flag(map.next_value()?),
                        "values" | "arrayValue" => AnyValue::List(map.next_value()?),
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            AnyValue::Nothing
                        }
                    };
                }
                Ok(value)
            }
        }
        deserializer.deserialize_map(Object)
    }
}
