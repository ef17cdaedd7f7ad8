//! OpenMeter's events: those of its topics, and CloudEvents that are made for it.
//!
//! In its topics `data` is JSON in a text, `time` whole seconds, and there is no `specversion`.
//! Source and id together tell events apart, as they do in OpenMeter. The subject is the customer;
//! it is the key where the data names none.
//! Source: openmeterio/openmeter, `kafkaingest/serializer`; BerriAI/litellm, `openmeter.py`.

use model::TextField;

use super::{Confidence, Decoder, Format};
use crate::draft::Draft;
use crate::json::Json;
use crate::meaning::metered;
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::Openmeter,
    marks: &["subject"],
    signature,
    decode,
};

fn signature(json: Json<'_>) -> Option<Confidence> {
    let names = ["id", "source", "type", "subject", "data"];
    if !names.iter().all(|name| json.has(name)) {
        return None;
    }
    let data = json.get("data");
    let own = if json.has("specversion") {
        // Any CloudEvent may have a subject; a meter has a number to add up.
        json.get("type").str() == Some("litellm_tokens")
            || data.has("tokens")
            || json.get("source").str() == Some("litellm-proxy")
    } else {
        let counts = ["tokens", "prompt_tokens", "input_tokens", "usage"];
        data.str().is_some_and(|data| data.starts_with('{'))
            || counts.iter().any(|name| data.has(name))
    };
    own.then_some(Confidence::Certain)
}

fn decode(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    let data = json.get("data").inner()?;
    read(rows, json, data.json())
}

fn read<'t>(rows: &mut Rows<'_>, json: Json<'t>, data: Json<'t>) -> Result<(), Rejection> {
    let mut draft = Draft::call();
    draft.time(json.get("time"))?;
    let (source, subject) = (json.get("source"), json.get("subject"));
    if let Some(id) = json.get("id").label() {
        draft.set(TextField::Id, format!("{}#{id}", source.raw()));
    }
    draft.set(TextField::Source, "app");
    draft.text(TextField::Service, source);
    draft.text(TextField::Operation, json.get("type"));
    let class = if data.has("tokens") {
        None
    } else {
        json.get("type").str()
    };
    metered::read(&mut draft, data, class)?;
    if draft.row.text(TextField::Key).is_some() {
        draft.text(TextField::User, subject);
    } else {
        draft.text(TextField::Key, subject);
        draft.set(TextField::KeyKind, "consumer");
    }
    rows.push(json, draft)
}
