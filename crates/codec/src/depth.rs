//! How deep JSON nests, without reading it.

use memchr::memmem::Finder;

use crate::json::MAX_DEPTH;

/// Where a walk over JSON is; brackets in texts do not count.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    depth: usize,
    in_text: bool,
    escaped: bool,
}

impl Place {
    fn pass(&mut self, byte: u8) {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' if self.in_text => self.escaped = true,
            b'"' => self.in_text = !self.in_text,
            b'[' | b'{' if !self.in_text => self.depth += 1,
            b']' | b'}' if !self.in_text => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}

/// Returns whether checked JSON nests deeper than [`MAX_DEPTH`].
pub(crate) fn too_deep(json: &str) -> bool {
    let mut place = Place::default();
    json.bytes().any(|byte| {
        place.pass(byte);
        place.depth > MAX_DEPTH
    })
}

/// Returns whether a text, in its quotes, begins right inside of the outermost object: as the name
/// of a member, or as the value of one. Of what is no JSON it may be anything.
pub(crate) fn begins_on_top(payload: &[u8], text: &Finder<'_>) -> bool {
    let (mut place, mut from) = (Place::default(), 0);
    text.find_iter(payload).any(|at| {
        let before = payload.get(from..at).unwrap_or_default();
        before.iter().for_each(|&byte| place.pass(byte));
        from = at;
        place.depth == 1 && !place.in_text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_on_top_only() {
        let time = Finder::new(b"\"time\"");
        let check = |json: &str, expected| {
            assert_eq!(begins_on_top(json.as_bytes(), &time), expected, "{json}");
        };
        check(r#"{"time":1}"#, true);
        check(r#"  {"a":{"time":2},"b":"}\"{","time":1}"#, true);
        check(r#"{"a":[{}],"time":1}"#, true);
        check(r#"{"a":{"time":2},"b":"\"time\""}"#, false);
        check(r#"[{"time":1}]"#, false);
        check(r#"{"times":1}"#, false);
        check("", false);
    }

    #[test]
    fn brackets_count_outside_of_texts() {
        let nest = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(!too_deep(&nest(MAX_DEPTH)) && too_deep(&nest(MAX_DEPTH + 1)));
        assert!(!too_deep(&format!("\"{}\"", nest(MAX_DEPTH + 1))));
    }
}
