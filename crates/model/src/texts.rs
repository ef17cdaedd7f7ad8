//! The texts of one event, by field.

use std::borrow::Cow;
use std::fmt;

use arrayvec::ArrayVec;

use crate::TextField;

const FIELDS: usize = TextField::ALL.len();

/// The texts of one event: of the many that there are words for, an event has some ten.
///
/// Only those take time: what is not there is neither written nor dropped, which for an event of
/// three hundred bytes would be a good part of reading it.
#[derive(Clone)]
pub struct Texts<'a> {
    /// For each field one more than the place of its text, or 0 where it has none.
    places: [u8; FIELDS],
    values: ArrayVec<Cow<'a, str>, FIELDS>,
}

const _: () = assert!(FIELDS < u8::MAX as usize, "a place is one byte");

impl Default for Texts<'_> {
    #[inline]
    fn default() -> Self {
        Self {
            places: [0; FIELDS],
            values: ArrayVec::new_const(),
        }
    }
}

impl<'a> Texts<'a> {
    /// Returns the text of a field.
    #[inline]
    pub fn get(&self, field: TextField) -> Option<&Cow<'a, str>> {
        let place = usize::from(self.places[field as usize]);
        self.values.get(place.wrapping_sub(1))
    }

    /// Returns how many texts [`Self::values`] has before that of a field.
    pub fn number(&self, field: TextField) -> Option<usize> {
        usize::from(self.places[field as usize]).checked_sub(1)
    }

    /// Sets the text of a field.
    #[inline]
    pub fn set(&mut self, field: TextField, text: Cow<'a, str>) {
        let place = &mut self.places[field as usize];
        if let Some(value) = self.values.get_mut(usize::from(*place).wrapping_sub(1)) {
            *value = text;
            return;
        }
        // There is a place for each field.
        self.values.push(text);
        *place = self.values.len() as u8;
    }

    /// Takes the text of a field out.
    pub fn take(&mut self, field: TextField) -> Option<Cow<'a, str>> {
        let place = std::mem::take(&mut self.places[field as usize]);
        let at = usize::from(place).checked_sub(1)?;
        // The last one takes its place.
        let last = self.values.len() as u8;
        if let Some(moved) = self.places.iter_mut().find(|place| **place == last) {
            *moved = place;
        }
        self.values.swap_pop(at)
    }

    /// Iterates over the fields that have a text, in the order of the wire.
    pub fn iter(&self) -> impl Iterator<Item = (TextField, &Cow<'a, str>)> {
        let fields = TextField::ALL.iter();
        fields.filter_map(|&field| Some((field, self.get(field)?)))
    }

    /// Iterates over the texts in no order.
    #[inline]
    pub fn values(&self) -> impl Iterator<Item = &Cow<'a, str>> {
        self.values.iter()
    }

    /// Iterates over the texts, to change them, in no order.
    #[inline]
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Cow<'a, str>> {
        self.values.iter_mut()
    }
}

impl fmt::Debug for Texts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_set_changed_and_taken_by_itself() {
        let mut texts = Texts::default();
        for (at, field) in TextField::ALL.iter().enumerate() {
            assert_eq!(texts.get(*field), None);
            assert_eq!(texts.take(*field), None);
            assert_eq!(texts.number(*field), None);
            texts.set(*field, at.to_string().into());
            texts.set(*field, Cow::Borrowed(field.name()));
        }
        assert_eq!(texts.values().count(), TextField::ALL.len());
        for field in TextField::ALL {
            let number = texts.number(*field).expect("it was set");
            assert_eq!(texts.values().nth(number), texts.get(*field));
        }
        for value in texts.values_mut() {
            value.to_mut().push('!');
        }
        // Every third is taken, from both ends of the order in which they were set.
        let fields = TextField::ALL.iter().rev().copied();
        let (taken, left): (Vec<TextField>, Vec<TextField>) =
            fields.partition(|field| (*field as usize).is_multiple_of(3));
        for field in &taken {
            let text = texts.take(*field).expect("it was set");
            assert_eq!(text, format!("{}!", field.name()));
            assert_eq!(texts.get(*field), None);
        }
        let fields: Vec<_> = texts.iter().map(|(field, _)| field).collect();
        assert!(fields.is_sorted() && fields.len() == left.len());
        for field in left {
            assert_eq!(texts.get(field).unwrap(), &format!("{}!", field.name()));
        }
        for field in taken {
            texts.set(field, "again".into());
            assert_eq!(texts.get(field).unwrap(), "again");
        }
    }

    #[test]
    fn texts_are_shown_by_field() {
        let mut texts = Texts::default();
        texts.set(TextField::Model, "m".into());
        texts.set(TextField::Kind, "usage".into());
        assert_eq!(format!("{texts:?}"), r#"{Kind: "usage", Model: "m"}"#);
    }
}
