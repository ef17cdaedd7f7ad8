//! Ways to values that are known before there is a document.

use super::{Json, NameHash, NameSet};

/// A way downwards: names with dots between. Where it begins is known before it is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    text: &'static str,
    head_len: usize,
    head: NameHash,
}

impl Path {
    /// Takes names with dots between.
    pub(crate) const fn of(text: &'static str) -> Self {
        let bytes = text.as_bytes();
        let mut head_len = 0;
        while head_len < bytes.len() && bytes[head_len] != b'.' {
            head_len += 1;
        }
        Self {
            text,
            head_len,
            head: NameHash::of(bytes.split_at(head_len).0),
        }
    }

    /// Takes one name, which may have dots in it.
    pub(crate) const fn name(text: &'static str) -> Self {
        Self {
            text,
            head_len: text.len(),
            head: NameHash::of(text.as_bytes()),
        }
    }

    /// Takes some names, each of which may have dots in it.
    pub(crate) const fn names<const COUNT: usize>(texts: [&'static str; COUNT]) -> [Self; COUNT] {
        Self::each(texts, true)
    }

    /// Takes some ways, each of names with dots between.
    pub(crate) const fn all<const COUNT: usize>(texts: [&'static str; COUNT]) -> [Self; COUNT] {
        Self::each(texts, false)
    }

    const fn each<const COUNT: usize>(
        texts: [&'static str; COUNT],
        are_names: bool,
    ) -> [Self; COUNT] {
        let mut paths = [Self::of(""); COUNT];
        let mut at = 0;
        while at < COUNT {
            paths[at] = match are_names {
                true => Self::name(texts[at]),
                false => Self::of(texts[at]),
            };
            at += 1;
        }
        paths
    }

    /// Returns the names with dots between.
    pub(crate) fn text(self) -> &'static str {
        self.text
    }

    /// Returns what is at its end in an object that has `names`, unless that has not even its
    /// beginning.
    pub(crate) fn find<'t>(self, json: Json<'t>, names: &NameSet) -> Option<Json<'t>> {
        self.may_begin_in(names).then(|| self.follow(json))
    }

    /// Returns whether its beginning may be one of these names.
    pub(crate) fn may_begin_in(self, names: &NameSet) -> bool {
        names.may_have(self.head)
    }

    /// Returns what is at its end in an object.
    pub(crate) fn follow(self, json: Json<'_>) -> Json<'_> {
        let (head, rest) = self.text.split_at(self.head_len);
        let first = json.member(head, self.head);
        match rest.strip_prefix('.') {
            Some(rest) => rest.split('.').fold(first, Json::get),
            None => first,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Tree;
    use super::*;

    #[test]
    fn a_path_leads_down_by_its_names() {
        let tree = Tree::parse(r#"{"a":{"b":{"c":1}},"d":2,"a.b":3}"#).unwrap();
        let (json, names) = (tree.root(), tree.root().names());
        for (path, found) in Path::all(["a.b.c", "d", "d.e", "a.x", "x", ""])
            .iter()
            .zip(["1", "2", "", "", "", ""])
        {
            let seen = path.find(json, &names).map_or("", Json::raw);
            assert_eq!(seen, found, "{}", path.text());
        }
    }
}
