//! What every request passes before a page is made: method, host, origin, size, time; and the
//! headers that every answer carries.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// How long an answer may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes that a request without any use for a body may still announce.
const BODY_BYTES_MAX: u64 = 1_024;

/// No script at all, nothing from elsewhere, no frame, no form.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; \
     base-uri 'none'; frame-ancestors 'none'; form-action 'none'";

const HEADERS: [(header::HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (
        header::HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// The hosts under which the pages may be asked for.
///
/// Without this check a page of another site could point its own name at 127.0.0.1 and read
/// the incidents through the analyst's browser.
#[derive(Debug)]
pub(crate) struct Guard {
    allowed_hosts: Vec<String>,
}

impl Guard {
    pub(crate) fn new(allowed_hosts: &[String]) -> Self {
        let allowed_hosts = allowed_hosts
            .iter()
            .map(|host| host.to_ascii_lowercase())
            .collect();
        Self { allowed_hosts }
    }

    /// Returns why a request is refused, or `None` if it may pass.
    fn refusal(&self, request: &Request) -> Option<(StatusCode, &'static str)> {
        let headers = request.headers();
        if !self.host_is_allowed(request.uri(), headers) {
            return Some((
                StatusCode::FORBIDDEN,
                "the Host header names no loopback address and no allowed host\n",
            ));
        }
        if !self.origin_is_allowed(headers) {
            return Some((
                StatusCode::FORBIDDEN,
                "the Origin header names another site\n",
            ));
        }
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return Some((
                StatusCode::METHOD_NOT_ALLOWED,
                "only GET and HEAD are answered\n",
            ));
        }
        if !body_is_small(headers) {
            return Some((
                StatusCode::PAYLOAD_TOO_LARGE,
                "no request needs a body here\n",
            ));
        }
        None
    }

    fn host_is_allowed(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        // A request line with a whole URL overrides the header, so both must pass.
        if uri
            .authority()
            .is_some_and(|authority| !self.authority_is_allowed(authority.as_str()))
        {
            return false;
        }
        match only(headers, &header::HOST) {
            Some(host) => self.authority_is_allowed(host),
            None => false,
        }
    }

    fn origin_is_allowed(&self, headers: &HeaderMap) -> bool {
        if !headers.contains_key(header::ORIGIN) {
            return true;
        }
        only(headers, &header::ORIGIN)
            .and_then(|origin| {
                origin
                    .strip_prefix("http://")
                    .or_else(|| origin.strip_prefix("https://"))
            })
            .is_some_and(|authority| self.authority_is_allowed(authority))
    }

    fn authority_is_allowed(&self, authority: &str) -> bool {
        let authority = authority.to_ascii_lowercase();
        let (host, port) = match authority.rsplit_once(':') {
            // The last colon of a bracketed address without a port is inside the brackets.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority.as_str(), None),
        };
        if port.is_some_and(|port| port.parse::<u16>().is_err()) {
            return false;
        }
        let name = host.strip_suffix('.').unwrap_or(host);
        let bracketed = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'));
        name == "localhost"
            || name
                .parse::<Ipv4Addr>()
                .is_ok_and(|address| address.is_loopback())
            || bracketed
                .and_then(|address| address.parse::<Ipv6Addr>().ok())
                .is_some_and(|address| address.is_loopback())
            || self
                .allowed_hosts
                .iter()
                .any(|allowed| *allowed == authority || allowed == name)
    }
}

/// Returns the value of a header that is there exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    match values.next() {
        Some(_) => None,
        None => value.to_str().ok(),
    }
}

fn body_is_small(headers: &HeaderMap) -> bool {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return false;
    }
    match headers.get(header::CONTENT_LENGTH) {
        None => true,
        Some(length) => length
            .to_str()
            .ok()
            .and_then(|length| length.parse::<u64>().ok())
            .is_some_and(|length| length <= BODY_BYTES_MAX),
    }
}

/// Lets a request pass or refuses it, and puts the headers on whatever is answered.
pub(crate) async fn guard(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match guard.refusal(&request) {
        Some(refusal) => refusal.into_response(),
        None => match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
            Ok(response) => response,
            Err(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the answer took too long; try again\n",
            )
                .into_response(),
        },
    };
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        let allow = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(header::ALLOW, allow);
    }
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_are_judged_by_their_whole_name() {
        let guard = Guard::new(&[
            "Console.example.com".to_owned(),
            "b.example:8443".to_owned(),
        ]);
        for allowed in [
            "localhost",
            "LOCALHOST:8080",
            "localhost.",
            "127.0.0.1",
            "127.9.9.9:1",
            "[::1]",
            "[::1]:8080",
            "console.example.com",
            "console.example.com:443",
            "b.example:8443",
        ] {
            assert!(guard.authority_is_allowed(allowed), "{allowed}");
        }
        for refused in [
            "",
            ":",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil.example:127.0.0.1",
            "user@localhost",
            "localhost:http",
            "localhost:99999",
            "b.example",
            "b.example:1",
            "10.0.0.1",
            "0.0.0.0",
            "[::]",
            "::1",
            "[::ffff:127.0.0.1]",
            "2130706433",
        ] {
            assert!(!guard.authority_is_allowed(refused), "{refused}");
        }
    }
}
