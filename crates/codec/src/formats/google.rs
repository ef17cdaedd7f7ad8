//! What the logs of Google have in common.

/// Returns the name and the HTTP status of a status code of gRPC.
pub(super) fn status_of(code: u64) -> Option<(&'static str, u64)> {
    Some(match code {
        0 => ("OK", 200),
        1 => ("CANCELLED", 499),
        2 => ("UNKNOWN", 500),
        3 => ("INVALID_ARGUMENT", 400),
        4 => ("DEADLINE_EXCEEDED", 504),
        5 => ("NOT_FOUND", 404),
        6 => ("ALREADY_EXISTS", 409),
        7 => ("PERMISSION_DENIED", 403),
        8 => ("RESOURCE_EXHAUSTED", 429),
        9 => ("FAILED_PRECONDITION", 400),
        10 => ("ABORTED", 409),
        11 => ("OUT_OF_RANGE", 400),
        12 => ("UNIMPLEMENTED", 501),
        13 => ("INTERNAL", 500),
        14 => ("UNAVAILABLE", 503),
        15 => ("DATA_LOSS", 500),
        16 => ("UNAUTHENTICATED", 401),
        _ => return None,
    })
}

/// Returns what comes after a word in a resource's name: the model in `…/models/m`.
pub(super) fn after<'n>(name: &'n str, word: &str) -> Option<&'n str> {
    let mut parts = name.split('/');
    parts.find(|part| *part == word)?;
    parts.next().filter(|part| !part.is_empty())
}
